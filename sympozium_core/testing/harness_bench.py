"""The bridge's side of one agent: a task, a model that says what a script says, tool servers whose results a check makes up, and the acknowledgement."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sympozium_core import names
from sympozium_core.ipc import layout
from sympozium_core.ipc.documents import encode
from sympozium_core.ipc.protocol import RunResult, parse_run_result
from sympozium_core.testing.conversations import turns
from sympozium_core.testing.program_bench import USUAL, ProgramBench
from sympozium_core.testing.servers.host import Seen
from sympozium_core.testing.servers.openai import OpenAIServer
from sympozium_core.testing.servers.script import Answer

TOKEN, MODEL = "run-token-5f1c0ffee-told-to-nobody", "bench-model"
SOON = 10.0
"""Seconds for what is to happen at once, on a very busy machine."""
WATCHED = 0.5
"""Seconds for which something is watched that must not happen."""
DONE = Answer("Done.")

Answers = Callable[["Request"], Mapping[str, Any] | None]
"""A result but for its id, or None: none yet."""


@dataclass(frozen=True)
class Request:
    """A tool call as the agent wrote it."""

    server: str
    call: str
    """By the name of its file."""
    data: Mapping[str, Any]

    @property
    def arguments(self) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self.data["arguments"]
        return found


class ModelThread:
    """OpenAI's wire, strictly, in a thread of its own."""

    def __init__(self) -> None:
        self.server = OpenAIServer(key=TOKEN, model=MODEL)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="model", daemon=True)
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self.server.start(), self._loop).result(USUAL)

    def close(self) -> None:
        asyncio.run_coroutine_threadsafe(self.server.stop(), self._loop).result(USUAL)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


