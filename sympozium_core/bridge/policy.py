"""Whether a tool call may run: the run's policy first, then the hooks that the plan names. No hook, no pluggy."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from sympozium_core.contracts.plan import ToolPolicy
from sympozium_core.errors import Permanent

if TYPE_CHECKING:
    from sympozium_core.hooks import ToolCall

NEEDS_APPROVAL = "needs approval; approvals are not available in this version, so it is denied"

logger = logging.getLogger(__name__)

Hook = tuple[str, Callable[..., Any]]
"""Plugin's name, and its `sympozium_tool_call`."""


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
        self._hooks = [hook for name in sorted(hooks) for hook in _load(name)]

    def denial(self, call: Callable[[], ToolCall], tool: str) -> str:
        """Why the call may not run; empty when it may. `call` is made only when a hook wants to see it."""
        because = denial(self.policy, tool)
        if because or not self._hooks:
            return because
        seen = call()
        for name, hook in self._hooks:
            try:
                veto = hook(call=seen)
                because = veto.because if veto is not None else ""
            except Exception:
                logger.exception("hook of %s failed", name)
                return f"the hook of {name} failed, and a gate that fails is closed"
            if veto is not None:
                return f"{name}: {because}"
        return ""


def _load(entry: str) -> list[Hook]:
    import pluggy

    from sympozium_core import hooks

    module, _, attribute = entry.partition(":")
    try:
        plugin: Any = importlib.import_module(module)
        for part in filter(None, attribute.split(".")):
            plugin = getattr(plugin, part)
        relay = pluggy.PluginManager(hooks.PROJECT)
        relay.add_hookspecs(hooks)
        relay.register(plugin, name=entry)
        relay.check_pending()
    except Exception as error:
        raise Permanent(
            f"bridge hook {entry!r} cannot be loaded: {type(error).__name__}: {error}",
            hint="see `sympozium plugins list --check`",
        ) from error
    called = relay.hook.sympozium_tool_call
    if not called.get_hookimpls():
        return []

    def ask(**arguments: Any) -> Any:
        return next(iter(called(**arguments)), None)

    return [(entry, ask)]
