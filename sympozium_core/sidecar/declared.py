"""Serves the tools that a SkillPack declares (``sidecar.tools[]``) as commands, without a line of Python in the skill."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sympozium_core.ipc.declared import DeclaredCommand, parse_declared
from sympozium_core.ipc.fields import Fields
from sympozium_core.ipc.output import CANCELLED, TOOK_TOO_LONG, content_of
from sympozium_core.names import ENV_WORKSPACE
from sympozium_core.sidecar.calls import Call, Outcome
from sympozium_core.sidecar.command import Command, Finished, run_command
from sympozium_core.sidecar.definition import BadArguments, Handler

TIMEOUT = 120.0


def load_declared(tools: str) -> list[Handler]:
    """Handlers for the tools in JSON, ``{"tools": […]}``, or in the file of that name. Raises ProtocolError, OSError or ValueError."""
    inline = tools.lstrip().startswith("{")
    text, where = (tools, "tools") if inline else (Path(tools).read_text("utf-8"), Path(tools).name)
    fields = Fields(json.loads(text), where)
    return [declared_handler(parse_declared(item)) for item in fields.objects("tools", 128, required=True)]


def declared_handler(declared: DeclaredCommand, environment: Mapping[str, str] | None = None) -> Handler:
    """`environment` is that of the command; None means this process's own, where a skill's parameters are."""
    required: Sequence[str] = declared.parameters.get("required", [])

    def run(arguments: Mapping[str, Any], call: Call) -> Outcome:
        if missing := [name for name in required if name not in arguments]:
            raise BadArguments(f"the arguments do not fit: {', '.join(map(repr, missing))} missing")
        try:
            words, stdin = declared.command_line(arguments)
        except ValueError as error:
            raise BadArguments(str(error)) from error
        directory = os.environ.get(ENV_WORKSPACE) or "/workspace"
        given = dict(os.environ if environment is None else environment)
        command = Command(words, directory if os.path.isdir(directory) else "/", given, TIMEOUT, stdin)
        try:
            return outcome_of_command(run_command(command, call))
        except OSError as error:
            return Outcome(f"{declared.exec[0]!r} cannot be run: {error.strerror}", status="error", exit_code=127)

    return Handler(declared.definition, run, TIMEOUT)


def outcome_of_command(done: Finished) -> Outcome:
    """Standard output, and standard error under a heading of its own; the timeout of a command is the status of its call."""
    status, note = "ok", ""
    if done.timed_out:
        status, note = "timeout", TOOK_TOO_LONG
    elif done.cancelled:
        status, note = "error", CANCELLED
    content = content_of(done.stdout, done.stderr, note)
    return Outcome(content, status, done.exit_code, done.truncated, done.artifacts)