class HarnessBench(ProgramBench):
    """`task` is what the agent will be told; `requests` are its tool calls, taken away as a bridge takes them, and answered by `answers`."""

    def __init__(self, path: Path, command: Sequence[str] = (), environment: Mapping[str, str] | None = None) -> None:
        self.skills = path / "skills"
        self.skills.mkdir(parents=True)
        super().__init__(path, command, {names.ENV_SKILLS: str(self.skills), **(environment or {})})
        self._model = ModelThread()
        self.model = self._model.server
        self.requests: list[Request] = []
        self.answers: Answers = lambda request: {"status": "ok", "content": "as it was"}
        self._answered: set[str] = set()
        self._servers: list[str] = []
        self.task: dict[str, Any] = {
            "version": 1,
            "run": {"uid": "u-1", "name": "bench", "namespace": "default", "instance": "agent", "attempt": 1},
            "task": "Find out how many apples there are.",
            "systemPrompt": "You keep the books.",
            "promptSections": [],
            "model": {"baseURL": self.model.base_url, "token": TOKEN, "name": MODEL},
            "tools": [],
            "skills": [],
            "limits": {
                "maxTurns": 50,
                "maxToolCalls": 200,
                "deadline": time.time() + 120,
                "contextBytes": 400_000,
                "toolResultBytes": 8_000,
                "approvalSeconds": 0,
            },
            "resume": None,
        }

    def offer(self, server: str, *tools: Mapping[str, Any]) -> None:
        """Puts tools into the task, with folders as the bridge makes them."""
        self.serve(server)
        self.task["tools"] += [{**tool, "server": server} for tool in tools]

    def serve(self, server: str) -> None:
        self._servers.append(server)
        self.root.make_directory(f"{layout.server_dir(server)}/{layout.RESULTS}")

    def ends_in(self, seconds: float) -> None:
        self.task["limits"]["deadline"] = time.time() + seconds

    def says(self, *answers: Answer) -> None:
        """What the model answers, turn by turn."""
        self.model.script = turns(*answers)

    def give(self) -> None:
        self.root.write_json(layout.TASK, self.task)

    def up(self, *answers: Answer) -> None:
        """A run that goes on."""
        self.says(*(answers or (DONE,)))
        self.give()
        self.start()

    def run(self, *answers: Answer) -> RunResult:
        """A whole run, which the model's address has found nothing wrong with."""
        self.up(*answers)
        result = self.finish()
        assert not self.model.refusals, f"the model's address refuses what it is asked: {self.model.refusals[0].body}"
        return result

    def succeed(self, *answers: Answer) -> RunResult:
        result = self.run(*answers)
        assert (result.status, result.reason) == ("success", "Completed"), result
        return result

    def result(self, within: float = USUAL) -> RunResult:
        """Waited for. Raises AssertionError with the program's own words."""
        self.until(
            lambda: self.root.exists(layout.RESULT) or self.processes[-1].poll() is not None,
            lambda: f"{layout.RESULT} does not appear; the model was asked {len(self.model.requests)} times",
            within,
        )
        assert self.root.exists(layout.RESULT), f"it ended with {self.processes[-1].poll()} and no result: {self.complaints()}"
        return parse_run_result(self.root.read_json(layout.RESULT, layout.MAX_RESULT), layout.RESULT)

    def acknowledge(self) -> None:
        self.root.write_bytes(layout.RESULT_ACK, b"")

    def finish(self, within: float = USUAL) -> RunResult:
        """The result, acknowledged; the program has left."""
        result = self.result(within)
        self.acknowledge()
        code = self.ended("it stays, though its result is acknowledged", SOON)
        assert code == 0, f"it ends with {code} after its result: {self.complaints()}"
        return result

    def asked(self, turn: int = -1) -> Seen:
        """A request to the model, the newest if nothing else is said."""
        assert self.model.requests, f"the model was never asked: {self.complaints()}"
        return self.model.requests[turn]

    def said_to_model(self, *roles: str) -> str:
        """All that messages of these roles say in the newest request."""
        messages = self.asked().body["messages"]
        return "\n".join(text_of(message) for message in messages if message["role"] in roles)

    def until_asked(self, count: int = 1) -> None:
        self.until(
            lambda: len(self.model.requests) >= count, lambda: f"the model is not asked {count} times: {self.complaints()}"
        )

    def until_requested(self, count: int = 1) -> None:
        self.until(
            lambda: len(self.requests) >= count, lambda: f"there are {len(self.requests)} requests for tools, not {count}"
        )

    def until(self, holds: Callable[[], object], otherwise: str | Callable[[], str], within: float = USUAL) -> None:
        def look() -> object:
            self._carry()
            return holds()

        super().until(look, otherwise, within)

    def never(self, happens: Callable[[], object], what: str) -> None:
        """Watches for a while. Raises AssertionError with `what`."""
        end = time.monotonic() + WATCHED
        self.until(lambda: happens() or time.monotonic() >= end, what)
        assert not happens(), what

    def answer(self, request: Request, result: Mapping[str, Any]) -> None:
        self.put(request, encode({"id": request.call, **result}))

    def put(self, request: Request, data: bytes) -> None:
        """Any bytes in the place of a result."""
        self._answered.add(request.call)
        self.root.write_bytes(f"{layout.server_dir(request.server)}/{layout.RESULTS}/{request.call}.json", data)

    def _carry(self) -> None:
        for server in self._servers:
            folder = f"{layout.server_dir(server)}/{layout.REQUESTS}"
            for name in _visible(self.ipc / folder):
                data = self.root.read_json(f"{folder}/{name}", layout.MAX_REQUEST)
                self.root.remove(f"{folder}/{name}")
                self.requests.append(Request(server, name.removesuffix(".json"), data))
        for request in self.requests:
            if request.call not in self._answered and (result := self.answers(request)) is not None:
                self.answer(request, result)

    def close(self) -> None:
        try:
            super().close()
        finally:
            self._model.close()


def text_of(message: Mapping[str, Any]) -> str:
    """Of a chat message, whose content may be a list of parts."""
    content = message.get("content")
    parts = content if isinstance(content, list) else []
    return content if isinstance(content, str) else "".join(str(part.get("text", "")) for part in parts)


def _visible(folder: Path) -> list[str]:
    with suppress(FileNotFoundError):
        return [name for name in sorted(os.listdir(folder)) if not layout.is_hidden(name) and name.endswith(".json")]
    return []
