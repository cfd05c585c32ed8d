"""A tool server: writes its manifest, answers requests, several at a time, and ends when it is told that no more will come.

from sympozium_core.sidecar import Server, tool

@tool
def count_words(text: str) -> int:
    \"\"\"Count the words of a text.\"\"\"
    return len(text.split())

Server("words", [count_words]).serve()
"""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

from sympozium_core.errors import Permanent
from sympozium_core.ipc.fields import SERVER_NAME
from sympozium_core.ipc.files import Root
from sympozium_core.ipc.layout import CANCEL, DONE, MANIFEST, MAX_TOOLS, REQUESTS, TOOLS
from sympozium_core.ipc.legacy import LegacyRequest, LegacyResult
from sympozium_core.ipc.protocol import Manifest, ToolRequest
from sympozium_core.ipc.wake import Wake
from sympozium_core.ipc.watch import Found, Watch
from sympozium_core.names import ENV_IPC
from sympozium_core.sidecar.calls import Call, Outcome
from sympozium_core.sidecar.claims import Claim, Claims
from sympozium_core.sidecar.definition import Handler, ToolError, handler_of
from sympozium_core.sidecar.descendants import adopt_descendants
from sympozium_core.sidecar.legacy import LegacyPort

PARALLEL = 8
LATE = 0.5
"""Seconds after its deadline that a tool may still give its own result, such as a command that was stopped and its output."""
TICK = 0.25
"""Seconds after a request, and between looks while one is under way, in which its deadline is learnt. A worker that said so itself would wake
another thread just when it is about to begin."""
LEAVE = 5.0
"""Seconds for running calls to end after `done` or a signal."""


