"""What the tests of stopped, damaged and continued trainings have in common."""

import json
from collections.abc import Callable
from pathlib import Path

from scriptforge.net.client import sha256_of
from scriptforge.workspace import RunFolder


def left_by(folder: RunFolder) -> dict[str, bytes]:
    """Return all bytes of a run that must be the same, however often its training was interrupted.

    They are the best weights, the last checkpoint, what was measured but for its seconds, and the samples.
    """
    last = folder.checkpoint(folder.checkpoint_steps()[0])
    rows = [json.loads(line) for line in folder.metrics.read_text(encoding="utf-8").splitlines()]
    measured = [{key: value for key, value in row.items() if key != "seconds"} for row in rows]
    return {
        "best": folder.weights.read_bytes(),
        "metrics": json.dumps(measured).encode(),
        "step": last.name.encode(),
        **{path.name: path.read_bytes() for path in last.glob("*.safetensors")},
        **{path.name: path.read_bytes() for path in folder.samples.iterdir()},
    }


def stop_after(calls: int) -> Callable[[], bool]:
    """Return what asks for a stop when it has been asked so often itself."""
    answers = iter([False] * (calls - 1) + [True])
    return lambda: next(answers)


def write_manifest(checkpoint: Path) -> None:
    """Write the manifest of a checkpoint anew, for what is there."""
    others = [path for path in checkpoint.iterdir() if path.name != "manifest.json"]
    manifest = {path.name: {"bytes": path.stat().st_size, "sha256": sha256_of(path)} for path in others}
    (checkpoint / "manifest.json").write_text(json.dumps(manifest))
