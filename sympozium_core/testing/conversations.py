"""Shorthand for what a scripted model says, and for what it was told: one conversation is a list of answers."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

from sympozium_core.testing.servers.host import Seen, StrictServer
from sympozium_core.testing.servers.script import Answer, Conversation, Script, ToolCall


def call(tool: str, **arguments: Any) -> ToolCall:
    return ToolCall(tool, json.dumps(arguments))


def command(line: str, **arguments: Any) -> ToolCall:
    return call("execute_command", command=line, **arguments)


def turns(*answers: Answer) -> Script:
    """One conversation for every run."""
    return Script((Conversation(answers),))


def results(seen: Seen) -> list[str]:
    """The results of tools in a request, oldest first."""
    return [str(message["content"]) for message in seen.body["messages"] if message["role"] == "tool"]


def told(model: StrictServer) -> str:
    """The newest tool result in the newest request. Raises AssertionError when there is none."""
    found = results(model.requests[-1])
    assert found, f"the model was told no result: {model.requests[-1].body['messages']}"
    return found[-1]


def asked(model: StrictServer) -> Counter[int]:
    """How often each turn of a conversation was asked for, by its number from 0: the answers that stood before it."""
    return Counter(sum(message["role"] == "assistant" for message in seen.body["messages"]) for seen in model.requests)
