"""Requests of a tool server on its volume: each is taken by exactly one process, and answered exactly once.

A request is claimed by locking its file and renaming it to a hidden name, ``requests/.claimed-<id>.json``. The lock is held while the call
runs, so a server that starts can tell a call that another process runs from one whose process has died: the latter is answered ``unknown``,
never run again.
"""

from __future__ import annotations

import contextlib
import fcntl
import os

from sympozium_core.errors import Permanent
from sympozium_core.ipc.documents import encode
from sympozium_core.ipc.fields import IDENTIFIER
from sympozium_core.ipc.files import FileRefused, Root
from sympozium_core.ipc.layout import ARTIFACTS, CANCEL, MAX_REQUEST, MAX_TOOL_RESULT, REQUESTS, RESULTS, server_dir
from sympozium_core.ipc.protocol import ToolRequest, ToolResult, parse_tool_request
from sympozium_core.sidecar.calls import Outcome

CLAIMED = ".claimed-"
CONTENT = 256 * 1024
"""Characters of a result's content; what is longer is cut and kept whole as an artifact."""


class Claim:
    """One request that is this process's to answer."""

    def __init__(self, claims: Claims, call: str, descriptor: int) -> None:
        self.call = call
        self._claims = claims
        self._descriptor = descriptor

    def request(self) -> ToolRequest:
        """Raises FileRefused or ProtocolError."""
        path = self._claims.claimed(self.call)
        request = parse_tool_request(self._claims.root.read_json(path, MAX_REQUEST), path)
        if request.id != self.call:
            raise FileRefused(path, "has another id inside than in its name")
        return request

    def answer(self, outcome: Outcome) -> None:
        """Writes the result and gives the claim up."""
        try:
            self._claims.write_result(self.call, outcome)
            self._claims.root.remove(self._claims.claimed(self.call))
        finally:
            self.close()

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


class Claims:
    """The requests, results and artifacts of one server."""

    def __init__(self, root: Root, server: str) -> None:
        self.root = root
        self.directory = server_dir(server)
        for name in (REQUESTS, RESULTS, CANCEL, ARTIFACTS):
            root.make_directory(f"{self.directory}/{name}")

    def claimed(self, call: str) -> str:
        return f"{self.directory}/{REQUESTS}/{CLAIMED}{call}.json"

    def result(self, call: str) -> str:
        return f"{self.directory}/{RESULTS}/{call}.json"

    def claim(self, name: str) -> Claim | None:
        """The request in the file `name`, or None where it is another's, gone, or no request."""
        call = name.removesuffix(".json")
        if name != f"{call}.json" or not IDENTIFIER.match(call):
            return None
        path = f"{self.directory}/{REQUESTS}/{name}"
        descriptor = self._lock(path)
        if descriptor < 0:
            return None
        if self.root.exists(self.result(call)) or not self.root.rename(path, self.claimed(call)):
            os.close(descriptor)
            return None
        return Claim(self, call, descriptor)

    def settle(self) -> None:
        """Answers the calls of a process that died while it ran them. For the start of a server."""
        directory = self.root.open_directory(f"{self.directory}/{REQUESTS}")
        try:
            names = os.listdir(directory)
        finally:
            os.close(directory)
        for name in names:
            call = name.removeprefix(CLAIMED).removesuffix(".json")
            if name != f"{CLAIMED}{call}.json" or not IDENTIFIER.match(call):
                continue
            descriptor = self._lock(self.claimed(call))
            if descriptor < 0:
                continue
            claim = Claim(self, call, descriptor)
            if self.root.exists(self.result(call)):
                self.root.remove(self.claimed(call))
                claim.close()
            else:
                claim.answer(Outcome("the tool server was interrupted while this call ran", status="unknown"))

    def write_result(self, call: str, outcome: Outcome) -> None:
        """Bounded: content that is too long is cut, and kept as the artifact ``<id>-content.txt``."""
        content, artifacts, truncated = outcome.content, outcome.artifacts, outcome.truncated
        if len(content) > CONTENT:
            name = f"{call}-content.txt"
            with contextlib.suppress(OSError, Permanent):
                self.root.write_bytes(f"{self.directory}/{ARTIFACTS}/{name}", content.encode("utf-8", "replace"))
                artifacts = (*artifacts, name)
            half = CONTENT // 2
            content = f"{content[:half]}\n[… {len(content) - CONTENT} characters are left out here …]\n{content[-half:]}"
            truncated = True
        result = ToolResult(call, outcome.status, content, outcome.exit_code, truncated, artifacts)
        data = encode(result.to_json())
        assert len(data) <= MAX_TOOL_RESULT, "a character takes at most six bytes as JSON"
        self.root.write_bytes(self.result(call), data)

    def _lock(self, path: str) -> int:
        """Descriptor of a locked file; -1 where it is gone or locked by another."""
        try:
            descriptor = self.root.open_file(path)
        except (OSError, Permanent):
            return -1
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return descriptor
        except OSError:
            os.close(descriptor)
            return -1
