"""What becomes of a tool call: the run's policy first, then the hooks that the plan names. No hook, no pluggy."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from sympozium_core.contracts.plan import ToolPolicy, ToolRule
from sympozium_core.errors import Permanent

if TYPE_CHECKING:
    from sympozium_core.hooks import ToolCall, Veto


def decided(policy: ToolPolicy, tool: str) -> ToolRule:
    """The policy's decision; of a denial `because` is what the agent is told."""
    decision = policy.decide(tool)
    if decision.action != "deny":
        return decision
    return replace(decision, because=f"{tool} is denied by policy" + (f": {decision.because}" if decision.because else ""))


class CallReview:
    """Policy and hooks of one run."""

    def __init__(self, policy: ToolPolicy, hooks: Sequence[str] = ()) -> None:
        """`hooks` are entry points (``module:attribute`` or ``module``) as the plan names them; one that cannot be loaded raises Permanent:
        a gate that is missing is no gate."""
        self.policy = policy
        self._veto = _gate(hooks) if hooks else None

    def decision(self, call: Callable[[], ToolCall], tool: str) -> ToolRule:
        """Whether the call may run, runs when a person approves, or is denied: `because` then says it to the agent. `call` is made only when a
        hook wants to see it; no hook is asked about what the policy denies, and each may deny what a person would be asked about."""
        decision = decided(self.policy, tool)
        if decision.action == "deny" or self._veto is None:
            return decision
        veto = self._veto(call())
        return decision if veto is None else ToolRule(tool, "deny", veto.because)


def _gate(entries: Sequence[str]) -> Callable[[ToolCall], Veto | None] | None:
    """Asks the hooks in the order of their entry points; None when none of them looks at tool calls."""
    from sympozium_core.registry.calls import veto_tool_call
    from sympozium_core.registry.relay import Source, load_relay

    relay = load_relay(Source(entry, entry) for entry in entries)
    if relay.failures:
        faults = "; ".join(f"{failure.plugin!r}: {failure.message}" for failure in relay.failures)
        raise Permanent(f"a bridge hook cannot be loaded: {faults}", hint="see `sympozium plugins list --check`")
    return partial(veto_tool_call, relay) if relay.implements("sympozium_tool_call") else None
