"""Two real processes that train one model, started as people start them."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest


def launcher() -> list[str]:
    """The command that starts two processes of whatever comes after it."""
    return [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]


def launch(workspace: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*launcher(), "-m", "scriptforge", *arguments, "--workspace", str(workspace)],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.mark.slow
def test_all_processes_go_by_what_the_first_one_measured(tmp_path: Path) -> None:
    measuring = tmp_path / "measuring.py"
    measuring.write_text(
        "import os\nfrom scriptforge.training.processes import broadcast_from_first\n"
        "told = broadcast_from_first((3.0 + int(os.environ['RANK']), 10**12 + 1, None, 'fp32'), 'cpu')\n"
        "import json\nopen(os.environ['RANK'], 'w').write(json.dumps(told))\n"
        "import torch.distributed\ntorch.distributed.destroy_process_group()\n"
    )
    done = subprocess.run(
        [*launcher(), str(measuring)], cwd=tmp_path, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    told = [json.loads((tmp_path / rank).read_text()) for rank in "01"]
    assert told[0] == told[1] == [3.0, 10**12 + 1, None, "fp32"]


@pytest.mark.slow
def test_two_processes_train_one_model_and_go_on_with_it(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "scriptforge", "prepare", "demo", "--workspace", str(tmp_path)]
    subprocess.run(command, check=True, capture_output=True)
    small = ["--set", "hidden_size=8", "--set", "embedding_size=8", "--set", "validations=1"]
    first = launch(tmp_path, "train", "demo", "--cpu", "--name", "two", "--epochs", "1", *small)
    assert first.returncode == 0, first.stderr
    assert first.stdout.count("diagnosis") == 1
    rows = (tmp_path / "runs/two/metrics.jsonl").read_text().splitlines()
    steps, epochs = json.loads(rows[0])["step"], json.loads(rows[0])["epochs"]
    tokens = json.loads((tmp_path / "data/demo/dataset.json").read_text())["splits"]["train"]["tokens"]
    settings = json.loads((tmp_path / "runs/two/config.json").read_text())["settings"]
    assert steps * 2 * settings["batch_size"] * settings["sequence_length"] == pytest.approx(epochs * tokens)
    second = launch(tmp_path, "train", "two", "--resume", "--cpu", "--epochs", "0.5")
    assert second.returncode == 0, second.stderr
    alone = subprocess.run(
        [sys.executable, "-m", "scriptforge", "train", "two", "--resume", "--workspace", str(tmp_path)],
        capture_output=True,
        text=True,
    )
    assert alone.returncode == 2
    assert "trained by 2 process(es), not 1" in alone.stderr
