"""Hyperparameter search: find settings that suit a corpus better than those that `train` chooses.

A *study* is one search; a *trial* is one training run of a given number of seconds. Optuna draws the settings
and stores the study; this package defines the search space, trains and evaluates. It is independent of the
command line. Several processes, on several machines, may work on one study. Optuna comes with the extra
`tune`.
"""
