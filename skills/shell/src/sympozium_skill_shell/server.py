"""Serves `execute_command`."""

from __future__ import annotations

import os
import shutil
from typing import Annotated

from sympozium_core.ipc.legacy import LegacyRequest, LegacyResult
from sympozium_core.names import NO_PROXY_VARIABLES, PROXY_VARIABLES
from sympozium_core.sidecar.calls import Call, Outcome
from sympozium_core.sidecar.command import Command, run_command
from sympozium_core.sidecar.declared import outcome_of_command
from sympozium_core.sidecar.definition import BadArguments, tool
from sympozium_core.sidecar.server import Server
from sympozium_skill_shell.paths import WORKSPACE, Paths

TIMEOUT, LONGEST = 30, 120
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
KEPT = ("LANG", "LC_ALL", "TZ", "SYMPOZIUM_POD", *PROXY_VARIABLES, *NO_PROXY_VARIABLES)
"""Variables that a command gets from the server's own environment, besides the skill's parameters: SYMPOZIUM_POD marks every process of a
pod for the sweep after a crash, and a sandbox without a network says where the way out is."""

_paths = Paths()
_shell = shutil.which("bash") or shutil.which("sh") or "/bin/sh"


@tool
def execute_command(
    command: Annotated[str, "The command line, run by bash."],
    call: Call,
    workdir: Annotated[str, "Directory to run it in, in /workspace or /tmp."] = WORKSPACE,
    timeout: Annotated[int, "Seconds after which it is ended, at most 120."] = TIMEOUT,
) -> Outcome:
    """Run a shell command in the workspace. Gives its output and exit code. Each command runs in a fresh shell; processes left in the background end with it."""
    # A command that the policy has judged by its words comes with them, and no shell sees it: what was judged is what runs.
    if "\0" in command or not command.strip():
        raise BadArguments("the argument 'command' is empty or holds a NUL; give one command line")
    if not 1 <= timeout <= LONGEST:
        raise BadArguments(f"the argument 'timeout' must be 1 to {LONGEST} seconds, is {timeout}")
    try:
        directory = _paths.directory(workdir)
    except ValueError as error:
        raise BadArguments(str(error)) from error
    if not os.path.isdir(directory):
        raise BadArguments(f"there is no directory {workdir}")
    words = [_paths.to_real(word) for word in call.argv] or [_shell, "-c", _paths.to_real(command)]
    try:
        done = run_command(Command(words, directory, environment(), timeout), call)
    except (FileNotFoundError, PermissionError) as error:
        return Outcome(f"{words[0]}: {error.strerror}", exit_code=127 if isinstance(error, FileNotFoundError) else 126)
    outcome = outcome_of_command(done)
    return Outcome(_paths.to_shown(outcome.content), outcome.status, outcome.exit_code, outcome.truncated, outcome.artifacts)


def exec_request(request: LegacyRequest, call: Call) -> LegacyResult:
    """The same for a request in the original's form."""
    words = list(request.argv) or [_shell, "-c", _paths.to_real(request.command), _shell, *request.args]
    try:
        directory = _paths.directory(request.work_dir)
    except ValueError as error:
        return LegacyResult(request.id, 2, stderr=str(error))
    done = run_command(Command(words, directory, environment(), min(request.timeout or TIMEOUT, LONGEST), request.stdin), call)
    out, err = _paths.to_shown(done.stdout), _paths.to_shown(done.stderr)
    return LegacyResult(request.id, 124 if done.timed_out else done.exit_code, out, err, done.timed_out)


def environment() -> dict[str, str]:
    """What a command sees: nothing of this process but the marker of the pod, the language, and the skill's own parameters."""
    temporary = _paths.directory("/tmp")
    own = {name: value for name, value in os.environ.items() if name in KEPT or name.startswith("SKILL_")}
    return {"PATH": PATH, "HOME": temporary, "TMPDIR": temporary, "LANG": "C.UTF-8", "SHELL": _shell, **own}


def serve() -> None:
    Server("shell", [execute_command], legacy=exec_request).serve()
