import json
from pathlib import Path

import pytest

from scriptforge.cli.app import run
from scriptforge.doctor import Finding, examine
from scriptforge.workspace import Workspace


def found(workspace: Path) -> dict[str, Finding]:
    return {finding.check: finding for finding in examine(Workspace(workspace))}


def test_the_machine_that_runs_the_tests_is_usable(workspace_path: Path) -> None:
    findings = found(workspace_path)
    assert {"python", "torch", "cores", "memory", "kernel", "accelerator", "workspace"} <= findings.keys()
    assert {finding.state for finding in findings.values()} <= {"ok", "advice"}
    assert all(finding.remedy for finding in findings.values() if finding.state != "ok")


def test_what_is_needed_elsewhere_is_not_missing_here(
    workspace_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    conditions = ("", '; python_version < "3"', '; sys_platform == "amiga"', "; extra=='docs'")
    names = [f"no-such-package-{number}" for number in range(len(conditions))]
    required = [f"Requires-Dist: {name}>=1{each}" for name, each in zip(names, conditions, strict=True)]
    metadata = ["Metadata-Version: 2.4", "Name: scriptforge-lm", "Version: 9", *required, ""]
    (tmp_path / "site" / "scriptforge_lm-9.dist-info").mkdir(parents=True)
    (tmp_path / "site" / "scriptforge_lm-9.dist-info" / "METADATA").write_text("\n".join(metadata))
    monkeypatch.syspath_prepend(tmp_path / "site")
    findings = found(workspace_path)
    assert findings["scriptforge-lm"].found == "9"
    assert [name for name in names if name in findings] == names[:1]
    assert findings[names[0]].state == "unusable"


@pytest.mark.parametrize(("load", "number"), [(0.2, 4), (1.9, 2), (9.0, 1)])
def test_how_many_threads_a_training_would_begin_with_and_why(
    workspace_path: Path, monkeypatch: pytest.MonkeyPatch, load: float, number: int
) -> None:
    monkeypatch.setattr("os.getloadavg", lambda: (load, 0.0, 0.0))
    monkeypatch.setattr("scriptforge.training.threads.usable_cores", lambda: 4)
    monkeypatch.setattr("scriptforge.training.threads.current_threads", lambda: 4)
    assert found(workspace_path)["threads"].found == "4, fixed by OMP_NUM_THREADS"
    monkeypatch.delenv("OMP_NUM_THREADS")
    said = f"{number} of 4 now, since the load of the last minute is {load}; training follows it"
    assert found(workspace_path)["threads"].found == said


def test_a_token_is_placed_but_never_shown(
    workspace_path: Path,
    own_home: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert found(workspace_path)["hub login"].remedy
    monkeypatch.setenv("HF_TOKEN", "hf_verysecret")
    assert run(["doctor", "--json"]) == 0
    out = capsys.readouterr().out
    assert "a token in HF_TOKEN" in out
    assert "verysecret" not in out


@pytest.mark.skipif(not Path("/proc/self/mem").is_file(), reason="without a file that nobody can read")
def test_a_token_that_cannot_be_read_is_said(
    workspace_path: Path, own_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", "/proc/self/mem")
    login = found(workspace_path)["hub login"]
    assert login.found.startswith("/proc/self/mem: ") and login.state == "advice"


def test_a_workspace_that_cannot_be_written_is_unusable(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    missing = tmp_path / "nowhere"
    assert found(missing)["workspace"].state == "unusable"
    assert run(["doctor", "--json", "--workspace", str(missing)]) == 1
    document = json.loads(capsys.readouterr().out)
    assert document["usable"] is False


def test_without_a_kernel_a_compiler_is_advised(
    workspace_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scriptforge.doctor.kernel", lambda: None)
    finding = found(workspace_path)["kernel"]
    assert finding.state == "advice"
    assert "gcc or clang" in (finding.remedy or "")


def test_people_get_a_table(workspace_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["doctor"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert out.splitlines()[0].split() == ["check", "found", "what", "to", "do"]


def test_caches_are_measured(workspace_path: Path, own_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = own_home / "tables"
    (cache / "deep").mkdir(parents=True)
    (cache / "deep" / "table.arrow").write_bytes(b"x" * 5000)
    (cache / "link").symlink_to(cache / "deep" / "table.arrow")
    monkeypatch.setenv("HF_DATASETS_CACHE", str(cache))
    assert found(workspace_path)["datasets cache"].found == f"{cache}, 5 KiB"


@pytest.mark.parametrize(
    "content", ["[" * 5000, '{"created": NaN, "parameters": 1e400}', "\0", '{"created": []}']
)
def test_a_damaged_run_changes_nothing(
    content: str, workspace_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["doctor", "--json"]) == 0
    before = capsys.readouterr()
    for folder in (Workspace(workspace_path).new_run("damaged"), Workspace(workspace_path).new_run("a")):
        folder.path.mkdir(parents=True)
        folder.config.write_text(content)
    assert run(["doctor", "--json"]) == 0
    after = capsys.readouterr()
    assert [each["check"] for each in json.loads(after.out)["findings"]] == [
        each["check"] for each in json.loads(before.out)["findings"]
    ]
    assert after.err == before.err
