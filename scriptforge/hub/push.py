"""Pushing a run to a repository on the Hub: a fixed set of files in one commit."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from scriptforge.dataset import Dataset
from scriptforge.errors import HubError
from scriptforge.hub.model_card import model_card
from scriptforge.hub.space import space_files
from scriptforge.net.client import check_repository, hub_client, user_name
from scriptforge.net.errors import RemoteRequest
from scriptforge.options import PushOptions
from scriptforge.run.run import Run
from scriptforge.workspace import Workspace

_MAIN = "main"
_CARD = "README.md"
_ANYBODY = "YOUR-NAME"
_NO_OWNER = f"{_ANYBODY} stands for your name on the Hub, which a dry run does not ask for."
_NO_DATASET = "The dataset of this run is not here, so its card does not say how much it copies."


@dataclass(frozen=True)
class Payload:
    """The files for one repository.

    Attributes:
        repository: the id of the repository, `OWNER/NAME`.
        kind: `model`, or `space` for a page.
        files: the content of each file, or its local path, by name.
    """

    repository: str
    kind: Literal["model", "space"]
    files: Mapping[str, Path | bytes]

    @property
    def card(self) -> str:
        """Return the card of the repository, its `README.md`."""
        card = self.files[_CARD]
        return card.decode() if isinstance(card, bytes) else card.read_text(encoding="utf-8")

    @property
    def sizes(self) -> dict[str, int]:
        """Return the size of each file in bytes, by name."""
        return {
            name: len(content) if isinstance(content, bytes) else content.stat().st_size
            for name, content in self.files.items()
        }


@dataclass(frozen=True)
class PushResult:
    """The result of pushing one payload.

    Attributes:
        payload: the files.
        url: the web page of the repository or the pull request; None after a dry run.
        commit: the commit that has the files, 40 hexadecimal digits; None after a dry run.
        is_new: whether the commit was made now; false if nothing had changed, and after a dry run.
        notes: messages for the user, one line each.
    """

    payload: Payload
    url: str | None = None
    commit: str | None = None
    is_new: bool = False
    notes: tuple[str, ...] = ()


def push(
    workspace: Workspace, run: Run, options: PushOptions | None = None, *, dry_run: bool = False
) -> list[PushResult]:
    """Push a run to the Hub with a model card, and on request a page that runs the model in a browser.

    Everything is built before anything is sent. Each repository gets one commit. It is created if it does not
    exist, and other files in it stay.

    Args:
        workspace: the workspace of the run's dataset; without the dataset, the card cannot say how much the
            model copies.
        run: the run.
        options: the repository and how to push; None is the defaults.
        dry_run: whether to build the payloads and send nothing; this needs neither a login nor a network.

    Returns:
        The result for the model, then the one for the page if it was requested.

    Raises:
        UsageError: the id of the repository is invalid.
        DatasetError: the text of the dataset is missing or damaged.
        HubError: the run is not finished, the page cannot run its architecture, or the Hub refuses; a
            repository that refuses stays as it was.
    """
    options = options or PushOptions()
    owner = _ANYBODY if dry_run or options.repository else user_name()
    repository = options.repository or f"{owner}/{run.folder.name}"
    dataset = run.description.dataset_at_hand(workspace)
    payloads = [build_payload(run, repository, dataset)]
    if options.space:
        payloads.append(build_space_payload(run, repository))
    results = [PushResult(each) if dry_run else _send(each, options) for each in payloads]
    notes = [_NO_DATASET] if dataset is None else []
    if dry_run and options.repository is None:
        notes.append(_NO_OWNER)
    results[0] = replace(results[0], notes=(*notes, *results[0].notes))
    return results


def build_payload(run: Run, repository: str, dataset: Dataset | None = None) -> Payload:
    """Return the files of a run and its model card as a payload.

    Args:
        run: the run; it needs no more checks, since it could be opened.
        repository: the id of the repository, `OWNER/NAME`.
        dataset: the dataset of the run, so that the card can say how much the model copies; None omits that.

    Raises:
        UsageError: the id of the repository is invalid.
        DatasetError: the text of the dataset is missing or damaged.
        HubError: the run is not finished.
    """
    check_repository(repository)
    if run.description.result is None:
        raise HubError(
            f"Run “{run.folder.name}” is not finished: it is still training, or was stopped.",
            f"Finish it first: {run.folder.command_to_resume()}",
        )
    files: dict[str, Path | bytes] = {name: run.folder.path / name for name in run.folder.needed}
    if run.vocabulary.lexicon is not None:
        files[run.folder.lexicon.name] = run.folder.lexicon
    card = model_card(run, repository, dataset)
    return Payload(repository, "model", {**files, _CARD: card.encode()})


def build_space_payload(run: Run, repository: str) -> Payload:
    """Return the page that runs a model in a browser, for a Space named as the model's repository.

    Raises:
        UsageError: the id of the repository is invalid.
        HubError: the page cannot run the architecture of the model.
    """
    check_repository(repository)
    return Payload(repository, "space", space_files(run, repository))


def _send(payload: Payload, options: PushOptions) -> PushResult:
    """Push a payload as one commit, to a branch or a pull request."""
    from huggingface_hub import CommitOperationAdd

    repository, kind = payload.repository, payload.kind
    request = RemoteRequest(f"The {kind} {repository}", HubError)
    with hub_client() as api, request.translate_errors(options.revision):
        if not options.create_pr:
            sdk = "static" if kind == "space" else None
            api.create_repo(repository, repo_type=kind, space_sdk=sdk, private=options.private, exist_ok=True)
        head = str(api.repo_info(repository, repo_type=kind, revision=options.revision).sha)
        done = api.create_commit(
            repository,
            [CommitOperationAdd(name, content) for name, content in payload.files.items()],
            commit_message=options.message or f"Push a {kind} with scriptforge",
            repo_type=kind,
            revision=options.revision or _MAIN,
            parent_commit=head,
            create_pr=options.create_pr,
        )
        prefix = "spaces/" if kind == "space" else ""
        url = done.pr_url or f"{api.endpoint}/{prefix}{repository}"
    if done.oid == head:
        return PushResult(payload, url, head, notes=(f"The {kind} has not changed since commit {head}.",))
    return PushResult(payload, url, done.oid, is_new=True)
