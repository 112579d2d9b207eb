"""From a run to a repository: a few files, named beforehand, in one commit."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from scriptforge.dataset import Dataset
from scriptforge.errors import HubError
from scriptforge.hub.model_card import model_card, write_specimen
from scriptforge.hub.space import space_files
from scriptforge.net.client import checked_repository, client
from scriptforge.net.errors import Asked
from scriptforge.run.run import Run

_MAIN = "main"
_CARD = "README.md"


@dataclass(frozen=True)
class Parcel:
    """What would be sent.

    Attributes:
        repository: where to.
        kind: whether that holds a model, or a Space, which is a page.
        files: what is sent, by name.
    """

    repository: str
    kind: Literal["model", "space"]
    files: Mapping[str, Path | bytes]

    @property
    def card(self) -> str:
        """What the repository says of itself."""
        card = self.files[_CARD]
        return card.decode() if isinstance(card, bytes) else card.read_text(encoding="utf-8")

    @property
    def sizes(self) -> dict[str, int]:
        """The bytes of each file."""
        return {
            name: len(content) if isinstance(content, bytes) else content.stat().st_size
            for name, content in self.files.items()
        }


@dataclass(frozen=True)
class Sent:
    """What became of a push.

    Attributes:
        url: the page where it can be seen: of the repository, or of the pull request.
        commit: the commit that has it, 40 hexadecimal digits.
        is_new: whether there was anything to change.
    """

    url: str
    commit: str
    is_new: bool


def parcel(run: Run, repository: str, dataset: Dataset | None = None) -> Parcel:
    """Gathers what is to be sent of a run, which was opened and so is sound.

    Args:
        run: what to send.
        repository: where to.
        dataset: what it was trained on, so that its card can say how much it copies; None leaves that out.

    Raises:
        DatasetError: the dataset's text is missing or damaged.
        UsageError: that is no id of a repository.
        HubError: the run's training has not come to an end yet.
    """
    checked_repository(repository)
    if run.description.result is None:
        raise HubError(
            f"Run “{run.folder.name}” is still being trained, or was stopped.",
            f"Let it come to its end: scriptforge train --resume {run.folder.name}",
        )
    files: dict[str, Path | bytes] = {name: run.folder.path / name for name in run.folder.needed}
    card = model_card(run, repository, write_specimen(run, dataset))
    return Parcel(repository, "model", {**files, _CARD: card.encode()})


def space_parcel(run: Run, repository: str) -> Parcel:
    """Gathers the page that runs a model in a browser; it has the model's name.

    Raises:
        UsageError: that is no id of a repository.
    """
    return Parcel(checked_repository(repository), "space", space_files(run, repository))


def push(
    parcel: Parcel,
    *,
    private: bool = False,
    create_pr: bool = False,
    revision: str | None = None,
    message: str | None = None,
) -> Sent:
    """Sends a parcel in one commit; the repository is made if there is none, and other files in it stay.

    Args:
        parcel: what to send.
        private: whether a repository that is made is for its owner alone.
        create_pr: propose the change in a pull request instead of making it.
        revision: the branch to change; None is the main one.
        message: of the commit.

    Raises:
        HubError: it cannot be sent; the repository is then as it was.
    """
    from huggingface_hub import CommitOperationAdd

    api, kind = client(), parcel.kind
    with Asked(f"The {kind} {parcel.repository}", HubError).explained(revision):
        if not create_pr:
            sdk = "static" if kind == "space" else None
            api.create_repo(parcel.repository, repo_type=kind, space_sdk=sdk, private=private, exist_ok=True)
        head = str(api.repo_info(parcel.repository, repo_type=kind, revision=revision).sha)
        done = api.create_commit(
            parcel.repository,
            [CommitOperationAdd(name, content) for name, content in parcel.files.items()],
            commit_message=message or f"Push a {kind} with scriptforge",
            repo_type=kind,
            revision=revision or _MAIN,
            parent_commit=head,
            create_pr=create_pr,
        )
    prefix = "spaces/" if kind == "space" else ""
    url = done.pr_url or f"{api.endpoint}/{prefix}{parcel.repository}"
    return Sent(url, done.oid, done.oid != head)
