"""What a library call might change in the process that it is made in, told by a fresh one.

A library changes some of it when it is imported, so whoever asks imports what the calls will import. Of
libraries that are not loaded nothing is told.
"""

import csv
import json
import logging
import os
import random
import signal
import subprocess
import sys
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

_TESTS = Path(__file__).resolve().parent.parent
_PROGRAM = """
import sys
{setup}
from support import process_state
before = process_state.state()
{calls}
process_state.print_changes(before)
"""
_LIBRARIES: Mapping[str, Callable[[Any], dict[str, object]]] = {
    "accelerate.state": lambda state: {
        "accelerate": [
            {key: str(value) for key, value in kind._shared_state.items()}
            for kind in (state.PartialState, state.AcceleratorState)
        ]
    },
    "datasets": lambda datasets: {
        "bars of datasets": datasets.are_progress_bars_disabled(),
        "verbosity of datasets": datasets.logging.get_verbosity(),
        "config of datasets": {
            name: str(value) for name, value in vars(datasets.config).items() if name.isupper()
        },
    },
    "huggingface_hub": lambda hub: {
        "bars of the hub": hub.utils.are_progress_bars_disabled(),
        "verbosity of the hub": hub.utils.logging.get_verbosity(),
        "hooks": str(hub.utils.get_session().event_hooks),
    },
    "numpy": lambda numpy: {"generator of numpy": str(numpy.random.get_state())},
    "optuna": lambda optuna: {"verbosity of optuna": optuna.logging.get_verbosity()},
    "torch": lambda torch: {
        "generator of torch": torch.get_rng_state().tolist(),
        "threads": torch.get_num_threads(),
        "gradients": torch.is_grad_enabled(),
    },
}
"""By the name of a module that may be loaded, what is told of it."""


def changed_by(calls: str, *words: str | Path, setup: str, folder: Path) -> dict[str, Any]:
    """Make calls in a fresh process, which may print nothing; return what they change, before and after.

    Args:
        calls: a program in Python.
        words: its `sys.argv[1:]`.
        setup: what runs before it.
        folder: the current directory.
    """
    paths = [str(_TESTS), *filter(None, [os.environ.get("PYTHONPATH")])]
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM.format(setup=setup, calls=calls), *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
    changes: dict[str, Any] = json.loads(done.stdout)
    return changes


def state() -> dict[str, Any]:
    """Return what there is to be changed."""
    found: dict[str, Any] = {
        "levels": _levels(),
        "environment": dict(os.environ),
        "filters": list(map(repr, warnings.filters)),
        "cells": csv.field_size_limit(),
        "generator": str(random.getstate()),
        "interrupts": str(signal.getsignal(signal.SIGINT)),
    }
    for name, told in _LIBRARIES.items():
        if module := sys.modules.get(name):
            found |= told(module)
    return found


def print_changes(before: Mapping[str, Any]) -> None:
    """Print what is another than it was."""
    after = state()
    changes = {name: [value, after[name]] for name, value in before.items() if after[name] != value}
    sys.stdout.write(json.dumps(changes))


def _levels() -> dict[str, tuple[int, bool, bool]]:
    """Return the loggers that are not as loggers are when they are made."""
    loggers = [logging.getLogger(), *map(logging.getLogger, sorted(logging.root.manager.loggerDict))]
    found = {each.name: (each.level, each.disabled, each.propagate) for each in loggers}
    return {name: how for name, how in found.items() if how != (logging.NOTSET, False, True)}
