"""A GitHub for the tests: a real git server (`git http-backend`, smart HTTP) and a strict REST API over the same repository, on one port.

The API refuses what GitHub refuses, in GitHub's words: a wrong token, a missing User-Agent, another version, fields that are unknown or of another
type, a pull request of a branch that is not there or has nothing new, a second one of the same branch, a label that is too long.
"""

from __future__ import annotations

import base64
import json
import os
import re
import ssl
import subprocess
import threading
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import jsonschema

ACCEPTED = "application/vnd.github+json"
VERSIONS = ("2022-11-28",)
NOW = "2026-11-29T10:00:00Z"
_TEXT: Mapping[str, Any] = {"type": "string"}
_NAMES: Mapping[str, Any] = {"type": "array", "items": {"type": "string"}}


def _body(required: list[str], **properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


BODIES: Mapping[str, Mapping[str, Any]] = {
    "/pulls": _body(
        ["head", "base", "title"], title=_TEXT, body=_TEXT, head=_TEXT, base=_TEXT, draft={"type": "boolean"}, maintainer_can_modify={"type": "boolean"}
    ),
    "/issues": _body(["title"], title=_TEXT, body=_TEXT, labels=_NAMES, assignees=_NAMES),
    "/issues/N/comments": _body(["body"], body=_TEXT),
    "/issues/N/labels": _body(["labels"], labels=_NAMES),
    "/pulls/N/requested_reviewers": _body([], reviewers=_NAMES, team_reviewers=_NAMES),
}  # fmt: skip
QUERIES: Mapping[str, set[str]] = {
    "/pulls": {"state", "head", "base", "sort", "direction", "per_page", "page"},
    "/issues": {"state", "labels", "sort", "direction", "since", "per_page", "page"},
    "/pulls/N": set(),
    "/pulls/N/files": {"per_page", "page"},
    "/issues/N/comments": {"per_page", "page", "since"},
    "/commits/N/check-runs": {"per_page", "page", "filter"},
}


class Refused(Exception):
    def __init__(self, status: int, message: str, errors: list[Any] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.document = {
            "message": message,
            "documentation_url": "https://docs.github.com/rest",
            **({"errors": errors} if errors else {}),
        }


@dataclass
class Item:
    """An issue or a pull request: they share their numbers."""

    number: int
    title: str
    body: str
    state: str = "open"
    labels: list[str] = field(default_factory=list)
    comments: list[str] = field(default_factory=list)
    head: str = ""
    base: str = ""
    reviewers: list[str] = field(default_factory=list)


class GitHub:
    """One repository, `acme/shop`, and one token that may do everything with it."""

    repo = "acme/shop"
    token = "ghp_test0123456789abcdefABCDEF"
    collaborators = ("alice", "bob")

    def __init__(self, folder: Path, address: str = "127.0.0.1", context: ssl.SSLContext | None = None) -> None:
        """Speaks TLS where a context is given."""
        self.folder = folder
        self.bare = folder / f"{self.repo}.git"
        self.items: list[Item] = []
        self.requests: list[tuple[str, str]] = []
        self.refusals: list[str] = []
        self.lock = threading.Lock()
        self._make_repository()
        owner = self

        class Handler(_Handler):
            github = owner

        self._server = ThreadingHTTPServer((address, 0), Handler)
        self.url = f"{'https' if context else 'http'}://{address}:{self._server.server_port}"
        if context is not None:  # each connection shakes hands in its own thread, where it may take its time
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)

    def git(self, *words: str, cwd: Path | None = None) -> str:
        alone = {
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": "/dev/null",
            "HOME": str(self.folder),
            "PATH": os.environ["PATH"],
        }
        who = {f"GIT_{role}_{key}": "somebody" for role in ("AUTHOR", "COMMITTER") for key in ("NAME", "EMAIL")}
        return subprocess.run(
            ["git", *words], cwd=cwd or self.bare, env={**alone, **who}, capture_output=True, text=True, check=True
        ).stdout

    def branches(self) -> set[str]:
        return set(self.git("for-each-ref", "--format=%(refname:short)", "refs/heads").split())

    def show(self, branch: str, path: str) -> str:
        return self.git("show", f"{branch}:{path}")

    def _make_repository(self) -> None:
        self.bare.mkdir(parents=True)
        self.git("init", "--quiet", "--bare", "--initial-branch=main")
        self.git("config", "http.receivepack", "true")
        work = self.folder / "work"
        (work / "deploy").mkdir(parents=True)
        (work / "README.md").write_text("# Shop\n")
        (work / "deploy/values.yaml").write_text("replicas: 1\nmemory: 128Mi\n")
        (work / "run.sh").write_text("#!/bin/sh\n")
        (work / "run.sh").chmod(0o755)
        (work / "latest").symlink_to("deploy/values.yaml")
        self.git("init", "--quiet", "--initial-branch=main", cwd=work)
        self.git("add", "-A", cwd=work)
        self.git("commit", "--quiet", "-m", "Begin", cwd=work)
        self.git("push", "--quiet", str(self.bare), "main", cwd=work)


class _Handler(BaseHTTPRequestHandler):
    github: GitHub

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def _answer(self) -> None:
        data = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        with self.github.lock:
            self.github.requests.append((self.command, self.path))
        if ".git/" in self.path:
            self._serve_git(data)
            return
        try:
            status, document = self._api(data)
        except Refused as refused:
            self.github.refusals.append(str(refused))
            status, document = refused.status, refused.document
        except jsonschema.ValidationError as error:
            self.github.refusals.append(error.message)
            status, document = 422, {"message": f"Invalid request.\n\n{error.message}", "documentation_url": ""}
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    # The REST API

    def _api(self, data: bytes) -> tuple[int, Any]:
        if not self.headers.get("User-Agent"):
            raise Refused(
                403, "Request forbidden by administrative rules. Please make sure your request has a User-Agent header"
            )
        if self.headers.get("Authorization") != f"Bearer {self.github.token}":
            raise Refused(401, "Bad credentials")
        if self.headers.get("Accept") != ACCEPTED:
            raise Refused(415, f"Unsupported 'Accept' header: must accept '{ACCEPTED}'")
        if self.headers.get("X-GitHub-Api-Version") not in VERSIONS:
            raise Refused(400, "the API version is not supported")
        parts = urllib.parse.urlsplit(self.path)
        top = f"/repos/{self.github.repo}"
        if not parts.path.startswith(top + "/"):
            raise Refused(404, "Not Found")
        path = parts.path.removeprefix(top)
        shape = re.sub(r"/(\d+|[0-9a-f]{40})(?=/|$)", "/N", path)
        query = dict(urllib.parse.parse_qsl(parts.query, strict_parsing=True)) if parts.query else {}
        if self.command == "GET":
            if shape not in QUERIES:
                raise Refused(404, "Not Found")
            self._check_query(shape, query)
            return 200, self._read(shape, path, query)
        if shape not in BODIES:
            raise Refused(404, "Not Found")
        try:
            body = json.loads(data)
        except ValueError as error:
            raise Refused(400, "Problems parsing JSON") from error
        jsonschema.validate(body, BODIES[shape])
        with self.github.lock:
            return self._write(shape, path, body)

    def _check_query(self, shape: str, query: Mapping[str, str]) -> None:
        assert set(query) <= QUERIES[shape], f"GitHub ignores what it does not know: {query}"
        if query.get("state", "open") not in ("open", "closed", "all"):
            raise Refused(422, "Validation Failed", [{"resource": "Issue", "field": "state", "code": "invalid"}])
        assert 1 <= int(query.get("per_page", "30")) <= 100, "GitHub gives 100 at most"

    def _read(self, shape: str, path: str, query: Mapping[str, str]) -> Any:
        github = self.github
        if shape in ("/pulls", "/issues"):
            wanted = [label for label in query.get("labels", "").split(",") if label]
            state = query.get("state", "open")
            found = [
                item
                for item in reversed(github.items)
                if (state == "all" or item.state == state) and set(wanted) <= set(item.labels)
            ]
            found = [item for item in found if item.head or shape == "/issues"][: int(query.get("per_page", "30"))]
            return [self._shown(item, shape) for item in found]
        if shape == "/commits/N/check-runs":
            return {"total_count": 1, "check_runs": [{"name": "tests", "status": "completed", "conclusion": "success"}]}
        item = self._item(path)
        if shape == "/issues/N/comments":
            return [{"user": {"login": "alice"}, "created_at": NOW, "body": body} for body in item.comments]
        if shape == "/pulls/N":
            return self._pull(item)
        stat = github.git("diff", "--numstat", f"{item.base}...{item.head}").splitlines()
        return [
            {"filename": name, "status": "modified", "additions": int(a), "deletions": int(d)}
            for a, d, name in (line.split("\t") for line in stat)
        ]

    def _write(self, shape: str, path: str, body: Mapping[str, Any]) -> tuple[int, Any]:
        github = self.github
        for label in body.get("labels") or ():
            if not label or len(label) > 50 or "," in label:
                raise Refused(422, "Validation Failed", [{"resource": "Label", "field": "name", "code": "invalid"}])
        if shape == "/issues":
            github.items.append(
                Item(len(github.items) + 1, body["title"], body.get("body", ""), labels=list(body.get("labels") or ()))
            )
            return 201, self._shown(github.items[-1], shape)
        if shape == "/pulls":
            return 201, self._open_pull(body)
        item = self._item(path)
        if shape == "/issues/N/comments":
            item.comments.append(body["body"])
            return 201, {"html_url": f"https://github.com/{github.repo}/issues/{item.number}#issuecomment-{len(item.comments)}"}
        if shape == "/issues/N/labels":
            item.labels += [label for label in body["labels"] if label not in item.labels]
            return 200, [{"name": name} for name in item.labels]
        if unknown := set(body.get("reviewers") or ()) - set(github.collaborators):
            raise Refused(422, f"Reviews may only be requested from collaborators. {', '.join(unknown)} is not a collaborator")
        item.reviewers += body.get("reviewers") or ()
        return 201, self._pull(item)

    def _open_pull(self, body: Mapping[str, Any]) -> Any:
        github, head, base = self.github, body["head"].removeprefix("acme:"), body["base"]
        for name, value in (("head", head), ("base", base)):
            if value not in github.branches():
                raise Refused(422, "Validation Failed", [{"resource": "PullRequest", "field": name, "code": "invalid"}])
        if not github.git("rev-list", f"{base}..{head}").strip():
            message = f"No commits between {base} and {head}"
            raise Refused(422, "Validation Failed", [{"resource": "PullRequest", "code": "custom", "message": message}])
        if any(item.head == head and item.state == "open" for item in github.items):
            message = f"A pull request already exists for acme:{head}."
            raise Refused(422, "Validation Failed", [{"resource": "PullRequest", "code": "custom", "message": message}])
        github.items.append(Item(len(github.items) + 1, body["title"], body.get("body", ""), head=head, base=base))
        return self._pull(github.items[-1])

    def _item(self, path: str) -> Item:
        number = int(re.findall(r"/(\d+)", path)[0])
        if not 1 <= number <= len(self.github.items):
            raise Refused(404, "Not Found")
        return self.github.items[number - 1]

    def _shown(self, item: Item, shape: str) -> Any:
        if shape == "/pulls":
            return self._pull(item)
        kind = "pull" if item.head else "issues"
        return {
            "number": item.number,
            "title": item.title,
            "body": item.body,
            "state": item.state,
            "labels": [{"name": name} for name in item.labels],
            "user": {"login": "agent"},
            "updated_at": NOW,
            "html_url": f"https://github.com/{self.github.repo}/{kind}/{item.number}",
            **({"pull_request": {"url": ""}} if item.head else {}),
        }

    def _pull(self, item: Item) -> Any:
        github = self.github
        shown = self._shown(item, "/issues")
        shown.pop("pull_request", None)
        sha = github.git("rev-parse", item.head).strip()
        commits = len(github.git("rev-list", f"{item.base}..{item.head}").split())
        ends = {"head": {"ref": item.head, "sha": sha}, "base": {"ref": item.base}}
        return {**shown, **ends, "commits": commits, "mergeable": True, "merged_at": None}

    # Smart HTTP

    def _serve_git(self, data: bytes) -> None:
        if (
            self.headers.get("Authorization")
            != "Basic " + base64.b64encode(f"x-access-token:{self.github.token}".encode()).decode()
        ):
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="GitHub"')
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        parts = urllib.parse.urlsplit(self.path)
        environment = {
            "PATH": os.environ["PATH"],
            "GIT_PROJECT_ROOT": str(self.github.folder),
            "GIT_HTTP_EXPORT_ALL": "1",
            "PATH_INFO": parts.path,
            "QUERY_STRING": parts.query,
            "REQUEST_METHOD": self.command,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(len(data)),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
            "REMOTE_USER": "x-access-token",
        }
        done = subprocess.run(["git", "http-backend"], input=data, env=environment, capture_output=True, check=False)
        head, _, body = done.stdout.partition(b"\r\n\r\n")
        fields = dict(line.split(": ", 1) for line in head.decode().split("\r\n") if line)
        self.send_response(int(fields.pop("Status", "200").split()[0]))
        for name, value in fields.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
