"""Run benchmarks, all or those named; print tables, and write results to `docs/benchmarks/`."""

import argparse
import importlib
import os

from scriptforge.cli.app import THREAD_SPINS

BENCHMARKS = (
    "machine",
    "training",
    "explanation",
    "numpy_rnn",
    "decoding",
    "preparing",
    "starting",
    "quality",
)
"""All benchmarks, in the order in which they run; each ends within five minutes."""


def main() -> None:
    """Run the benchmarks that the command line names."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="BENCHMARK", help=f"of {', '.join(BENCHMARKS)}; else all")
    names = parser.parse_args().names or list(BENCHMARKS)
    if unknown := set(names) - set(BENCHMARKS):
        parser.error(f"there is no benchmark {', '.join(sorted(unknown))}; there are {', '.join(BENCHMARKS)}")
    for name in names:
        run(name)


def run(name: str) -> None:
    """Run one benchmark, save its results and print them."""
    os.environ.setdefault("GOMP_SPINCOUNT", THREAD_SPINS)  # as the command line does, before torch is loaded
    from benchmarks.results import printed, report_of

    module = importlib.import_module(f"benchmarks.{name}")
    report = report_of(name, module.run())
    report.save()
    print(f"{printed(report.results)}\n")


if __name__ == "__main__":
    main()