class Server:
    """`tools` are functions (see `tool`) or `Handler` objects. `legacy` also answers ``exec-request`` files, as images of the original do."""

    def __init__(
        self,
        name: str,
        tools: Iterable[Handler | Callable[..., Any]] = (),
        *,
        legacy: Callable[[LegacyRequest, Call], LegacyResult] | None = None,
        ipc: str | None = None,
        parallel: int = PARALLEL,
        polling: bool | None = None,
    ) -> None:
        if not SERVER_NAME.match(name):
            raise ValueError(f"{name!r} is no name of a tool server: lower-case letters, digits and '-', at most 63")
        self.name = name
        self._ipc = ipc or os.environ.get(ENV_IPC) or "/ipc"
        self._legacy = legacy
        self._parallel = parallel
        self._polling = polling
        self._handlers: dict[str, Handler] = {}
        self._running: dict[str, Call] = {}
        self._early: deque[str] = deque(maxlen=256)
        """Calls that were cancelled, which may have been before they began."""
        self._waiting: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._wake = Wake()
        self._stopping = False
        self._asked_at = float("-inf")
        """When the last request came; monotonic."""
        for item in tools:
            self.add(item)

    def add(self, item: Handler | Callable[..., Any]) -> None:
        """One more tool, before `serve`. Raises ValueError for a name that is taken, TypeError for a signature without a schema."""
        handler = item if isinstance(item, Handler) else handler_of(item)
        name = handler.definition.name
        if name in self._handlers:
            raise ValueError(f"two tools of the server {self.name!r} have the name {name!r}")
        if len(self._handlers) == MAX_TOOLS:
            raise ValueError(f"a server has at most {MAX_TOOLS} tools")
        self._handlers[name] = handler

    def stop(self) -> None:
        """Makes `serve` return; from another thread or a signal handler."""
        self._stopping = True
        self._wake.rouse()

    def serve(self) -> None:
        """Returns after `done` has appeared, or SIGTERM or SIGINT came, and all calls have ended."""
        adopt_descendants()
        if threading.current_thread() is threading.main_thread():
            self._wake.by_signals()
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, lambda *_: self.stop())
        with Root(self._ipc, shared=True) as root:
            claims = Claims(root, self.name)
            claims.settle()
            legacy = LegacyPort(root, self.name, self._legacy) if self._legacy else None
            directories = ["", f"{claims.directory}/{REQUESTS}", f"{claims.directory}/{CANCEL}", *([TOOLS] if legacy else [])]
            workers = [threading.Thread(target=self._work, args=(claims, legacy), daemon=True) for _ in range(self._parallel)]
            with Watch(root, directories, polling=self._polling) as watch:
                manifest = Manifest(tuple(handler.definition for handler in self._handlers.values()))
                root.write_json(f"{claims.directory}/{MANIFEST}", manifest.to_json())
                for worker in workers:
                    worker.start()
                self._watch(watch, claims, legacy)
            self._leave(workers)

    def _watch(self, watch: Watch, claims: Claims, legacy: LegacyPort | None) -> None:
        while not self._stopping:
            found = watch.wait(self._patience(), wake=self._wake.descriptor)
            self._wake.clear()
            if any(item.path == DONE for item in found):
                return
            for item in found:
                self._take(item, claims, legacy)
            self._expire(claims)

    def _take(self, item: Found, claims: Claims, legacy: LegacyPort | None) -> None:
        if item.directory.endswith(f"/{REQUESTS}"):
            self._hand_on(item.name)
        elif item.directory.endswith(f"/{CANCEL}"):
            self._early.append(item.name)
            if call := self._running.get(item.name):
                call.cancel()
            claims.root.remove(item.path)
        elif legacy and legacy.wants(item):
            self._hand_on(f"{TOOLS}/{item.name}")

    def _hand_on(self, name: str) -> None:
        self._asked_at = time.monotonic()
        self._waiting.put(name)

    def _work(self, claims: Claims, legacy: LegacyPort | None) -> None:
        """One worker: takes names until it gets None. A request is claimed only when there is somebody to run it."""
        while (name := self._waiting.get()) is not None:
            try:
                if name.startswith(f"{TOOLS}/"):
                    if legacy:
                        legacy.run(name.removeprefix(f"{TOOLS}/"), self._running)
                elif claim := claims.claim(name):
                    self._run(claim, claims)
            except Exception as error:
                # A full disk, or a defect: this call stays without an answer and the bridge says so; the others go on.
                print(f"{self.name}: {type(error).__name__} while answering {name[:80]!r}", file=sys.stderr)

    def _run(self, claim: Claim, claims: Claims) -> None:
        try:
            request = claim.request()
        except Permanent as error:
            claim.answer(Outcome(f"the request cannot be read: {error.message}", status="error"))
            return
        handler = self._handlers.get(request.tool)
        if handler is None:
            there = ", ".join(self._handlers) or "none"
            claim.answer(Outcome(f"{self.name!r} has no tool {request.tool!r}; it has: {there}", status="error"))
            return
        seconds = request.deadline - time.time() if request.deadline else handler.timeout
        more = (claims.root, claims.directory, request.trace, request.argv)
        call = Call(request.id, request.tool, time.monotonic() + seconds, *more)
        self._running[call.id] = call
        if call.id in self._early:
            call.cancel()
        call.expire = lambda: claim.answer(Outcome(f"{request.tool} took longer than its {seconds:.0f} s", status="timeout"))
        try:
            outcome = _outcome(handler, request, call)
            call.finish(lambda: claim.answer(outcome))
        finally:
            self._running.pop(call.id, None)
            call.close()
            claim.close()

    def _patience(self) -> float | None:
        """How long there is nothing to look at but what comes; None: for ever."""
        now = time.monotonic()
        deadlines = [call.deadline + LATE - now for call in list(self._running.values()) if not call.answered]
        if deadlines or not self._waiting.empty() or now < self._asked_at + TICK:
            return max(0.0, min((TICK, *deadlines)))
        return None

    def _expire(self, claims: Claims) -> None:
        """Answers for tools that did not keep their deadline. Their threads cannot be stopped; others take their place."""
        now = time.monotonic()
        for call in list(self._running.values()):
            if not call.answered and call.deadline + LATE <= now:
                call.cancel()
                call.finish(call.expire)
                threading.Thread(target=self._work, args=(claims, None), daemon=True).start()

    def _leave(self, workers: list[threading.Thread]) -> None:
        """Nobody waits for what still runs: commands are ended, functions are told."""
        for call in list(self._running.values()):
            call.cancel()
        for _ in range(len(workers) * 4):
            self._waiting.put(None)
        end = time.monotonic() + LEAVE
        for worker in workers:
            worker.join(max(0.0, end - time.monotonic()))


def _outcome(handler: Handler, request: ToolRequest, call: Call) -> Outcome:
    """Whatever a tool does is an outcome: nothing that it raises ends the server."""
    if call.remaining <= 0:
        return Outcome("the call's deadline had passed before it could begin", status="timeout")
    try:
        return handler.run(request.arguments, call)
    except ToolError as error:
        return Outcome(str(error), status="error")
    except Exception as error:
        with contextlib.suppress(Exception):
            return Outcome(f"{type(error).__name__}: {error}"[:4096], status="error")
        return Outcome(type(error).__name__, status="error")
