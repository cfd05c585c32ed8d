"""One HTTP request of a tool, against a server of the tests' own."""

from __future__ import annotations

import http.server
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sympozium_core.ipc.files import Root
from sympozium_core.sidecar import web
from sympozium_core.sidecar.calls import Call
from sympozium_core.sidecar.definition import ToolError


class _Server(http.server.BaseHTTPRequestHandler):
    seen: list[tuple[str, str, bytes]]

    def do_CONNECT(self) -> None:
        self.send_error(403)

    def do_POST(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.seen.append((self.path, self.headers.get("Authorization", ""), body))
        found = {"/there": (200, b"here"), "/refused": (403, b"no"), "/long": (200, b"x" * (web.MOST + 1))}
        path = self.path.removeprefix("http://repo.example.com")
        status, answer = found.get(path, (302, b""))
        if self.path.startswith("http://other"):
            status, answer = 403, b"the policy of this run does not list it\n"
        self.send_response(status)
        if self.path.startswith("http://other"):
            self.send_header("Proxy-Status", "sympozium; error=http_request_denied")
        if status == 302:
            self.send_header("Location", "/there")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def server() -> Iterator[http.server.ThreadingHTTPServer]:
    class Handler(_Server):
        seen: list[tuple[str, str, bytes]] = []  # noqa: RUF012

    made = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=made.serve_forever, daemon=True)
    thread.start()
    yield made
    made.shutdown()
    made.server_close()
    thread.join(10)


@pytest.fixture
def call(tmp_path: Path) -> Iterator[Call]:
    with Root(tmp_path) as root:
        made = Call("c1", "ask", time.monotonic() + 30, root, "tools/web")
        yield made
        made.close()


def test_answers_and_refusals_come_back_and_redirects_are_not_followed(
    server: http.server.ThreadingHTTPServer, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    address, token = f"http://127.0.0.1:{server.server_port}", {"Authorization": "Bearer secret"}
    there = web.ask(call, f"{address}/there", token, method="POST", data=b"body")
    assert (there.status, there.well, there.body) == (200, True, b"here")
    assert there.headers["content-length"] == "4"
    refused = web.ask(call, f"{address}/refused", token)
    assert (refused.status, refused.well, refused.body) == (403, False, b"no")
    moved = web.ask(call, f"{address}/elsewhere", token)
    assert (moved.status, moved.well) == (302, False)
    seen = server.RequestHandlerClass.seen  # type: ignore[attr-defined]
    assert [path for path, _, _ in seen] == ["/there", "/refused", "/elsewhere"], "the token has gone nowhere else"
    assert seen[0] == ("/there", "Bearer secret", b"body")


def test_the_proxy_of_a_sandbox_is_used_and_its_own_refusals_are_no_answers(
    server: http.server.ThreadingHTTPServer, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SYMPOZIUM_PROXY", f"http://127.0.0.1:{server.server_port}")
    assert web.ask(call, "http://repo.example.com/there", {}).body == b"here"
    assert server.RequestHandlerClass.seen[0][0] == "http://repo.example.com/there"  # type: ignore[attr-defined]
    with pytest.raises(web.Unreachable, match="the policy of this run does not list it"):
        web.ask(call, "http://other.example.com/", {})
    with pytest.raises(web.Unreachable, match="403"):
        web.ask(call, "https://repo.example.com/", {})


def test_what_is_too_long_or_nowhere_is_said(server: http.server.ThreadingHTTPServer, call: Call) -> None:
    with pytest.raises(ToolError, match="longer than 8 MiB"):
        web.ask(call, f"http://127.0.0.1:{server.server_port}/long", {})
    for address in ("http://127.0.0.1:9/", "no address"):
        with pytest.raises(web.Unreachable):
            web.ask(call, address, {})
