"""What one run may use: what it asks for itself, within what its policy allows; else what holds for everybody, or less."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
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


def tighter_counts(held: Limits, policy: EffectivePolicy) -> dict[str, int]:
    """The counts, by their fields, that a run under way had more of before its policy was changed to this one."""
    return {
        field: policy.limits[field]
        for field, name in _COUNTS.items()
        if field in policy.limits and policy.limits[field] < getattr(held, name)
    }


def counts_below(planned: Limits, now: Limits) -> dict[str, int]:
    """Those of `now` that are lower than planned, by their fields."""
    return {field: getattr(now, name) for field, name in _COUNTS.items() if getattr(now, name) < getattr(planned, name)}


def with_counts(limits: Limits, counts: Mapping[str, int]) -> Limits:
    """What is left of them where the counts are lower, by their fields; nothing grows."""
    lower = {name: min(getattr(limits, name), counts.get(field, getattr(limits, name))) for field, name in _COUNTS.items()}
    return replace(limits, **lower)


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
