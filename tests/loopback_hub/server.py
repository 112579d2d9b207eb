"""The server: which request is answered by what."""

import base64
import json
import re
import socket
import struct
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from loopback_hub.faults import Fault, Occasion
from loopback_hub.repositories import Commit, Kind, Repository, git_oid, is_large, sha256

NOW = "2026-01-01T00:00:00.000Z"
_PREFIXES: dict[str, Kind] = {"": "model", "datasets/": "dataset", "spaces/": "space"}
_ID = r"(?P<id>[\w.-]+/[\w.-]+)"
_API = r"/api/(?P<kind>model|dataset|space)s/" + _ID
_GIT = r"/(?P<prefix>datasets/|spaces/|)" + _ID


@dataclass(frozen=True)
class Seen:
    """A request as it came."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes

    @property
    def token(self) -> str | None:
        """The access token that came with it."""
        return self.headers.get("authorization", "").removeprefix("Bearer ") or None

    @property
    def json(self) -> Any:
        """Its body, parsed."""
        return json.loads(self.body or b"null")


@dataclass(frozen=True)
class Answer:
    """What goes back."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, document: Any, status: int = 200) -> "Answer":
        """A JSON document."""
        return cls(status, json.dumps(document).encode(), {"Content-Type": "application/json"})


class Refused(Exception):
    """A request that cannot be granted; the Hub names the reason in a header."""

    def __init__(self, status: int, code: str = "", message: str = "") -> None:
        super().__init__(code)
        headers = {"X-Error-Code": code, "X-Error-Message": message}
        named = {key: value for key, value in headers.items() if value}
        self.answer = Answer(status, json.dumps({"error": message or code}).encode(), named)


class Hub:
    """A Hub with its users, repositories and faults.

    Attributes:
        users: who a token belongs to, and whether it may write.
        repositories: by kind and id.
        seen: every request, in order.
    """

    def __init__(self) -> None:
        self.users: dict[str, tuple[str, bool]] = {}
        self.repositories: dict[tuple[Kind, str], Repository] = {}
        self.seen: list[Seen] = []
        self.stored: dict[str, bytes] = {}
        self.stopped = threading.Event()
        self._occasions: list[Occasion] = []
        self._changing = threading.RLock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()
        self.address = f"http://127.0.0.1:{self._server.server_port}"

    def stop(self) -> None:
        """Ends it; what stalls is let go."""
        self.stopped.set()
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
            self._server.server_close()

    def enrol(self, name: str, token: str, *, may_write: bool = True) -> None:
        """Gives a user a token."""
        self.users[token] = (name, may_write)

    def publish(self, kind: Kind, id_: str, files: Mapping[str, bytes], **properties: Any) -> Repository:
        """Puts files on the main branch of a repository, which is made if there is none."""
        repository = self.repositories.setdefault((kind, id_), Repository(kind, id_, **properties))
        repository.commit("refs/heads/main", files, "Publish")
        return repository

    def misbehave(self, fault: Fault, *, method: str = "", path: str = "", times: int = 1_000_000) -> None:
        """Lets a fault occur with requests of a method whose path has a part."""
        self._occasions.append(Occasion(fault, method, path, times))

    def behave(self) -> None:
        """Ends all faults."""
        self._occasions.clear()

    def asked(self, method: str, path: str = "") -> list[Seen]:
        """The requests of a method whose path has a part."""
        return [seen for seen in self.seen if seen.method == method and path in seen.path]

    def fault(self, seen: Seen) -> Fault | None:
        """What goes wrong with a request."""
        with self._changing:
            takers = (one.fault for one in self._occasions if one.takes(seen.method, seen.path))
            return next(takers, None)

    def answer(self, seen: Seen) -> Answer:
        """What is answered when nothing goes wrong."""
        method = "GET" if seen.method == "HEAD" else seen.method
        for route_method, pattern, respond in _ROUTES:
            if route_method == method and (match := pattern.fullmatch(seen.path)):
                parts = {key: unquote(part) for key, part in match.groupdict().items() if part is not None}
                try:
                    with self._changing:
                        return respond(self, seen, parts)
                except Refused as refusal:
                    return refusal.answer
        return Answer(404)

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
        kind = _PREFIXES[parts["prefix"]] if "prefix" in parts else parts["kind"]
        repository = self.repositories.get((kind, parts["id"]))  # type: ignore[arg-type]
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


