"""Which request is answered by what, when nothing goes wrong."""

import base64
import json
import re
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias
from urllib.parse import parse_qs, unquote

from support.loopback_hub.messages import Answer, Refused, Seen
from support.loopback_hub.registry import Registry
from support.loopback_hub.repositories import Kind, Repository, git_oid, is_large, sha256

NOW = "2026-01-01T00:00:00.000Z"
_ID = r"(?P<id>[\w.-]+/[\w.-]+)"
_API = r"/api/(?P<kind>model|dataset|space)s/" + _ID
_GIT = r"/(?P<prefix>datasets/|spaces/|)" + _ID


def answer(registry: Registry, seen: Seen) -> Answer:
    """What is answered when nothing goes wrong."""
    method = "GET" if seen.method == "HEAD" else seen.method
    for route_method, pattern, respond in _ROUTES:
        if route_method == method and (match := pattern.fullmatch(seen.path)):
            parts = {key: unquote(part) for key, part in match.groupdict().items() if part is not None}
            try:
                return respond(registry, seen, parts)
            except Refused as refusal:
                return refusal.answer
    return Answer(404)


def _whoami(registry: Registry, seen: Seen, parts: Mapping[str, str]) -> Answer:
    user = registry.user(seen)
    if user is None:
        raise Refused(401, message="Invalid username or password.")
    role = "write" if registry.users[str(seen.token)][1] else "read"
    access = {"accessToken": {"displayName": "test", "role": role}}
    return Answer.of({"type": "user", "name": user, "fullname": user.title(), "orgs": [], "auth": access})


def _create(registry: Registry, seen: Seen, parts: Mapping[str, str]) -> Answer:
    asked = seen.json
    user = registry.writer(seen)
    owner = asked.get("organization") or user
    if owner != user:
        raise Refused(403, message=f"You don't have the rights to create a model under the namespace {owner}")
    kind: Kind = asked.get("type") or "model"
    id_ = f"{owner}/{asked['name']}"
    if existing := registry.repositories.get((kind, id_)):
        return Answer.of({"error": "You already created this repo", "url": registry.url(existing)}, 409)
    is_private = bool(asked.get("private")) or asked.get("visibility") == "private"
    repository = Repository(kind, id_, private=is_private, sdk=asked.get("sdk"))
    registry.repositories[kind, id_] = repository
    return Answer.of({"url": registry.url(repository), "name": id_, "id": id_})


def _validate_card(registry: Registry, seen: Seen, parts: Mapping[str, str]) -> Answer:
    return Answer.of({"errors": [], "warnings": []})


def _info(registry: Registry, seen: Seen, parts: Mapping[str, str]) -> Answer:
    repository, commit = registry.commit(seen, parts)
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


def _tree(registry: Registry, seen: Seen, parts: Mapping[str, str]) -> Answer:
    _, commit = registry.commit(seen, parts)
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


def _paths(registry: Registry, seen: Seen, parts: Mapping[str, str]) -> Answer:
    _, commit = registry.commit(seen, parts)
    is_json = "json" in seen.headers.get("content-type", "")
    paths = seen.json["paths"] if is_json else parse_qs(seen.body.decode()).get("paths", [])
    return Answer.of([_entry(path, commit.files[path]) for path in paths if path in commit.files])


def _refs(registry: Registry, seen: Seen, parts: Mapping[str, str]) -> Answer:
    repository = registry.repository(seen, parts)

    def listed(prefix: str) -> list[dict[str, str]]:
        return [
            {"name": ref.removeprefix(prefix), "ref": ref, "targetCommit": oid}
            for ref, oid in repository.refs.items()
            if ref.startswith(prefix)
        ]

    return Answer.of({"branches": listed("refs/heads/"), "tags": listed("refs/tags/"), "converts": []})


def _history(registry: Registry, seen: Seen, parts: Mapping[str, str]) -> Answer:
    repository, _ = registry.commit(seen, parts)
    return Answer.of(
        [
            {"id": commit.oid, "title": commit.message, "message": "", "date": NOW, "authors": []}
            for commit in reversed(repository.history)
        ]
    )


