"""A model server on loopback that is strict about what it is asked, and a runner as the real process that it is."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from sympozium_core.ipc.files import Root
from sympozium_core.ipc.layout import MAX_RESULT
from sympozium_core.ipc.protocol import RunResult, parse_run_result

TEXT = {"type": "string"}
REQUEST_SCHEMA = {
    "type": "object",
    "required": ["model", "messages", "stream", "stream_options"],
    "additionalProperties": False,
    "properties": {
        "model": TEXT,
        "stream": {"const": True},
        "stream_options": {"const": {"include_usage": True}},
        "messages": {
            "type": "array",
            "minItems": 2,
            "items": {
                "oneOf": [
                    {"properties": {"role": {"enum": ["system", "user"]}, "content": TEXT}, "required": ["role", "content"]},
                    {
                        "properties": {"role": {"const": "tool"}, "tool_call_id": TEXT, "content": {**TEXT, "minLength": 1}},
                        "required": ["role", "tool_call_id", "content"],
                        "additionalProperties": False,
                    },
                    {
                        "properties": {
                            "role": {"const": "assistant"},
                            "content": {"type": ["string", "null"]},
                            "tool_calls": {
                                "type": "array",
                                "minItems": 1,
                                "items": {
                                    "properties": {
                                        "id": {"type": "string", "pattern": "^[A-Za-z0-9_-]{1,64}$"},
                                        "type": {"const": "function"},
                                        "function": {
                                            "properties": {"name": TEXT, "arguments": TEXT},
                                            "required": ["name", "arguments"],
                                            "additionalProperties": False,
                                        },
                                    },
                                    "required": ["id", "type", "function"],
                                    "additionalProperties": False,
                                },
                            },
                        },
                        "required": ["role", "content"],
                        "additionalProperties": False,
                    },
                ]
            },
        },
        "tools": {
            "type": "array",
            "minItems": 1,
            "items": {
                "properties": {
                    "type": {"const": "function"},
                    "function": {"required": ["name", "description", "parameters"], "type": "object"},
                },
                "required": ["type", "function"],
            },
        },
    },
}

Reply = Callable[["BaseHTTPRequestHandler"], None]


def check_request(body: dict[str, Any]) -> None:
    """What a strict endpoint checks: the shape, and that every tool call is answered, once, right after it was asked."""
    jsonschema.validate(body, REQUEST_SCHEMA)
    open_calls: list[str] = []
    for message in body["messages"]:
        if message["role"] == "tool":
            assert open_calls, "a tool message that answers nothing"
            assert message["tool_call_id"] == open_calls.pop(0), "tool messages out of order"
        else:
            assert not open_calls, f"calls without a result: {open_calls}"
            open_calls = [call["id"] for call in message.get("tool_calls", [])]
            for call in message.get("tool_calls", []):
                assert isinstance(json.loads(call["function"]["arguments"]), dict)
    assert not open_calls


class ModelServer:
    """Answers from a script, one reply a request; the last reply is repeated. `requests` are the bodies, byte for byte."""

    def __init__(self) -> None:
        self.script: list[Reply] = []
        self.requests: list[bytes] = []
        self.times: list[float] = []
        self.problems: list[str] = []
        self.lock = threading.Lock()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                outer.answer(self)

            def log_message(self, format: str, *args: Any) -> None:
                pass

            def setup(self) -> None:
                super().setup()
                outer.connections += 1

        self.connections = 0
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/v1"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self.thread.start()

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        body = handler.rfile.read(int(handler.headers["Content-Length"]))
        with self.lock:
            self.times.append(time.monotonic())
            self.requests.append(body)
            try:
                assert handler.path == "/v1/chat/completions"
                assert handler.headers["Authorization"] == "Bearer secret-token"
                assert handler.headers["Content-Type"] == "application/json"
                check_request(json.loads(body))
            except (AssertionError, ValueError, jsonschema.ValidationError) as error:
                self.problems.append(str(error)[:2000])
            reply = self.script[min(len(self.requests), len(self.script)) - 1]
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            reply(handler)

    def bodies(self) -> list[dict[str, Any]]:
        return [json.loads(body) for body in self.requests]

    def tool_messages(self) -> list[str]:
        """Contents of the tool messages in the last request."""
        return [message["content"] for message in self.bodies()[-1]["messages"] if message["role"] == "tool"]

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


def raw(status: int, body: bytes, content_type: str = "application/json") -> Reply:
    def reply(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        handler.send_header("Content-Type", content_type)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return reply


def stream(*chunks: dict[str, Any] | bytes, done: bool = True, break_off: bool = False, line: bytes = b"\n") -> Reply:
    """A chunked stream of events; `break_off` closes the connection in the middle."""

    def reply(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", "text/event-stream")
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        data = [chunk if isinstance(chunk, bytes) else json.dumps(chunk).encode() for chunk in chunks]
        for item in data + ([b"[DONE]"] if done else []):
            event = b"data: " + item + line * 2
            handler.wfile.write(b"%x\r\n%b\r\n" % (len(event), event))
        if break_off:
            handler.close_connection = True
            return
        handler.wfile.write(b"0\r\n\r\n")

    return reply


def delta(finish: str | None = None, **fields: Any) -> dict[str, Any]:
    return {"object": "chat.completion.chunk", "choices": [{"index": 0, "delta": fields, "finish_reason": finish}]}


def says(text: str) -> Reply:
    """A streamed text, in two pieces, with a usage chunk as OpenAI sends it."""
    half = len(text) // 2
    usage = {
        "object": "chat.completion.chunk",
        "choices": [],
        "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
    }
    return stream(
        delta(role="assistant", content=""), delta(content=text[:half]), delta(content=text[half:]), delta("stop"), usage
    )


def calls(*wanted: tuple[str, Any], text: str = "", ids: tuple[str, ...] = ()) -> Reply:
    """Tool calls as OpenAI streams them: the head first, the arguments in pieces."""
    chunks: list[dict[str, Any] | bytes] = [delta(role="assistant", content=text or None)]
    for index, (name, arguments) in enumerate(wanted):
        words = arguments if isinstance(arguments, str) else json.dumps(arguments)
        call = ids[index] if ids else f"call-{name}-{index}-{abs(hash(words)) % 1000}"
        head = {"index": index, "id": call, "type": "function", "function": {"name": name, "arguments": ""}}
        chunks.append(delta(tool_calls=[head]))
        for start in range(0, len(words), 7):
            chunks.append(delta(tool_calls=[{"index": index, "function": {"arguments": words[start : start + 7]}}]))
    return stream(*chunks, delta("tool_calls"))


class Pod:
    """The agent's side of a pod on this machine: its volumes and its process."""

    def __init__(self, path: Path, url: str) -> None:
        self.path = path
        self.ipc, self.workspace = path / "ipc", path / "workspace"
        for folder in (self.ipc, self.workspace, path / "tmp", path / "skills"):
            folder.mkdir(parents=True)
        self.root = Root(self.ipc)
        self.task: dict[str, Any] = {
            "version": 1,
            "run": {"uid": "u", "name": "n", "namespace": "default", "instance": "i", "attempt": 1},
            "task": "Do the thing.",
            "systemPrompt": "You are terse.",
            "model": {"baseURL": url, "token": "secret-token", "name": "stub"},
            "tools": [
                {"name": name, "server": "native"}
                for name in ("read_file", "write_file", "edit_file", "list_directory", "grep_search")
            ],
            "skills": [],
            "limits": {
                "maxTurns": 50,
                "maxToolCalls": 200,
                "deadline": time.time() + 30,
                "contextBytes": 400000,
                "toolResultBytes": 8000,
            },
            "resume": None,
        }
        self.process: subprocess.Popen[bytes] | None = None

    def offer(self, *tools: dict[str, Any]) -> None:
        self.task["tools"] += tools

    def start(self, *, give_task: bool = True) -> subprocess.Popen[bytes]:
        if give_task:
            self.give_task()
        environment = {
            "PATH": os.environ["PATH"],
            "SYMPOZIUM_IPC": str(self.ipc),
            "SYMPOZIUM_WORKSPACE": str(self.workspace),
            "SYMPOZIUM_TMP": str(self.path / "tmp"),
            "SYMPOZIUM_SKILLS": str(self.path / "skills"),
        }
        self.process = subprocess.Popen(
            [sys.executable, "-m", "sympozium_core.runner"], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        return self.process

    def give_task(self) -> None:
        self.root.write_json("input/task.json", self.task)

    def result(self, timeout: float = 20.0) -> RunResult:
        self.until(lambda: self.root.exists("output/result.json"), timeout)
        return parse_run_result(self.root.read_json("output/result.json", MAX_RESULT), "output/result.json")

    def until(self, condition: Callable[[], Any], timeout: float = 20.0) -> Any:
        """Waits for what another process does; fails with the runner's own words."""
        end = time.monotonic() + timeout
        while not (value := condition()):
            dead = self.process is not None and self.process.poll() is not None
            if time.monotonic() > end or (dead and not condition()):
                assert self.process is not None
                self.process.kill()
                assert self.process.stderr is not None
                raise AssertionError(f"it did not happen; the runner says: {self.process.stderr.read().decode()}")
            time.sleep(0.002)
        return value

    def finish(self) -> RunResult:
        """The result of a whole run, acknowledged; the runner has left with 0."""
        if self.process is None:
            self.start()
        result = self.result()
        self.root.write_bytes("output/result.ack", b"")
        assert self.process is not None
        assert self.process.wait(5) == 0
        return result

    def stream(self) -> list[dict[str, Any]]:
        names = sorted((n for n in self.root.names("output") if n.startswith("stream-")), key=lambda n: int(n[7:-5]))
        return [self.root.read_json(f"output/{name}", 1 << 20) for name in names]

    def close(self) -> None:
        if self.process is not None:
            if self.process.poll() is None:
                self.process.send_signal(signal.SIGKILL)
            self.process.wait()
            assert self.process.stderr is not None
            self.process.stderr.close()
        self.root.close()


class Replies:
    """The kinds of reply, for tests, which cannot import from here."""

    raw, stream, delta, says, calls = (
        staticmethod(raw),
        staticmethod(stream),
        staticmethod(delta),
        staticmethod(says),
        staticmethod(calls),
    )


@pytest.fixture
def reply() -> type[Replies]:
    return Replies


@pytest.fixture
def model() -> Iterator[ModelServer]:
    server = ModelServer()
    yield server
    server.close()
    assert not server.problems, server.problems


@pytest.fixture
def pod(tmp_path: Path, model: ModelServer) -> Iterator[Pod]:
    made = Pod(tmp_path, model.url)
    yield made
    made.close()


@pytest.fixture
def new_pod(tmp_path: Path, model: ModelServer) -> Iterator[Callable[[], Pod]]:
    """More than one run in one test."""
    made: list[Pod] = []

    def new() -> Pod:
        made.append(Pod(tmp_path / f"pod{len(made)}", model.url))
        return made[-1]

    yield new
    for item in made:
        item.close()
