"""From a run to a repository: a few files, named beforehand, in one commit."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from scriptforge.errors import HubError
from scriptforge.hub.card import model_card
from scriptforge.hub.client import checked_repository, client
from scriptforge.network import Asked
from scriptforge.run import Run
from scriptforge.workspace import RunFolder

_MAIN = "main"


@dataclass(frozen=True)
class Parcel:
    """What would be sent.

    Attributes:
        repository: where to.
        files: the files of the run, by their names.
        card: the model card, which is sent as well.
    """

    repository: str
    files: Mapping[str, Path]
    card: str

    @property
    def sizes(self) -> dict[str, int]:
        """The bytes of each file, the card's included."""
        sizes = {name: path.stat().st_size for name, path in self.files.items()}
        return {**sizes, RunFolder(Path()).card.name: len(self.card.encode())}


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


def parcel(run: Run, repository: str) -> Parcel:
    """Gathers what is to be sent of a run, which was opened and so is sound.

    Raises:
        UsageError: that is no id of a repository.
        HubError: the run's training has not come to an end yet.
    """
    checked_repository(repository)
    if run.description.result is None:
        raise HubError(
            f"Run “{run.folder.name}” is still being trained, or was stopped.",
            f"Let it come to its end: scriptforge train --resume {run.folder.name}",
        )
    files = {name: run.folder.path / name for name in run.folder.needed}
    return Parcel(repository, files, model_card(run, repository))


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

    api = client()
    contents: dict[str, Path | bytes] = {**parcel.files, RunFolder(Path()).card.name: parcel.card.encode()}
    with Asked(f"The repository {parcel.repository}", HubError).explained(revision):
        if not create_pr:
            api.create_repo(parcel.repository, private=private, exist_ok=True)
        head = str(api.model_info(parcel.repository, revision=revision).sha)
        done = api.create_commit(
            parcel.repository,
            [CommitOperationAdd(name, content) for name, content in contents.items()],
            commit_message=message or "Push a model with scriptforge",
            revision=revision or _MAIN,
            parent_commit=head,
            create_pr=create_pr,
        )
    url = done.pr_url or f"{api.endpoint}/{parcel.repository}"
    return Sent(url, done.oid, done.oid != head)
