"""Training: a generator of events, with checkpoints from which a run resumes as if it had not stopped."""