def _tag(registry: Registry, seen: Seen, parts: Mapping[str, str]) -> Answer:
    registry.writer(seen)
    repository, commit = registry.commit(seen, parts)
    repository.refs[f"refs/tags/{seen.json['tag']}"] = commit.oid
    return Answer.of({})


def _branch(registry: Registry, seen: Seen, parts: Mapping[str, str]) -> Answer:
    registry.writer(seen)
    repository = registry.repository(seen, parts)
    start = repository.find((seen.json or {}).get("startingPoint") or "main")
    if start is None:
        raise Refused(404, "RevisionNotFound", "Invalid rev id")
    repository.refs[f"refs/heads/{parts['revision']}"] = start.oid
    return Answer.of({})


def _file(registry: Registry, seen: Seen, parts: Mapping[str, str]) -> Answer:
    repository, commit = registry.commit(seen, parts)
    if repository.gated and registry.user(seen) != repository.owner:
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


def _preupload(registry: Registry, seen: Seen, parts: Mapping[str, str]) -> Answer:
    registry.writer(seen)
    _, commit = registry.commit(seen, parts)
    answers = []
    for file in seen.json["files"]:
        content = commit.files.get(file["path"])
        is_lfs = is_large(file["path"], file["size"])
        named = None if content is None else sha256(content) if is_lfs else git_oid(content)
        mode = "lfs" if is_lfs else "regular"
        answers.append({"path": file["path"], "uploadMode": mode, "shouldIgnore": False, "oid": named})
    return Answer.of({"files": answers})


def _batch(registry: Registry, seen: Seen, parts: Mapping[str, str]) -> Answer:
    registry.writer(seen)
    repository = registry.repository(seen, parts)
    known = {sha256(content) for commit in repository.history for content in commit.files.values()}
    objects = []
    for asked in seen.json["objects"]:
        upload = {"upload": {"href": f"{registry.address}/lfs/{asked['oid']}", "header": {}}}
        is_here = asked["oid"] in known or asked["oid"] in registry.stored
        objects.append({**asked} if is_here else {**asked, "actions": upload})
    return Answer.of({"transfer": "basic", "objects": objects})


def _store(registry: Registry, seen: Seen, parts: Mapping[str, str]) -> Answer:
    if sha256(seen.body) != parts["oid"]:
        raise Refused(400, message="The content is not what was announced")
    registry.stored[parts["oid"]] = seen.body
    return Answer()


def _commit(registry: Registry, seen: Seen, parts: Mapping[str, str]) -> Answer:
    registry.writer(seen)
    repository, before = registry.commit(seen, parts)
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
                changes[value["path"]] = _large_file(registry, repository, value["oid"])
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
        answer["pullRequestUrl"] = f"{registry.url(repository)}/discussions/{request.number}"
    commit = repository.commit(ref, changes, header["summary"])
    return Answer.of(
        {**answer, "commitUrl": f"{registry.url(repository)}/commit/{commit.oid}", "commitOid": commit.oid}
    )


def _large_file(registry: Registry, repository: Repository, oid: str) -> bytes:
    if oid in registry.stored:
        return registry.stored[oid]
    for commit in repository.history:
        for content in commit.files.values():
            if sha256(content) == oid:
                return content
    raise Refused(400, message=f"LFS pointer pointed to a file that does not exist: {oid}")


def _discuss(registry: Registry, seen: Seen, parts: Mapping[str, str]) -> Answer:
    registry.writer(seen)
    asked = seen.json
    request = registry.repository(seen, parts).open_pull_request(
        asked["title"], asked.get("description", ""), is_draft=True
    )
    return Answer.of({"num": request.number})


def _discussion(registry: Registry, seen: Seen, parts: Mapping[str, str]) -> Answer:
    repository = registry.repository(seen, parts)
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


def _delete(registry: Registry, seen: Seen, parts: Mapping[str, str]) -> Answer:
    user = registry.writer(seen)
    asked = seen.json
    id_ = f"{asked.get('organization') or user}/{asked['name']}"
    if registry.repositories.pop((asked.get("type") or "model", id_), None) is None:
        raise Refused(404, "RepoNotFound", "Repository not found")
    return Answer()


Respond: TypeAlias = Callable[[Registry, Seen, Mapping[str, str]], Answer]

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
