"""What one run may use: what it asks for itself, within what its policy allows; else what holds for everybody, or less."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from math import inf
from typing import Any

from sympozium_core.contracts.plan import Limits
from sympozium_core.errors import Cause
from sympozium_core.planning.inputs import default_of
from sympozium_core.planning.policy import EffectivePolicy
from sympozium_core.resources import durations

_COUNTS: Mapping[str, str] = {
    "maxTokens": "max_tokens",
    "maxTurns": "max_turns",
    "maxToolCalls": "max_tool_calls",
    "maxFetches": "max_fetches",
}
"""Fields of ``spec.limits``, of runs and policies alike, and what they set in a plan."""
_BINDING: Mapping[str, str] = {**_COUNTS, "timeout": "timeout"}
"""What binds runs that are under way, too."""


def limits_of(run: Mapping[str, Any], instance: Mapping[str, Any], policy: EffectivePolicy) -> Limits:
    """A run that was admitted asks for no more than it may have; what it does not ask for itself is cut to that."""
    own, usual = run["spec"].get("limits") or {}, Limits()
    counts: dict[str, int] = {
        name: int(own[field]) if field in own else min(getattr(usual, name), policy.limits.get(field, getattr(usual, name)))
        for field, name in _COUNTS.items()
    }
    timeout = run["spec"].get("timeout") or default_of(instance).get("runTimeout")
    seconds = durations.seconds(timeout) if timeout else usual.timeout
    if policy.timeout:
        seconds = min(seconds, durations.seconds(policy.timeout))
    return replace(usual, timeout=seconds, **counts)


def tighter(held: Limits, policy: EffectivePolicy) -> dict[str, float]:
    """The limits, by their fields, that a run under way had more of before its policy was changed to this one; `timeout` in seconds."""
    now: dict[str, float] = {**policy.limits, **({"timeout": durations.seconds(policy.timeout)} if policy.timeout else {})}
    return {field: now[field] for field, name in _BINDING.items() if field in now and now[field] < getattr(held, name)}


def below(planned: Limits, now: Limits) -> dict[str, float]:
    """Those of `now` that are lower than planned, by their fields."""
    return {field: getattr(now, name) for field, name in _BINDING.items() if getattr(now, name) < getattr(planned, name)}


def lowered(limits: Limits, told: Mapping[str, float]) -> Limits:
    """What is left of them where those told, by their fields, are lower; nothing grows."""
    return replace(limits, **{name: min(getattr(limits, name), told.get(field, inf)) for field, name in _BINDING.items()})


def limit_faults(run: Mapping[str, Any], policy: EffectivePolicy) -> list[Cause]:
    """What a run asks for itself and may not have."""
    spec = run["spec"]
    wanted = spec.get("limits") or {}
    found = [
        Cause(f"spec.limits.{field}", f"{wanted[field]} is more than policy {policy.name} allows", f"at most {most}")
        for field, most in policy.limits.items()
        if wanted.get(field) is not None and wanted[field] > most
    ]
    timeout = spec.get("timeout")
    if timeout and policy.timeout and durations.seconds(timeout) > durations.seconds(policy.timeout):
        found.append(
            Cause("spec.timeout", f"{timeout} is longer than policy {policy.name} allows", f"at most {policy.timeout}")
        )
    return found
