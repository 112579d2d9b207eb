"""What commands leave on the disk when they are killed, when it fails, and when there are two of them."""

import errno
from collections.abc import Iterator
from itertools import groupby

import pytest
from support.campaign import ATTEMPTS, DRAW, failures

from reliability import killed, refused, rivals
from reliability.stage import Call, Stage, staged
from reliability.target import Target
from reliability.targets import TARGETS


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with staged() as found:
        yield found


_LONG = (
    "remove", "convert --to", "export --onnx", "export --transformers", "page", "originality --html",
    "evaluate --picture", "generate -n",
)  # fmt: skip
"""What is only tried in the long form, since something much like it is tried in the short one."""

SHORT = [name for name in TARGETS if name not in _LONG]


@pytest.mark.slow
def test_each_request_of_a_push_is_counted_and_so_is_its_answer(stage: Stage) -> None:
    push = TARGETS["push"]
    with stage.copy(push.begin(stage)) as workspace:
        before, log = len(stage.hub.seen), workspace.parent / "log"
        assert stage.run(push.words, workspace, log=log, sends=push.sends).code == 0
        counted = [name for name, _ in groupby(call.name for call in Call.read(log))]
    requests = len(stage.hub.seen) - before
    assert requests > 1
    assert counted == ["connect", *["send_write", "recv"] * requests]


@pytest.mark.slow
def test_a_connection_that_breaks_is_at_its_end(stage: Stage) -> None:
    push = TARGETS["push"]
    with stage.copy(push.begin(stage)) as workspace:
        said = stage.run(push.words, workspace, f"once 2 {errno.ECONNRESET}", sends=True)
    assert said.code == 1
    assert "the connection broke" in said.errors


@pytest.mark.slow
def test_a_command_without_a_call_that_is_counted_cannot_be_attacked(stage: Stage) -> None:
    with pytest.raises(AssertionError, match="no call"):
        killed.calls_of(stage, Target(("--version",), lambda stage: stage.with_text))


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0])
def test_kills(stage: Stage, seed: int) -> None:
    assert failures(killed.attack(stage, SHORT, most=1, seed=seed)) == []


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0])
def test_failing_disks(stage: Stage, seed: int) -> None:
    assert failures(refused.attack(stage, SHORT, most=1, seed=seed)) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("prepare, new", "prepare, new"),
        ("train --force", "remove a run"),
        ("pull, new", "pull, new"),
        ("generate -o, new", "generate -o, new"),
        ("convert", "convert"),
        ("page", "page"),
        ("generate --append", "generate --append"),
        ("rename a dataset", "prepare --force"),
    ],
)
def test_rivals(stage: Stage, first: str, second: str) -> None:
    assert failures(rivals.attack(stage, [(first, second)], most=1)) == []


@pytest.mark.soak
@pytest.mark.parametrize("name", TARGETS)
def test_every_kill(stage: Stage, name: str) -> None:
    assert failures(killed.attack(stage, [name], ATTEMPTS, DRAW)) == []


@pytest.mark.soak
@pytest.mark.parametrize("name", TARGETS)
def test_every_failure_of_the_disk(stage: Stage, name: str) -> None:
    assert failures(refused.attack(stage, [name], ATTEMPTS, DRAW)) == []


@pytest.mark.soak
@pytest.mark.parametrize("first", rivals.RIVALS)
def test_every_pair(stage: Stage, first: str) -> None:
    pairs = rivals.all_pairs([first])
    assert failures(rivals.attack(stage, pairs, most=3, seed=DRAW)) == []
