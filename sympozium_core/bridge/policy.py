"""Whether a tool call may run: the run's policy first, then the hooks that the plan names. No hook, no pluggy."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from sympozium_core.contracts.plan import ToolPolicy
from sympozium_core.errors import Permanent

if TYPE_CHECKING:
    from sympozium_core.hooks import ToolCall, Veto

NEEDS_APPROVAL = "needs approval; approvals are not available in this version, so it is denied"


def denial(policy: ToolPolicy, tool: str) -> str:
    """Why the policy does not let this tool run; empty when it does."""
    decision = policy.decide(tool)
    if decision.action == "allow":
        return ""
    if decision.action == "ask":
        return f"{tool} {NEEDS_APPROVAL}" + (f" ({decision.because})" if decision.because else "")
    return f"{tool} is denied by policy" + (f": {decision.because}" if decision.because else "")


class CallReview:
    """Policy and hooks of one run."""

    def __init__(self, policy: ToolPolicy, hooks: Sequence[str] = ()) -> None:
        """`hooks` are entry points (``module:attribute`` or ``module``) as the plan names them; one that cannot be loaded raises Permanent:
        a gate that is missing is no gate."""
        self.policy = policy
        self._veto = _gate(hooks) if hooks else None

    def denial(self, call: Callable[[], ToolCall], tool: str) -> str:
        """Why the call may not run; empty when it may. `call` is made only when a hook wants to see it."""
        because = denial(self.policy, tool)
        if because or self._veto is None:
            return because
        veto = self._veto(call())
        return veto.because if veto is not None else ""


def _gate(entries: Sequence[str]) -> Callable[[ToolCall], Veto | None] | None:
    """Asks the hooks in the order of their entry points; None when none of them looks at tool calls."""
    from sympozium_core.registry.calls import veto_tool_call
    from sympozium_core.registry.relay import Source, load_relay

    relay = load_relay(Source(entry, entry) for entry in entries)
    if relay.failures:
        faults = "; ".join(f"{failure.plugin!r}: {failure.message}" for failure in relay.failures)
        raise Permanent(f"a bridge hook cannot be loaded: {faults}", hint="see `sympozium plugins list --check`")
    return partial(veto_tool_call, relay) if relay.implements("sympozium_tool_call") else None
