"""The pair ``tools/exec-request-<id>.json`` and ``tools/exec-result-<id>.json``, as the tool servers of the original speak it.

Request: ``{id, command, args, workDir, timeout, target, argv, stdin, _meta}``; result: ``{id, exitCode, stdout, stderr, timedOut}``. A request
with `argv` is run without a shell, else `command` by a shell. It is claimed by making the directory ``tools/.claim-<id>``. `target` names
the skill pack that is meant; a server of another name leaves the request alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sympozium_core.ipc.fields import IDENTIFIER, Fields
from sympozium_core.ipc.layout import LEGACY_REQUEST_PREFIX, LEGACY_RESULT_PREFIX, MAX_REQUEST, MAX_TOOL_RESULT, TOOLS

MAX_WORDS = 1024


@dataclass(frozen=True)
class LegacyRequest:
    id: str
    command: str = ""
    args: tuple[str, ...] = ()
    work_dir: str = ""
    timeout: float = 0.0
    """Seconds; 0 is the server's default."""
    target: str = ""
    argv: tuple[str, ...] = ()
    stdin: str = ""

    def to_json(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "command": self.command,
            "args": list(self.args),
            "workDir": self.work_dir,
            "timeout": self.timeout,
            "target": self.target,
            "argv": list(self.argv),
            "stdin": self.stdin,
        }


@dataclass(frozen=True)
class LegacyResult:
    id: str
    exit_code: int
    stdout: str = ""
    stderr: str = ""
    timed_out: bool = False

    def to_json(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "exitCode": self.exit_code,
            "stdout": self.stdout,
            "stderr": self.stderr,
            "timedOut": self.timed_out,
        }


def request_path(call: str) -> str:
    return f"{LEGACY_REQUEST_PREFIX}{call}.json"


def result_path(call: str) -> str:
    return f"{LEGACY_RESULT_PREFIX}{call}.json"


def claim_path(call: str) -> str:
    return f"{TOOLS}/.claim-{call}"


def call_of(name: str) -> str:
    """The id in the name of a request file (without its directory); empty for any other file."""
    prefix = LEGACY_REQUEST_PREFIX.removeprefix(f"{TOOLS}/")
    call = name.removeprefix(prefix).removesuffix(".json")
    return call if name == f"{prefix}{call}.json" and IDENTIFIER.match(call) else ""


def same_target(one: str, other: str) -> bool:
    """Whether two names mean one skill pack: case, ``_`` and a leading ``skill-`` do not count."""
    return _normal(one) == _normal(other)


def _normal(name: str) -> str:
    return name.strip().lower().replace("_", "-").removeprefix("skill-")


def parse_legacy_request(data: Any, file: str) -> LegacyRequest:
    fields = Fields(data, file)
    request = LegacyRequest(
        id=fields.match("id", IDENTIFIER),
        command=fields.text("command", MAX_REQUEST, ""),
        args=fields.texts("args", MAX_WORDS, MAX_REQUEST),
        work_dir=fields.text("workDir", 4096, ""),
        timeout=fields.number("timeout", 0, 86_400, 0.0),
        target=fields.text("target", 256, ""),
        argv=fields.texts("argv", MAX_WORDS, MAX_REQUEST),
        stdin=fields.text("stdin", MAX_REQUEST, ""),
    )
    if not request.command and not request.argv:
        raise fields.fail("command", "is missing, and so is argv")
    return request


def parse_legacy_result(data: Any, file: str) -> LegacyResult:
    fields = Fields(data, file)
    return LegacyResult(
        id=fields.match("id", IDENTIFIER),
        exit_code=fields.integer("exitCode", -1024, 1 << 31, 0),
        stdout=fields.text("stdout", MAX_TOOL_RESULT, ""),
        stderr=fields.text("stderr", MAX_TOOL_RESULT, ""),
        timed_out=fields.flag("timedOut"),
    )
