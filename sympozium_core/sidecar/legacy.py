"""Answers ``tools/exec-request-<id>.json`` as the tool servers of the original do (`ipc.legacy`)."""

from __future__ import annotations

import time
from collections.abc import Callable

from sympozium_core.errors import Permanent
from sympozium_core.ipc.files import FileRefused, Root
from sympozium_core.ipc.layout import MAX_REQUEST, TOOLS, server_dir
from sympozium_core.ipc.legacy import (
    LegacyRequest,
    LegacyResult,
    call_of,
    claim_path,
    parse_legacy_request,
    request_path,
    result_path,
    same_target,
)
from sympozium_core.ipc.watch import Found
from sympozium_core.sidecar.calls import Call

TIMEOUT, LONGEST = 30.0, 120.0
"""Seconds for a request that says nothing, and the most that one may ask for."""


class LegacyPort:
    """Requests for this server; those for another target are left alone."""

    def __init__(self, root: Root, server: str, handle: Callable[[LegacyRequest, Call], LegacyResult]) -> None:
        self._root = root
        self._server = server
        self._handle = handle

    def wants(self, found: Found) -> bool:
        return found.directory == TOOLS and bool(call_of(found.name))

    def run(self, name: str, running: dict[str, Call]) -> None:
        """Claims, runs and answers the request in the file `name`; returns at once where it is another's."""
        call_id = call_of(name)
        path = request_path(call_id)
        try:
            request = parse_legacy_request(self._root.read_json(path, MAX_REQUEST), path)
        except FileNotFoundError:
            return
        except FileRefused:
            return  # half written, perhaps: its writer closes it, and it is reported again
        except Permanent as error:
            if self._claim(call_id):
                self._answer(LegacyResult(call_id, 2, stderr=error.message))
            return
        if (request.target and not same_target(request.target, self._server)) or not self._claim(call_id):
            return
        seconds = min(request.timeout or TIMEOUT, LONGEST)
        call = Call(call_id, "exec", time.monotonic() + seconds, self._root, server_dir(self._server))
        call.answered = True  # a command keeps its own time
        running[f"legacy {call_id}"] = call
        try:
            self._answer(self._handle(request, call))
        except OSError as error:
            self._answer(LegacyResult(call_id, 126, stderr=f"cannot be run: {error.strerror}"))
        finally:
            del running[f"legacy {call_id}"]
            call.close()

    def _claim(self, call_id: str) -> bool:
        """By making a directory, as the original does: of several servers one succeeds."""
        return self._root.make_new_directory(claim_path(call_id))

    def _answer(self, result: LegacyResult) -> None:
        self._root.write_json(result_path(result.id), result.to_json())
