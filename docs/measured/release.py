"""Measures a release: sizes, exports, the site, the lowest versions; writes release.md beside this file.

    PYTHONPATH=tests:docs/making python -P docs/measured/release.py

It needs `pip install build`, and on Linux an index with PyTorch's CPU build: PIP_EXTRA_INDEX_URL names one.
It takes some eight minutes.
"""

import platform
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
import website
from release import REPOSITORY, bytes_in, install_wheel, lowest_versions, megabytes

import scriptforge
from scriptforge.exporting.onnx_folder import GRAPHS
from scriptforge.exporting.parity import STEPS, TOLERANCE, Parity

PAGE = Path(__file__).with_suffix(".md")
SECONDS = 30
TARGETS: Mapping[str, str] = {
    "lstm": "onnx", "gru": "onnx", "rnn": "onnx", "transformer": "transformers",
}  # fmt: skip
"""The program that each architecture is exported for."""
SETTINGS: Mapping[str, Mapping[str, Any]] = {"transformer": {"speaker_embedding": False}}
"""Settings without which an architecture cannot be exported."""


def main(folder: Path) -> None:
    """Measure, and write the page."""
    sizes = list(measure_sizes(folder))
    copies = list(export_each(folder / "workspace"))
    website.build(folder / "site")
    pages = [path.read_text("utf-8") for path in (folder / "site" / "pages").rglob("*.md")]
    PAGE.write_text(page(sizes, copies, pages), encoding="utf-8")


def measure_sizes(folder: Path) -> Iterator[tuple[str, str]]:
    """Build the package and install it, and yield what has which size."""
    dist, environment, downloads = (folder / name for name in ("dist", "environment", "downloads"))
    subprocess.run([sys.executable, "-P", "-m", "build", "--outdir", dist, REPOSITORY], check=True)
    for file in sorted(dist.iterdir()):
        yield f"`{file.name}`", megabytes(file.stat().st_size)
    on_disk = install_wheel(environment, dist)
    pip = [str(environment / "bin" / "python"), "-m", "pip"]
    frozen = subprocess.run([*pip, "freeze"], stdout=subprocess.PIPE, text=True, check=True).stdout.split()
    again = ["download", "--quiet", "--no-deps", "--only-binary", "scriptforge-lm"]
    subprocess.run([*pip, *again, "--find-links", dist, "--dest", downloads, *frozen], check=True)
    [torch_wheel] = downloads.glob("torch-*.whl")
    yield f"an installation downloads, in {len(frozen)} files", megabytes(bytes_in(downloads))
    yield "of that PyTorch", megabytes(torch_wheel.stat().st_size)
    yield "an installation takes on disk", megabytes(on_disk)


def export_each(workspace: Path) -> Iterator[tuple[str, str, Parity]]:
    """Train each architecture and export it; yield its name, what the copy is, and how exact that is."""
    scriptforge.prepare("demo", workspace=workspace)
    for arch, target in TARGETS.items():
        model = scriptforge.train(
            "demo",
            name=arch,
            arch=arch,
            minutes=SECONDS / 60,
            init_from="none",
            device="cpu",
            settings=SETTINGS.get(arch, {}),
            workspace=workspace,
        )
        to: dict[str, Any] = {target: workspace / f"{arch}-exported"}
        for exported in scriptforge.export(model, **to):
            for file, parity in exported.parity.items():
                yield arch, f"{target}, {GRAPHS.get(file, 'fp32')}", parity


def page(
    sizes: Sequence[tuple[str, str]], copies: Sequence[tuple[str, str, Parity]], pages: Sequence[str]
) -> str:
    """Return the page."""
    links = sum(len(re.findall(r"\]\((?!https?:|#)", text)) for text in pages)
    return "\n".join(
        [
            "# What a release is",
            "",
            "<!-- Written by docs/measured/release.py. -->",
            "",
            f"Measured on {datetime.now(UTC):%Y-%m-%d} with scriptforge {scriptforge.__version__}, torch "
            f"{torch.__version__} and Python {platform.python_version()} on {platform.system()} "
            f"{platform.machine()}.",
            "",
            "```",
            "PYTHONPATH=tests:docs/making python -P docs/measured/release.py",
            "```",
            "",
            "## Sizes",
            "",
            "The wheel was built on that machine and installed into an empty environment, without extras, "
            "with the versions in `constraints.txt` and PyTorch's CPU build.",
            "",
            *table(("what", "size"), sizes),
            "",
            "## Exports",
            "",
            f"Models that learned the demo for {SECONDS} seconds, and their copies for ONNX Runtime and "
            f"transformers, read the same {STEPS:,} tokens, which the model draws as it goes. Scores are "
            "logits; nats are how much higher the copy's loss is per token.",
            "",
            *table(
                ("model", "copy", "tokens", "largest difference", "largest score", "its share", "nats"),
                [copy_row(*each) for each in copies],
            ),
            "",
            verdict(copies),
            "",
            "## The site",
            "",
            f"{len(pages)} pages with {links:,} links between them. None is dead, or there would be no site.",
            "",
            "## Lowest versions",
            "",
            "What `pyproject.toml` allows, extras included; this script only lists them. "
            "[Install it](../how-to/install-it.md#what-has-been-tried) says what was tried with them.",
            "",
            ", ".join(pin.replace("==", " ") for _, pin in lowest_versions()) + ".",
            "",
        ]
    )


def copy_row(arch: str, what: str, parity: Parity) -> tuple[str, ...]:
    """Return the cells of one copy."""
    return (
        arch,
        what,
        f"{parity.steps:,}",
        f"{parity.largest:.1e}",
        f"{parity.size:.1f}",
        f"{parity.largest / parity.size:.1e}",
        f"{parity.nats:+.1e}",
    )


def verdict(copies: Sequence[tuple[str, str, Parity]]) -> str:
    """Return which exact copies are within the tolerance, in itself and as a share of the largest score."""
    exact = [(arch, parity) for arch, what, parity in copies if what.endswith("fp32")]
    beyond = [arch for arch, parity in exact if parity.largest > TOLERANCE]
    share = max(parity.largest / parity.size for _, parity in exact)
    which = f"all but {', '.join(beyond)}" if beyond else "all"
    return (
        f"Of the copies in fp32, {which} differ by at most {TOLERANCE:.0e}. An export fails if one differs "
        f"by more than {TOLERANCE:.0e} of the largest score, or of 1 if that is more; here it is {share:.1e} "
        "at most. Copies in int8 are rounded, and are only measured."
    )


def table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Return the lines of a table, its numbers at the right."""
    rule = ["---" if not re.match(r"[+-]?\d", cell) else "---:" for cell in rows[0]]
    return [f"| {' | '.join(cells)} |" for cells in (headings, rule, *rows)]


if __name__ == "__main__":
    with TemporaryDirectory() as name:
        main(Path(name))
