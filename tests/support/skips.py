"""The reasons for which a test may be skipped. In CI a skip for any other reason fails.

A test that needs what not every machine has names one of these reasons, so that a green run in CI says which
tests did not run and why.
"""

import os

import pytest

HAS_GPU = "there is a GPU"
NO_CUDA = "there is no CUDA GPU"
NO_CORPORA = "the real corpora are not at ../shared/corpora"
NO_DEV_FULL = "there is no /dev/full"
NO_PEAK = "only Linux reports the peak memory of a process"
NO_PREFORK = "only on Linux are commands forks of one process"
NO_SANITIZERS = "only Linux loads the sanitizers into Python"
NO_QNNPACK = "this build of PyTorch has no QNNPACK"
NO_COMPILER = "there is no compiler of C, and the kernel was not built"
NO_CHROMIUM = "Chromium is not installed"
NO_NAMESPACES = "only root on Linux can make network namespaces"
NO_FAULTS = "only on Linux, with a compiler of C, can writing be made to fail"
NO_POSTGRESQL = "PostgreSQL is not installed"

_EXPECTED = frozenset(
    {
        HAS_GPU,
        NO_CUDA,
        NO_COMPILER,
        NO_CORPORA,
        NO_DEV_FULL,
        NO_FAULTS,
        NO_NAMESPACES,
        NO_PEAK,
        NO_PREFORK,
        NO_QNNPACK,
        NO_SANITIZERS,
    }
)
_PROGRAMS = {"chromium": NO_CHROMIUM, "postgresql": NO_POSTGRESQL}
"""Programs that CI installs: their tests may be skipped only if `NOT_INSTALLED` names them."""


def fail_unexpected(report: pytest.TestReport | pytest.CollectReport) -> None:
    """Turn a skip for a reason that is not expected into a failure, if the environment has `CI`.

    Args:
        report: the outcome of a test or of the collection of a module; changed in place.
    """
    if not (os.environ.get("CI") and report.skipped) or hasattr(report, "wasxfail"):
        return
    reason = _reason(report)
    if reason not in _expected():
        report.outcome = "failed"
        report.longrepr = f"skipped for a reason that CI does not expect: {reason}"


def _reason(report: pytest.TestReport | pytest.CollectReport) -> str:
    text = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    return text.removeprefix("Skipped: ")


def _expected() -> frozenset[str]:
    absent = os.environ.get("NOT_INSTALLED", "").split()
    return _EXPECTED | {_PROGRAMS[program] for program in absent}
