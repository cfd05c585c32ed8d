"""What becomes of a tool call: the run's policy first, then the hooks that the plan names. No hook, no pluggy; no condition, no CEL."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from sympozium_core.contracts.mcp import McpServer, annotations_of
from sympozium_core.contracts.tool_policy import ToolPolicy, ToolRule
from sympozium_core.errors import Permanent
from sympozium_core.names import MCP_SERVER

if TYPE_CHECKING:
    from sympozium_core.call_conditions.examined import ExaminedCall
    from sympozium_core.hooks import ToolCall, Veto


def decided(policy: ToolPolicy, tool: str, call: ExaminedCall | None = None) -> ToolRule:
    """The policy's decision; of a denial `because` is what the agent is told."""
    decision = policy.decide(tool, call)
    if decision.action != "deny":
        return decision
    said = [f"{tool} is denied by policy", decision.because, call.hint(policy) if call else ""]
    return replace(decision, because=": ".join(filter(None, said)))


class CallReview:
    """Policy and hooks of one run. A policy that was tightened holds from the next decision on."""

    def __init__(self, policy: ToolPolicy, hooks: Sequence[str] = (), mcp: Sequence[McpServer] = ()) -> None:
        """`mcp` are the run's MCP servers, of whose tools the annotations are known. `hooks` are entry points (``module:attribute`` or ``module``) as the plan names them; one that cannot be loaded raises Permanent:
        a gate that is missing is no gate."""
        self.policy = policy
        self.max_calls = 2**31 - 1
        """Tool calls that the run may make, where that was tightened."""
        self._conditional = policy.conditional
        self._mcp = mcp
        self._veto = _gate(hooks) if hooks else None

    def narrow(self, policy: ToolPolicy) -> bool:
        """`policy` holds besides what held until now: whatever the bridge is told, nothing becomes wider. Whether that is news."""
        before = self.policy
        self.policy = replace(before, narrowed_by=(*before.narrowed_by, *_beyond(policy, before)))
        self._conditional = self.policy.conditional
        return self.policy != before

    def decision(self, call: Callable[[], ToolCall], tool: str) -> ToolRule:
        """Whether the call may run, runs when a person approves, or is denied: `because` then says it to the agent. `call` is made only when a
        condition or a hook wants to see it; no hook is asked about what the policy denies, and each may deny what a person would be asked about."""
        decision = decided(self.policy, tool, self._examined(call()) if self._conditional else None)
        if decision.action == "deny" or self._veto is None:
            return decision
        veto = self._veto(call())
        return decision if veto is None else ToolRule(tool, "deny", veto.because)

    def bound_argv(self, call: Callable[[], ToolCall]) -> tuple[str, ...]:
        """The words that an allowed call has to run with, without a shell; empty where it is to run as it is written."""
        return self._examined(call()).bound_argv(self.policy) if self._conditional else ()

    def _examined(self, call: ToolCall) -> ExaminedCall:
        """CEL comes with it, for the runs whose policies have conditions."""
        from sympozium_core.call_conditions.examined import ExaminedCall

        annotations = annotations_of(self._mcp, call.tool).facts() if call.server == MCP_SERVER else None
        return ExaminedCall(call.tool, call.server, call.arguments, annotations)


def _beyond(policy: ToolPolicy, held: ToolPolicy) -> tuple[ToolPolicy, ...]:
    """What of `policy` does not hold already: the control plane says all of it again each time."""
    known = [replace(part, narrowed_by=()) for part in held.all_parts()]
    return tuple(alone for part in policy.all_parts() if (alone := replace(part, narrowed_by=())) not in known)


def _gate(entries: Sequence[str]) -> Callable[[ToolCall], Veto | None] | None:
    """Asks the hooks in the order of their entry points; None when none of them looks at tool calls."""
    from sympozium_core.registry.calls import veto_tool_call
    from sympozium_core.registry.relay import Source, load_relay

    relay = load_relay(Source(entry, entry) for entry in entries)
    if relay.failures:
        faults = "; ".join(f"{failure.plugin!r}: {failure.message}" for failure in relay.failures)
        raise Permanent(f"a bridge hook cannot be loaded: {faults}", hint="see `sympozium plugins list --check`")
    return partial(veto_tool_call, relay) if relay.implements("sympozium_tool_call") else None
