"""A search for settings that suit a corpus better than those that `train` chooses by itself.

A *study* is one search; a *trial* is one training run of a given number of seconds. Optuna draws the settings
and keeps the study; this package knows what they mean, trains, and counts. It knows nothing of the command
line. Several processes, on several machines, may work on one study. Optuna comes with the extra `tune`.
"""
