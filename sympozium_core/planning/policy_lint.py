"""What a policy says in vain: rules that never decide, tools that nobody has, templates and gates that something else overrules.

Nothing of it makes a policy invalid. Pure: reads the policy alone, so a tool of a skill or of an MCP server is only doubted where a name is
nearly that of a tool which the core knows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, NamedTuple

from sympozium_core.call_conditions.expression import condition, constant
from sympozium_core.contracts.tool_policy import STRICTNESS
from sympozium_core.names import NATIVE_TOOLS, Tool
from sympozium_core.planning.policy import GATED_TOOLS, effective_policy
from sympozium_core.resources.faults import shown
from sympozium_core.resources.paths import Path
from sympozium_core.resources.tool_names import matches

Rule = Mapping[str, Any]
"""``{tool, action, when}`` of ``toolGating.rules``."""
_RULES: Path = ("spec", "toolGating", "rules")


class Finding(NamedTuple):
    path: Path
    """In the normal form."""
    message: str
    hint: str


def findings(spec: Mapping[str, Any]) -> list[Finding]:
    """`spec` is a SympoziumPolicy's in normal form."""
    gating = spec.get("toolGating") or {}
    rules = gating.get("rules") or []
    return [
        *_never_reached(rules),
        *_never_true(rules),
        *_nearly_a_tool(rules),
        *_template(spec, gating),
        *_gates(spec, rules),
        *_fetch(spec),
    ]


def _never_reached(rules: Sequence[Rule]) -> Iterator[Finding]:
    """An earlier rule for the same tools, with no condition or with the same, is found first."""
    for index, rule in enumerate(rules):
        first = next((earlier for earlier in rules[:index] if _takes_all(earlier, rule)), None)
        if first is not None:
            only = first.get("when") and STRICTNESS[rule["action"]] > STRICTNESS[first["action"]]
            decides = "decides only where its condition cannot be told" if only else "never decides"
            yield Finding(
                (*_RULES, index),
                f"{_named(rule)} {decides}: {_named(first)} is found first for every tool that it names",
                "the first rule that names a tool counts: put the narrower one first, or remove it",
            )


def _takes_all(earlier: Rule, rule: Rule) -> bool:
    return matches(earlier["tool"], rule["tool"]) and (not earlier.get("when") or earlier.get("when") == rule.get("when"))


def _never_true(rules: Sequence[Rule]) -> Iterator[Finding]:
    """Conditions that no call can meet, or of which nothing can be told of some of the tools."""
    for index, rule in enumerate(rules):
        when, path = rule.get("when"), (*_RULES, index, "when")
        if not when:
            continue
        fails = "lets none through" if rule["action"] == "allow" else f"says {rule['action']} for every call"
        if condition(when).uses_argv and not matches(rule["tool"], Tool.EXECUTE_COMMAND):
            yield Finding(
                path,
                f"only execute_command has an argv, so the rule {fails}",
                "look at args, or name execute_command",
            )
        elif (always := constant(when)) is not None:
            yield Finding(
                path,
                f"is {str(always).lower()} whatever the call is",
                "look at args, argv, annotations, tool or server, or leave it out",
            )
        native = [str(tool) for tool in NATIVE_TOOLS if matches(rule["tool"], tool)]
        if native:
            yield Finding(
                path,
                f"cannot bind {', '.join(native)}, which run in the agent's own container: for them the rule {fails}",
                "give these tools a rule without a condition before it",
            )


def _nearly_a_tool(rules: Sequence[Rule]) -> Iterator[Finding]:
    known = [str(tool) for tool in Tool]
    for index, rule in enumerate(rules):
        tool = rule["tool"]
        if tool not in known and (near := get_close_matches(tool, known, 1, 0.85)):
            yield Finding((*_RULES, index, "tool"), f"{tool} is no tool of the core", f"did you mean {near[0]}?")


def _template(spec: Mapping[str, Any], gating: Mapping[str, Any]) -> Iterator[Finding]:
    action = gating.get("defaultAction")
    if spec.get("template") == "Restrictive" and action in ("allow", "ask"):
        yield Finding(
            ("spec", "toolGating", "defaultAction"),
            f"{action} takes the place of the template's deny, for every tool that no rule names",
            "leave it out, and list what is allowed",
        )


def _gates(spec: Mapping[str, Any], rules: Sequence[Rule]) -> Iterator[Finding]:
    closed = [gate for gate, is_open in (spec.get("featureGates") or {}).items() if not is_open]
    for gate in closed:
        for tool in GATED_TOOLS.get(gate, ()):
            first = next((rule for rule in _reached(rules, tool) if rule["action"] != "deny"), None)
            if first is not None:
                yield Finding(
                    ("spec", "featureGates", gate),
                    f"is off, but {_named(first)} is found first for {tool}",
                    f"remove that rule, or put deny for {tool} before it",
                )


def _reached(rules: Sequence[Rule], tool: str) -> Iterator[Rule]:
    """Those that can decide on a call of the tool, in order."""
    for rule in rules:
        if matches(rule["tool"], tool):
            yield rule
            if not rule.get("when"):
                return


def _fetch(spec: Mapping[str, Any]) -> Iterator[Finding]:
    listed = (spec.get("networkPolicy") or {}).get("fetch") or {}
    decided = effective_policy("this one", spec).tools.decide(Tool.FETCH_URL)
    if listed and decided.action == "deny":
        yield Finding(
            ("spec", "networkPolicy", "fetch"),
            f"is in vain: {decided.because}",
            f"let {Tool.FETCH_URL} be called, or leave it out",
        )


def _named(rule: Rule) -> str:
    return f"the rule {rule['tool']}: {rule['action']}" + (f" when {shown(rule['when'])}" if rule.get("when") else "")
