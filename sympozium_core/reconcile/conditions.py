"""Conditions in a status, by the Kubernetes API conventions (type, status, reason, message, observedGeneration, lastTransitionTime).

https://github.com/kubernetes/community/blob/master/contributors/devel/sig-architecture/api-conventions.md#typical-status-properties
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from sympozium_core.clock import rfc3339

Status = Literal["True", "False", "Unknown"]
MAX_MESSAGE = 2048


def get_condition(status: Mapping[str, Any], type: str) -> Mapping[str, Any] | None:
    """The condition of this type, None when there is none."""
    return next((each for each in status.get("conditions") or () if each.get("type") == type), None)


def is_true(status: Mapping[str, Any], type: str) -> bool:
    condition = get_condition(status, type)
    return condition is not None and condition.get("status") == "True"


def with_condition(
    status: Mapping[str, Any],
    type: str,
    value: Status | bool,
    *,
    reason: str,
    message: str = "",
    generation: int | None = None,
    now: float,
) -> dict[str, Any]:
    """A status with this condition set; `status` is not changed. Equal to it when nothing is new.

    `reason` is one CamelCase word. `lastTransitionTime` moves only when the value does; `now` is in seconds since the epoch;
    `generation` is the `metadata.generation` that was looked at.
    """
    text = ("True" if value else "False") if isinstance(value, bool) else value
    before = get_condition(status, type)
    condition: dict[str, Any] = {"type": type, "status": text, "reason": reason, "message": message[:MAX_MESSAGE]}
    if generation is not None:
        condition["observedGeneration"] = generation
    same = before is not None and before.get("status") == text and before.get("lastTransitionTime")
    condition["lastTransitionTime"] = before["lastTransitionTime"] if before is not None and same else rfc3339(now)
    others = list(status.get("conditions") or ())
    for position, each in enumerate(others):
        if each.get("type") == type:
            others[position] = condition
            break
    else:
        others.append(condition)
    return {**status, "conditions": others}


def without_condition(status: Mapping[str, Any], type: str) -> dict[str, Any]:
    """A status without the condition; equal to `status` when it has none."""
    if get_condition(status, type) is None:
        return dict(status)
    return {**status, "conditions": [each for each in status["conditions"] if each.get("type") != type]}