def _handler(hub: Hub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _serve(self) -> None:
            address = urlsplit(self.path)
            query = {key: values[-1] for key, values in parse_qs(address.query).items()}
            headers = {key.lower(): value for key, value in self.headers.items()}
            seen = Seen(self.command, address.path, query, headers, _body(self))
            hub.seen.append(seen)
            fault = hub.fault(seen) or Fault()
            if fault.stalls:
                hub.stopped.wait(60)
            if fault.stalls or fault.resets or hub.stopped.is_set():
                self._cut()
                return
            if fault.status is not None:
                self._send(seen, Answer(fault.status, b"{}", fault.headers), fault)
            else:
                self._send(seen, hub.answer(seen), fault)

        def _send(self, seen: Seen, answer: Answer, fault: Fault) -> None:
            body, status, headers = fault.applied(answer.body), answer.status, dict(answer.headers)
            part = re.fullmatch(r"bytes=(\d+)-(\d*)", seen.headers.get("range", ""))
            if part and status == 200 and not fault.ignores_ranges:
                first, last = int(part[1]), int(part[2] or len(body) - 1)
                headers["Content-Range"] = f"bytes {first}-{min(last, len(body) - 1)}/{len(body)}"
                body, status = body[first : last + 1], 206
            self.send_response(status)
            for key, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(key, value)
            self.end_headers()
            if seen.method != "HEAD":
                self.wfile.write(body[: int(len(body) * fault.keeps)])
            if fault.keeps < 1:
                self._cut()

        def _cut(self) -> None:
            """Ends the connection with a reset."""
            self.wfile.flush()
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
            self.close_connection = True

        do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = _serve

        def log_message(self, *arguments: object) -> None:
            pass

    return Handler


def _body(handler: BaseHTTPRequestHandler) -> bytes:
    if handler.headers.get("Transfer-Encoding") != "chunked":
        return handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
    body = b""
    while size := int(handler.rfile.readline(), 16):
        body += handler.rfile.read(size)
        handler.rfile.readline()
    handler.rfile.readline()
    return body


def _whoami(hub: Hub, seen: Seen, parts: Mapping[str, str]) -> Answer:
    user = hub.user(seen)
    if user is None:
        raise Refused(401, message="Invalid username or password.")
    role = "write" if hub.users[str(seen.token)][1] else "read"
    access = {"accessToken": {"displayName": "test", "role": role}}
    return Answer.of({"type": "user", "name": user, "fullname": user.title(), "orgs": [], "auth": access})


def _create(hub: Hub, seen: Seen, parts: Mapping[str, str]) -> Answer:
    asked = seen.json
    user = hub.writer(seen)
    owner = asked.get("organization") or user
    if owner != user:
        raise Refused(403, message=f"You don't have the rights to create a model under the namespace {owner}")
    kind: Kind = asked.get("type") or "model"
    id_ = f"{owner}/{asked['name']}"
    if existing := hub.repositories.get((kind, id_)):
        return Answer.of({"error": "You already created this repo", "url": hub.url(existing)}, 409)
    is_private = bool(asked.get("private")) or asked.get("visibility") == "private"
    repository = Repository(kind, id_, private=is_private, sdk=asked.get("sdk"))
    hub.repositories[kind, id_] = repository
    return Answer.of({"url": hub.url(repository), "name": id_, "id": id_})


def _validate_card(hub: Hub, seen: Seen, parts: Mapping[str, str]) -> Answer:
    return Answer.of({"errors": [], "warnings": []})


def _info(hub: Hub, seen: Seen, parts: Mapping[str, str]) -> Answer:
    repository, commit = hub.commit(seen, parts)
    siblings = [_sibling(path, content) for path, content in commit.files.items()]
    return Answer.of(
        {
            "_id": "1",
            "id": repository.id,
            "modelId": repository.id,
            "author": repository.owner,
            "sha": commit.oid,
            "private": repository.private,
            "gated": "manual" if repository.gated else False,
            "disabled": False,
            "downloads": 0,
            "likes": 0,
            "tags": [],
            "createdAt": NOW,
            "lastModified": NOW,
            "siblings": siblings,
        }
    )


def _sibling(path: str, content: bytes) -> dict[str, Any]:
    sibling = {"rfilename": path, "size": len(content), "blobId": git_oid(content)}
    if is_large(path, len(content)):
        sibling["lfs"] = {"sha256": sha256(content), "size": len(content), "pointerSize": 134}
    return sibling


def _entry(path: str, content: bytes) -> dict[str, Any]:
    entry = {"type": "file", "oid": git_oid(content), "size": len(content), "path": path}
    if is_large(path, len(content)):
        entry["lfs"] = {"oid": sha256(content), "size": len(content), "pointerSize": 134}
    return entry


def _tree(hub: Hub, seen: Seen, parts: Mapping[str, str]) -> Answer:
    _, commit = hub.commit(seen, parts)
    folder = f"{parts['path']}/" if parts.get("path") else ""
    inside = {path: content for path, content in commit.files.items() if path.startswith(folder)}
    if folder and not inside:
        raise Refused(404, "EntryNotFound", "Entry not found")
    folders = sorted(
        {folder + path[len(folder) :].split("/")[0] for path in inside if "/" in path[len(folder) :]}
    )
    entries = [{"type": "directory", "oid": git_oid(b""), "size": 0, "path": path} for path in folders]
    is_whole = seen.query.get("recursive", "").lower() in ("true", "1")
    shown = inside if is_whole else {path: inside[path] for path in inside if "/" not in path[len(folder) :]}
    return Answer.of([*entries, *(_entry(path, content) for path, content in shown.items())])


def _paths(hub: Hub, seen: Seen, parts: Mapping[str, str]) -> Answer:
    _, commit = hub.commit(seen, parts)
    is_json = "json" in seen.headers.get("content-type", "")
    paths = seen.json["paths"] if is_json else parse_qs(seen.body.decode()).get("paths", [])
    return Answer.of([_entry(path, commit.files[path]) for path in paths if path in commit.files])


def _refs(hub: Hub, seen: Seen, parts: Mapping[str, str]) -> Answer:
    repository = hub.repository(seen, parts)

    def listed(prefix: str) -> list[dict[str, str]]:
        return [
            {"name": ref.removeprefix(prefix), "ref": ref, "targetCommit": oid}
            for ref, oid in repository.refs.items()
            if ref.startswith(prefix)
        ]

    return Answer.of({"branches": listed("refs/heads/"), "tags": listed("refs/tags/"), "converts": []})


def _history(hub: Hub, seen: Seen, parts: Mapping[str, str]) -> Answer:
    repository, _ = hub.commit(seen, parts)
    return Answer.of(
        [
            {"id": commit.oid, "title": commit.message, "message": "", "date": NOW, "authors": []}
            for commit in reversed(repository.history)
        ]
    )


def _tag(hub: Hub, seen: Seen, parts: Mapping[str, str]) -> Answer:
    hub.writer(seen)
    repository, commit = hub.commit(seen, parts)
    repository.refs[f"refs/tags/{seen.json['tag']}"] = commit.oid
    return Answer.of({})


def _branch(hub: Hub, seen: Seen, parts: Mapping[str, str]) -> Answer:
    hub.writer(seen)
    repository = hub.repository(seen, parts)
    start = repository.find((seen.json or {}).get("startingPoint") or "main")
    if start is None:
        raise Refused(404, "RevisionNotFound", "Invalid rev id")
    repository.refs[f"refs/heads/{parts['revision']}"] = start.oid
    return Answer.of({})


def _file(hub: Hub, seen: Seen, parts: Mapping[str, str]) -> Answer:
    repository, commit = hub.commit(seen, parts)
    if repository.gated and hub.user(seen) != repository.owner:
        raise Refused(repository.gated, "GatedRepo", "Access to this repository is restricted")
    content = commit.files.get(parts["path"])
    if content is None:
        refusal = Refused(404, "EntryNotFound", "Entry not found")
        return Answer(404, refusal.answer.body, {**refusal.answer.headers, "X-Repo-Commit": commit.oid})
    headers = {"X-Repo-Commit": commit.oid, "Accept-Ranges": "bytes", "ETag": f'"{git_oid(content)}"'}
    if is_large(parts["path"], len(content)):
        named = sha256(content)
        headers |= {"ETag": f'"{named}"', "X-Linked-ETag": f'"{named}"', "X-Linked-Size": str(len(content))}
    return Answer(200, content, headers)


def _preupload(hub: Hub, seen: Seen, parts: Mapping[str, str]) -> Answer:
    hub.writer(seen)
    _, commit = hub.commit(seen, parts)
    answers = []
    for file in seen.json["files"]:
        content = commit.files.get(file["path"])
        is_lfs = is_large(file["path"], file["size"])
        named = None if content is None else sha256(content) if is_lfs else git_oid(content)
        mode = "lfs" if is_lfs else "regular"
        answers.append({"path": file["path"], "uploadMode": mode, "shouldIgnore": False, "oid": named})
    return Answer.of({"files": answers})


def _batch(hub: Hub, seen: Seen, parts: Mapping[str, str]) -> Answer:
    hub.writer(seen)
    repository = hub.repository(seen, parts)
    known = {sha256(content) for commit in repository.history for content in commit.files.values()}
    objects = []
    for asked in seen.json["objects"]:
        upload = {"upload": {"href": f"{hub.address}/lfs/{asked['oid']}", "header": {}}}
        is_here = asked["oid"] in known or asked["oid"] in hub.stored
        objects.append({**asked} if is_here else {**asked, "actions": upload})
    return Answer.of({"transfer": "basic", "objects": objects})


def _store(hub: Hub, seen: Seen, parts: Mapping[str, str]) -> Answer:
    if sha256(seen.body) != parts["oid"]:
        raise Refused(400, message="The content is not what was announced")
    hub.stored[parts["oid"]] = seen.body
    return Answer()


def _commit(hub: Hub, seen: Seen, parts: Mapping[str, str]) -> Answer:
    hub.writer(seen)
    repository, before = hub.commit(seen, parts)
    header: dict[str, Any] = {}
    changes: dict[str, bytes | None] = {}
    for line in seen.body.splitlines():
        item = json.loads(line)
        value = item["value"]
        match item["key"]:
            case "header":
                header = value
            case "file":
                changes[value["path"]] = base64.b64decode(value["content"])
            case "lfsFile":
                changes[value["path"]] = _large_file(hub, repository, value["oid"])
            case "deletedFile":
                changes[value["path"]] = None
            case "deletedFolder":
                changes |= dict.fromkeys(path for path in before.files if path.startswith(value["path"]))
    if header.get("parentCommit") not in (None, before.oid):
        raise Refused(412, message="A commit has happened since. Please refresh and try again.")
    revision = parts["revision"]
    answer: dict[str, Any] = {"success": True}
    ref = revision if revision.startswith("refs/") else f"refs/heads/{revision}"
    if seen.query.get("create_pr"):
        request = repository.open_pull_request(header["summary"], header.get("description", ""))
        ref = f"refs/pr/{request.number}"
        answer["pullRequestUrl"] = f"{hub.url(repository)}/discussions/{request.number}"
    commit = repository.commit(ref, changes, header["summary"])
    return Answer.of(
        {**answer, "commitUrl": f"{hub.url(repository)}/commit/{commit.oid}", "commitOid": commit.oid}
    )


def _large_file(hub: Hub, repository: Repository, oid: str) -> bytes:
    if oid in hub.stored:
        return hub.stored[oid]
    for commit in repository.history:
        for content in commit.files.values():
            if sha256(content) == oid:
                return content
    raise Refused(400, message=f"LFS pointer pointed to a file that does not exist: {oid}")


def _discuss(hub: Hub, seen: Seen, parts: Mapping[str, str]) -> Answer:
    hub.writer(seen)
    asked = seen.json
    request = hub.repository(seen, parts).open_pull_request(
        asked["title"], asked.get("description", ""), is_draft=True
    )
    return Answer.of({"num": request.number})


def _discussion(hub: Hub, seen: Seen, parts: Mapping[str, str]) -> Answer:
    repository = hub.repository(seen, parts)
    request = repository.pull_requests[int(parts["number"]) - 1]
    return Answer.of(
        {
            "title": request.title,
            "num": request.number,
            "status": "draft" if request.is_draft else "open",
            "isPullRequest": True,
            "author": {"name": repository.owner},
            "createdAt": NOW,
            "events": [],
            "changes": {"base": "refs/heads/main"},
            "filesWithConflicts": [],
        }
    )


def _delete(hub: Hub, seen: Seen, parts: Mapping[str, str]) -> Answer:
    user = hub.writer(seen)
    asked = seen.json
    id_ = f"{asked.get('organization') or user}/{asked['name']}"
    if hub.repositories.pop((asked.get("type") or "model", id_), None) is None:
        raise Refused(404, "RepoNotFound", "Repository not found")
    return Answer()


Respond = Callable[[Hub, Seen, Mapping[str, str]], Answer]

_ROUTES: list[tuple[str, re.Pattern[str], Respond]] = [
    (method, re.compile(pattern), respond)
    for method, pattern, respond in (
        ("GET", r"/api/whoami-v2", _whoami),
        ("POST", r"/api/repos/create", _create),
        ("DELETE", r"/api/repos/delete", _delete),
        ("POST", r"/api/validate-yaml", _validate_card),
        ("GET", _API, _info),
        ("GET", _API + r"/revision/(?P<revision>[^/]+)", _info),
        ("GET", _API + r"/tree/(?P<revision>[^/]+)(?:/(?P<path>.+))?", _tree),
        ("POST", _API + r"/paths-info/(?P<revision>[^/]+)", _paths),
        ("GET", _API + r"/refs", _refs),
        ("GET", _API + r"/commits/(?P<revision>[^/]+)", _history),
        ("POST", _API + r"/tag/(?P<revision>[^/]+)", _tag),
        ("POST", _API + r"/branch/(?P<revision>[^/]+)", _branch),
        ("POST", _API + r"/preupload/(?P<revision>[^/]+)", _preupload),
        ("POST", _API + r"/commit/(?P<revision>[^/]+)", _commit),
        ("POST", _API + r"/discussions", _discuss),
        ("GET", _API + r"/discussions/(?P<number>\d+)", _discussion),
        ("POST", _GIT + r"\.git/info/lfs/objects/batch", _batch),
        ("PUT", r"/lfs/(?P<oid>[0-9a-f]{64})", _store),
        ("GET", _GIT + r"/resolve/(?P<revision>[^/]+)/(?P<path>.+)", _file),
    )
]
