"""Which calls of a run wait for a person, and what then holds: of several policies the strictest of each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from sympozium_core.contracts.approvals import Approvals
from sympozium_core.contracts.tool_policy import ToolPolicy, UntoldCall
from sympozium_core.names import NATIVE_TOOLS
from sympozium_core.planning.policy import ApprovalFields, EffectivePolicy
from sympozium_core.resources import durations

USUAL = Approvals()


def approvals_of(policy: EffectivePolicy) -> Approvals:
    """Of one policy, or of what several have come to (`strictest`)."""
    given = policy.approvals
    return replace(
        USUAL,
        timeout=durations.seconds(given.timeout) if given.timeout else USUAL.timeout,
        on_timeout="allow" if given.on_timeout == "allow" else "deny",
        allow_self=given.allow_self,
    )


def strictest(parts: Sequence[EffectivePolicy]) -> ApprovalFields:
    """What holds where all of them do. A policy that asks and says nothing of how has the usual rules, and keeps them whatever another says;
    one that neither asks nor says anything has no say."""
    speaking = [part for part in parts if part.approvals != ApprovalFields() or asks(part.tools)]
    if not speaking:
        return ApprovalFields()
    decided = [approvals_of(part) for part in speaking]
    shortest = min(range(len(decided)), key=lambda index: decided[index].timeout)
    own = {each.allow_self for each in decided}
    return ApprovalFields(
        timeout=speaking[shortest].approvals.timeout,
        on_timeout="allow" if all(each.on_timeout == "allow" for each in decided) else "deny",
        allow_self=False if False in own else None if None in own else True,
    )


def asks(tools: ToolPolicy) -> bool:
    """Whether any call may have to wait."""
    return any(True for _ in _asking(tools))


def waiting_tools(tools: ToolPolicy) -> tuple[str, ...]:
    """The tools, as the policies name them, of which some call may wait for a person; ``*`` for those that no rule names."""
    return _each(pattern for pattern in _asking(tools) if _may_wait(tools, pattern) and pattern not in NATIVE_TOOLS)


def withheld_tools(tools: ToolPolicy) -> tuple[str, ...]:
    """Tools that an agent does by itself, where nobody can be asked between its call and its deed: one that needs approval is not offered."""
    return tuple(tool for tool in NATIVE_TOOLS if tools.decide(tool, UntoldCall()).action == "ask")


def _may_wait(tools: ToolPolicy, tool: str) -> bool:
    """A rule that asks can decide on a call of the tool, and not every call is denied."""
    asking = any(rule.action == "ask" for part in tools.all_parts() for rule in part.reached(tool))
    return asking and tools.decide(tool).action != "deny"


def _asking(tools: ToolPolicy) -> Iterator[str]:
    yield from (rule.tool for rule in tools.rules if rule.action == "ask")
    if tools.default == "ask":
        yield "*"
    for other in tools.narrowed_by:
        yield from _asking(other)


def _each(patterns: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(patterns))
