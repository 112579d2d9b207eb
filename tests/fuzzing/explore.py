"""Fuzzes one target with atheris, guided by which lines of the package an input reaches.

    PYTHONPATH=tests python -m fuzzing.explore TARGET FOUND EMPTY [OPTION_OF_LIBFUZZER ...]

An input that is read wrongly is written into the folder FOUND and named on stderr, one for each place and
sort of mistake. What ends the process, takes minutes or all memory, libFuzzer writes there. EMPTY is a folder
to work in; it is not cleared, since libFuzzer ends the process.
"""

import hashlib
import re
import sys
from pathlib import Path

LONGEST = 1 << 16
"""Bytes of an input: what is larger takes longer, and finds less."""

OPTIONS = (
    f"-max_len={LONGEST}",
    "-timeout=120",
    "-rss_limit_mb=4000",
    "-print_final_stats=1",
    "-verbosity=0",
)
SAYS = "fuzzing found"
_NUMBERS = re.compile(r"\d+")


def main(name: str, found: Path, folder: Path, options: list[str]) -> None:
    """Fuzz a target until libFuzzer has had its time."""
    import atheris

    with atheris.instrument_imports(include=["scriptforge"]):
        # What is imported while seeds are read is instrumented, too.
        from support.verdict import problem_of

        from fuzzing.targets import TARGETS

        target = TARGETS[name]
        (work := folder / "work").mkdir()
        (corpus := folder / "corpus").mkdir()
        read = target.open(work)
        met: set[str] = set()

        def attempt(content: bytes) -> None:
            problem = problem_of(lambda: read(content))
            sort = _NUMBERS.sub("", problem or "")[:120]
            if problem and sort not in met:
                met.add(sort)
                path = found / hashlib.sha256(content).hexdigest()[:16]
                path.write_bytes(content)
                sys.stderr.write(f"{SAYS} {path.name}: {problem}\n")
                sys.stderr.flush()

        for number, seed in enumerate(target.seeds()):
            (corpus / str(number)).write_bytes(seed)
            attempt(seed)
        words = [sys.argv[0], str(corpus), *OPTIONS, f"-artifact_prefix={found}/", *options]
        atheris.Setup(words, attempt)
        atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), sys.argv[4:])
