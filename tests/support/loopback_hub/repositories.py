"""Repositories as the Hub keeps them: commits, branches, tags and pull requests."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["model", "dataset", "space"]

_LARGE = 10_000_000
_LARGE_KINDS = (".safetensors", ".parquet", ".npy", ".bin", ".onnx", ".png")


@dataclass(frozen=True)
class Commit:
    """One state of a repository.

    Attributes:
        oid: its name, 40 hexadecimal digits.
        message: what a person said of it.
        files: everything in it.
    """

    oid: str
    message: str
    files: Mapping[str, bytes]


@dataclass
class PullRequest:
    """Changes that wait for their owner's consent."""

    number: int
    title: str
    description: str
    is_draft: bool = False


@dataclass
class Repository:
    """One repository.

    Attributes:
        kind: what it holds.
        id: `OWNER/NAME`.
        private: whether only its owner may see it.
        gated: whether readers must ask first: the status they are answered with until they may.
        sdk: of a Space, what runs it.
        refs: the commit that each branch, tag or pull request stands at, by full name.
    """

    kind: Kind
    id: str
    private: bool = False
    gated: int | None = None
    sdk: str | None = None
    refs: dict[str, str] = field(default_factory=dict)
    pull_requests: list[PullRequest] = field(default_factory=list)
    commits: dict[str, Commit] = field(default_factory=dict)
    history: list[Commit] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.commit("refs/heads/main", {}, "initial commit")

    @property
    def owner(self) -> str:
        """Whose it is."""
        return self.id.partition("/")[0]

    @property
    def files(self) -> Mapping[str, bytes]:
        """What stands on the main branch."""
        return self.commits[self.refs["refs/heads/main"]].files

    @property
    def head(self) -> str:
        """The commit of the main branch."""
        return self.refs["refs/heads/main"]

    def find(self, revision: str) -> Commit | None:
        """The commit that a branch, tag, pull request or commit name stands for."""
        names = (revision, f"refs/heads/{revision}", f"refs/tags/{revision}")
        oid = next((self.refs[name] for name in names if name in self.refs), revision)
        return self.commits.get(oid)

    def commit(self, ref: str, changes: Mapping[str, bytes | None], message: str) -> Commit:
        """Adds a commit to a ref; None deletes a file."""
        before = self.commits[self.refs[ref]].files if ref in self.refs else {}
        files = {path: content for path, content in {**before, **changes}.items() if content is not None}
        named = repr((self.kind, self.id, ref, len(self.history), message, sorted(files)))
        oid = hashlib.sha1(named.encode() + b"".join(files[path] for path in sorted(files))).hexdigest()
        commit = Commit(oid, message, files)
        self.commits[oid] = commit
        self.history.append(commit)
        self.refs[ref] = oid
        return commit

    def open_pull_request(self, title: str, description: str, *, is_draft: bool = False) -> PullRequest:
        """Opens a pull request, which begins where the main branch stands."""
        request = PullRequest(len(self.pull_requests) + 1, title, description, is_draft)
        self.pull_requests.append(request)
        self.refs[f"refs/pr/{request.number}"] = self.head
        return request


def is_large(path: str, size: int) -> bool:
    """Whether a file is kept in LFS."""
    return size > _LARGE or path.endswith(_LARGE_KINDS)


def sha256(content: bytes) -> str:
    """The name of a file in LFS."""
    return hashlib.sha256(content).hexdigest()


def git_oid(content: bytes) -> str:
    """The name of a file in git."""
    return hashlib.sha1(b"blob %d\0%s" % (len(content), content)).hexdigest()
