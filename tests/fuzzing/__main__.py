"""Fuzzes what reads files.

    PYTHONPATH=tests python -m fuzzing [--seconds N] [--jobs N] [TARGET ...]

Without a target, all are fuzzed. What was read wrongly is below `tests/fuzzing/found`, where a test reads it
again. atheris has to be installed, which is to be had for Linux: `pip install -e '.[test,fuzz]'`.
"""

import argparse
import sys
from concurrent.futures import ThreadPoolExecutor

from fuzzing.campaign import SECONDS, attack
from fuzzing.targets import TARGETS


def main() -> int:
    """Fuzz the targets that are named, say what was found, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m fuzzing", description="Fuzz what reads files.")
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"any of {', '.join(TARGETS)}")
    parser.add_argument("--seconds", type=int, default=SECONDS, help="for each target")
    parser.add_argument("--jobs", type=int, default=1, help="how many are fuzzed at once")
    asked = parser.parse_args()
    if unknown := set(asked.targets) - set(TARGETS):
        parser.error(f"there is no target {', '.join(sorted(unknown))}")
    wrong = 0
    with ThreadPoolExecutor(asked.jobs) as pool:
        for [part] in pool.map(lambda name: attack([name], asked.seconds), asked.targets or TARGETS):
            sys.stdout.write(f"{part.what}: {part.tried:,} tried, {len(part.failures):,} wrong\n")
            sys.stdout.writelines(f"  {problem}\n" for problem in part.failures)
            sys.stdout.flush()
            wrong += len(part.failures)
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
