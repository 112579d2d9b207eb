"""Training: a generator of reports, and checkpoints from which it goes on as if it had not stopped."""
