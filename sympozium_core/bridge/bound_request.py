"""What the bridge makes of a call before it goes on: the words that it has to be run with, and what the journal says of the decision. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sympozium_core.contracts.tool_policy import ToolRule
from sympozium_core.ipc.protocol import ToolRequest

MAX_SHOWN = 2048
"""Bytes, as JSON, of a refused call's arguments that go on record; of longer ones only their size does."""


def bound(request: ToolRequest, argv: tuple[str, ...]) -> ToolRequest:
    """The bridge's own copy of the request. `argv` is never the agent's: without one the command is the line that was decided on, with one the
    words are, also for a tool server that knows nothing of `argv` and has a shell read the line."""
    if not argv:
        return replace(request, argv=())
    from sympozium_core.call_conditions.argv import command_of

    return replace(request, argv=argv, arguments={**request.arguments, "command": command_of(argv)})


def rule_entry(rule: ToolRule) -> dict[str, Any]:
    """By which rule a call was made, for the journal; what decided was a default where `tool` is ``*`` and nothing else is said."""
    said = {"tool": rule.tool, "action": rule.action, **({"when": rule.when} if rule.when else {})}
    return {"rule": said, "because": rule.because}


def shown_arguments(arguments: Mapping[str, Any]) -> Mapping[str, Any]:
    size = len(json.dumps(dict(arguments)).encode())
    return dict(arguments) if size <= MAX_SHOWN else {"": f"{size} bytes"}
