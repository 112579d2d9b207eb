"""`scriptforge export` as a process: what it writes, what it says, and when it writes nothing."""

import json
from pathlib import Path

from support.command import TrainedWorkspace, scriptforge


def test_a_folder_is_made_and_described_and_not_made_twice(stage: TrainedWorkspace, tmp_path: Path) -> None:
    folder = tmp_path / "play"
    done = scriptforge("export", "play", "--onnx", folder, "--json", workspace=stage.path)
    assert done.returncode == 0, done.stderr
    (told,) = json.loads(done.stdout)
    assert (told["target"], told["folder"]) == ("onnx", str(folder))
    assert told["files"] == {path.name: path.stat().st_size for path in folder.iterdir()}
    assert told["parity"]["model.onnx"]["steps"] == 1000
    assert told["parity"]["model.onnx"]["largest_difference"] <= 1e-4
    again = scriptforge("export", "play", "--onnx", folder, workspace=stage.path)
    assert (again.returncode, again.stdout) == (2, "")
    assert again.stderr.splitlines() == [
        f"Error: There is an exported model in {folder} already.",
        "Replace it with --force, or name another one.",
    ]
    forced = scriptforge("export", "play", "--onnx", folder, "--force", workspace=stage.path)
    assert forced.returncode == 0, forced.stderr
    assert "model.onnx" in forced.stdout and "scores differ by at most" in forced.stdout


def test_a_disk_that_cannot_be_written_is_named(stage: TrainedWorkspace, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = scriptforge("export", "play", "--onnx", tmp_path / "file" / "out", workspace=stage.path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("Error: ") and done.stderr.count("\n") == 2
