"""Tool calls to servers, as files: a request written, a result awaited. The bridge stands on the other side and is the only gate."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Iterable, Mapping
from typing import Any

from sympozium_core.errors import Permanent
from sympozium_core.ipc.files import Root
from sympozium_core.ipc.layout import CANCEL, CONTROL_CANCEL, MAX_REQUEST, MAX_TOOL_RESULT, REQUESTS, RESULTS, server_dir
from sympozium_core.ipc.protocol import ToolRequest, ToolResult, parse_tool_result
from sympozium_core.ipc.watch import Watch
from sympozium_core.runner.stop import Stop, Stopped

TIMEOUT = 120.0
"""Seconds that a call may take, unless its own argument `timeout` says otherwise."""
SLACK = 5.0
"""Seconds beyond a call's own timeout, for the way there and back."""
GRACE = 10.0
"""Seconds after a call's deadline for the bridge to say so itself."""


class ServerCalls:
    """Waits for all results with one watching thread, which also sees ``control/cancel``. `call` is for several threads."""

    def __init__(self, root: Root, servers: Iterable[str], stop: Stop, *, patience: float = 0.0) -> None:
        """`patience`: seconds that a call may wait for a person, on top of the time that it may take."""
        self._root = root
        self._stop = stop
        self._patience = patience
        self._pending: dict[str, threading.Lock] = {}
        """By the result's path, a lock that is released to wake the call that waits for it. A signal handler may do so in the very thread that
        waits, which an event does not bear: it has a lock inside."""
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._closed = False
        control = CONTROL_CANCEL.rpartition("/")[0]
        self._watch = Watch(root, [control, *(f"{server_dir(server)}/{RESULTS}" for server in servers)])
        stop.listen(self._release)
        self._thread = threading.Thread(target=self._run, name="results", daemon=True)
        self._thread.start()

    def call(self, server: str, call: str, tool: str, arguments: Mapping[str, Any]) -> ToolResult:
        """One call. Raises Stopped; whatever else goes wrong is in the result."""
        timeout = _timeout(arguments)
        path = f"{server_dir(server)}/{RESULTS}/{call}.json"
        request = ToolRequest(call, tool, arguments, deadline=time.time() + self._stop.remaining(timeout))
        wake = self._pending[path] = threading.Lock()
        wake.acquire()
        try:
            data = request.to_json()
            if (size := len(str(data))) > MAX_REQUEST:
                return ToolResult(call, "error", f"the arguments have {size} characters, which is too long for a tool call")
            self._root.write_json(f"{server_dir(server)}/{REQUESTS}/{call}.json", data)
            return self._await(path, call, wake, timeout) or self._give_up(server, call, timeout)
        except Stopped:
            self._tell(server, call)
            raise
        except OSError as error:
            return ToolResult(call, "error", f"the call could not be made: {error.strerror}")
        except Permanent as error:
            return ToolResult(call, "error", f"the tool server's answer cannot be read: {error.message}")
        finally:
            self._pending.pop(path, None)

    def close(self) -> None:
        self._closed = True
        os.eventfd_write(self._wake, 1)
        self._thread.join()
        self._watch.close()
        os.close(self._wake)

    def _await(self, path: str, call: str, wake: threading.Lock, timeout: float) -> ToolResult | None:
        end = time.monotonic() + timeout + self._patience + GRACE
        while True:
            # Looked for before the time is: a result that is there counts, even at the very end.
            try:
                result = parse_tool_result(self._root.read_json(path, MAX_TOOL_RESULT), path)
            except FileNotFoundError:
                self._stop.check()
                if time.monotonic() >= end:
                    return None
                wake.acquire(timeout=self._stop.remaining(max(0.0, end - time.monotonic())))
                continue
            if result.id != call:
                return ToolResult(call, "error", "the tool server answered with the result of another call")
            return result

    def _give_up(self, server: str, call: str, timeout: float) -> ToolResult:
        self._tell(server, call)
        return ToolResult(
            call,
            "timeout",
            f"no answer from {server!r} within {timeout + self._patience:.0f} s; whether it happened is unknown",
        )

    def _tell(self, server: str, call: str) -> None:
        """Nobody waits for this call any more: whoever runs it may stop."""
        with contextlib.suppress(OSError, Permanent):
            self._root.write_bytes(f"{server_dir(server)}/{CANCEL}/{call}", b"")

    def _release(self) -> None:
        for wake in list(self._pending.values()):
            _free(wake)

    def _run(self) -> None:
        while not self._closed:
            for found in self._watch.wait(wake=self._wake):
                if found.path == CONTROL_CANCEL:
                    self._stop.cancel("by the control plane")
                elif wake := self._pending.get(found.path):
                    _free(wake)


def _free(wake: threading.Lock) -> None:
    with contextlib.suppress(RuntimeError):  # it is free already
        wake.release()


def _timeout(arguments: Mapping[str, Any]) -> float:
    given = arguments.get("timeout")
    if isinstance(given, int | float) and not isinstance(given, bool) and 0 < given <= 3600:
        return float(given) + SLACK
    return TIMEOUT
