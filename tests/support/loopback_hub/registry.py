"""Who there is, and what belongs to whom."""

from collections.abc import Mapping
from typing import Any

from support.loopback_hub.messages import Refused, Seen
from support.loopback_hub.repositories import Commit, Kind, Repository

_KINDS: dict[str, Kind] = {
    "": "model", "datasets/": "dataset", "spaces/": "space",
    "model": "model", "dataset": "dataset", "space": "space",
}  # fmt: skip
"""Of repositories, by how the two kinds of addresses name them."""


class Registry:
    """Users, repositories and what may be done with them.

    Attributes:
        address: where all of it is found.
        users: who a token belongs to, and whether it may write.
        repositories: by kind and id.
        stored: large files by their hash, which a commit may name.
    """

    def __init__(self, address: str) -> None:
        self.address = address
        self.users: dict[str, tuple[str, bool]] = {}
        self.repositories: dict[tuple[Kind, str], Repository] = {}
        self.stored: dict[str, bytes] = {}

    def enrol(self, name: str, token: str, *, may_write: bool = True) -> None:
        """Gives a user a token."""
        self.users[token] = (name, may_write)

    def publish(self, kind: Kind, id_: str, files: Mapping[str, bytes], **properties: Any) -> Repository:
        """Puts files on the main branch of a repository, which is made if there is none."""
        repository = self.repositories.setdefault((kind, id_), Repository(kind, id_, **properties))
        repository.commit("refs/heads/main", files, "Publish")
        return repository

    def user(self, seen: Seen) -> str | None:
        """Who asks.

        Raises:
            Refused: the token is nobody's.
        """
        if seen.token is None:
            return None
        if seen.token not in self.users:
            raise Refused(401, message="Invalid credentials in Authorization header")
        return self.users[seen.token][0]

    def writer(self, seen: Seen) -> str:
        """Who asks, with a token that may write.

        Raises:
            Refused: nobody, or one who may only read.
        """
        user = self.user(seen)
        if user is None:
            raise Refused(401, message="Invalid username or password.")
        if not self.users[str(seen.token)][1]:
            raise Refused(403, message="You have read access but not the required permissions")
        return user

    def repository(self, seen: Seen, parts: Mapping[str, str]) -> Repository:
        """The repository that a request is about.

        Raises:
            Refused: there is none, or whoever asks may not know of it.
        """
        kind = _KINDS[parts["prefix"] if "prefix" in parts else parts["kind"]]
        repository = self.repositories.get((kind, parts["id"]))
        user = self.user(seen)
        if repository is None or (repository.private and user != repository.owner):
            raise Refused(404 if user else 401, "RepoNotFound", "Repository not found")
        return repository

    def commit(self, seen: Seen, parts: Mapping[str, str]) -> tuple[Repository, Commit]:
        """The repository and commit that a request is about.

        Raises:
            Refused: there is no such repository or revision.
        """
        repository = self.repository(seen, parts)
        commit = repository.find(parts.get("revision") or "main")
        if commit is None:
            raise Refused(404, "RevisionNotFound", f"Invalid rev id: {parts.get('revision')}")
        return repository, commit

    def url(self, repository: Repository) -> str:
        """The page of a repository."""
        prefix = {"model": "", "dataset": "datasets/", "space": "spaces/"}[repository.kind]
        return f"{self.address}/{prefix}{repository.id}"
