"""What a policy decides, in tables: of tools, of calls that somebody asks about, and of calls that a run has made."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from sympozium_core.cli.output import print_rows
from sympozium_core.cli.printable import printable

if TYPE_CHECKING:
    from sympozium_core.call_conditions.examined import ExaminedCall
    from sympozium_core.contracts.tool_policy import ToolPolicy, ToolRule

LONGEST = 100
"""Characters of a call's arguments that a row shows."""
_CALL = re.compile(r"(?P<tool>[^@=]+)(?:@(?P<server>[^@=]+))?(?:=(?P<arguments>.*))?", re.DOTALL)


class AskedCall(NamedTuple):
    tool: str
    server: str
    arguments: Mapping[str, Any] | None
    """None: it is asked about the tool."""
    annotations: Mapping[str, bool] | None = None
    """Of a tool of an MCP server."""


def asked_call(text: str) -> AskedCall:
    """Reads ``TOOL[@SERVER[+HINT…]][=ARGUMENTS]``. Raises BadRequest."""
    from sympozium_core.contracts.cluster import BadRequest

    example = """such as execute_command='{"command": "kubectl get pods"}'"""
    found = _CALL.fullmatch(text)
    if found is None:
        raise BadRequest(f"--call {text!r} names no tool", hint=example)
    server, *hints = (found["server"] or "").split("+")
    annotations = _annotations(text, server, hints)
    if found["arguments"] is None:
        return AskedCall(found["tool"], server, None, annotations)
    try:
        arguments = json.loads(found["arguments"])
    except ValueError as error:
        raise BadRequest(f"--call {found['tool']}: the arguments are no JSON: {error}", hint=example) from None
    if not isinstance(arguments, dict):
        raise BadRequest(f"--call {found['tool']}: the arguments are no object", hint=example)
    return AskedCall(found["tool"], server, arguments, annotations)


def _annotations(text: str, server: str, hints: Sequence[str]) -> Mapping[str, bool] | None:
    """Of a tool of the server ``mcp``: what MCP takes for granted, or the hints that are listed and no others."""
    from sympozium_core.contracts.cluster import BadRequest
    from sympozium_core.contracts.mcp import Annotations
    from sympozium_core.names import MCP_SERVER

    usual = Annotations().facts()
    if server != MCP_SERVER:
        if hints:
            raise BadRequest(
                f"--call {text!r}: hints are of tools of MCP servers", hint=f"such as gh_get@{MCP_SERVER}+readOnly"
            )
        return None
    if unknown := [hint for hint in hints if hint not in usual]:
        raise BadRequest(f"--call {text!r}: {unknown[0]!r} is no hint of MCP", hint=f"there are {', '.join(usual)}")
    return {name: name in hints for name in usual} if hints else usual


def print_tools(tools: ToolPolicy) -> None:
    """Each tool with its decision; where arguments count, with each rule that may decide."""
    rows = []
    for name in _known_tools(tools):
        for number, rule in enumerate(_deciding(tools, name)):
            rows.append(["" if number else printable(name), rule.action, printable(rule.because)])
    print_rows(["TOOL", "DECISION", "BECAUSE"], rows)


def print_calls(tools: ToolPolicy, calls: Sequence[AskedCall]) -> bool:
    """Whether all of them are allowed. Of a tool without arguments the most that a call can get counts."""
    from sympozium_core.contracts.tool_policy import UntoldCall
    from sympozium_core.names import NATIVE_TOOLS

    rows, allowed = [], True
    for asked in calls:
        native = asked.tool in NATIVE_TOOLS and not asked.server
        call = _examined(asked) if asked.arguments is not None and not native else None
        rule = tools.decide(asked.tool, UntoldCall() if native else call)
        allowed = allowed and rule.action == "allow"
        said = [rule.because]
        if call is not None and rule.action != "allow":
            said.append(call.hint(tools))
        elif call is not None and call.bound_argv(tools):
            said.append("run without a shell")
        rows.append([printable(_shown(asked.tool, asked.arguments)), rule.action, printable("; ".join(filter(None, said)))])
    print_rows(["TOOL", "DECISION", "BECAUSE"], rows)
    return allowed


def print_made(entries: Sequence[Mapping[str, Any]]) -> None:
    """The calls of a run by its journal: what was decided of each, by which rule, of which arguments, and how it ended."""
    ends = {entry.get("call"): entry for entry in entries if entry.get("type") == "tool.result"}
    calls = _in_order(entries)
    if not calls:
        return
    print()
    rows = [
        [
            printable(_shown(str(entry.get("tool")), entry.get("arguments"))),
            _outcome(entry, ends.get(entry.get("call"))),
            printable(str(entry.get("because") or "")),
        ]
        for entry in calls
    ]
    print_rows(["CALL", "OUTCOME", "BECAUSE"], rows)


def _in_order(entries: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """What was asked for and what was denied, as the model asked for it: the calls of one answer go on record as they are decided."""
    found: list[Mapping[str, Any]] = []
    place: dict[Any, int] = {}
    begun = 0
    for entry in entries:
        if entry.get("type") == "model.answer":
            asked = (entry.get("message") or {}).get("tool_calls") or []
            place, begun = {each.get("id"): number for number, each in enumerate(asked)}, len(found)
        elif entry.get("type") in ("tool.requested", "tool.denied"):
            found.append(entry)
            found[begun:] = sorted(found[begun:], key=lambda each: place.get(each.get("call"), len(place)))
    return found


def _outcome(entry: Mapping[str, Any], end: Mapping[str, Any] | None) -> str:
    if entry["type"] == "tool.denied":
        return "denied"
    if end is None:
        return "made"
    code = end.get("exitCode")
    return printable(f"made, {end.get('status')}" + (f", exit code {code}" if code else ""))


def _shown(tool: str, arguments: Any) -> str:
    if not arguments:
        return tool
    text = json.dumps(arguments, ensure_ascii=False)
    return f"{tool} {text if len(text) <= LONGEST else text[: LONGEST - 1] + '…'}"


def _examined(asked: AskedCall) -> ExaminedCall:
    from sympozium_core.call_conditions.examined import ExaminedCall

    return ExaminedCall(asked.tool, asked.server, asked.arguments or {}, asked.annotations)


def _deciding(tools: ToolPolicy, name: str) -> list[ToolRule]:
    from sympozium_core.contracts.tool_policy import UntoldCall
    from sympozium_core.names import NATIVE_TOOLS

    if name in NATIVE_TOOLS:
        return [tools.decide(name, UntoldCall())]
    reached = [part.reached(name) for part in tools.all_parts()]
    if all(len(rules) == 1 for rules in reached):
        return [tools.decide(name)]
    return [rule for rules in reached for rule in rules if rule.because]


def _known_tools(tools: ToolPolicy) -> list[str]:
    """Those of the core, and what else the rules call by its name."""
    from sympozium_core.names import Tool

    named = [rule.tool for policy in tools.all_parts() for rule in policy.rules if not set(rule.tool) & set("*?")]
    return list(dict.fromkeys((*map(str, Tool), *named)))
