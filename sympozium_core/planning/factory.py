"""The one function that builds an AgentRun. The CLI, the API, schedules, channels, endpoints and delegation all call it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from sympozium_core import names

NAME_LIMIT = 63
"""An AgentRun's name is a label value of the objects made for it."""


def build_run(
    instance: str,
    task: str,
    *,
    namespace: str,
    source: str,
    name: str = "",
    spec: Mapping[str, Any] | None = None,
    labels: Mapping[str, str] | None = None,
    annotations: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """An AgentRun in normal form, not yet created.

    `source` says who makes it (``cli``, ``schedule``, ``channel``, …) and becomes a label. `spec` overrides what the run inherits from its
    instance when it is planned (``systemPrompt``, ``model``, ``skills``, ``toolPolicy``, ``timeout``, ``parent``); nothing is copied here, so
    that no maker of runs can forget a field. Without `name` the API server makes one from the instance's.
    """
    metadata: dict[str, Any] = {
        "namespace": namespace,
        "labels": {**(labels or {}), names.LABEL_INSTANCE: label_value(instance), names.LABEL_SOURCE: source},
    }
    if annotations:
        metadata["annotations"] = dict(annotations)
    if name:
        metadata["name"] = name
    else:
        metadata["generateName"] = f"{instance[: NAME_LIMIT - 6]}-"
    return {
        "apiVersion": names.API_VERSION,
        "kind": "AgentRun",
        "metadata": metadata,
        "spec": {**(spec or {}), "instanceRef": instance, "task": task},
    }


def label_value(name: str, *, reserve: int = 0) -> str:
    """`name` as a label value of at most 63 characters: a longer one keeps its head and a digest of the whole.

    `reserve` leaves room for as many characters more.
    """
    limit = NAME_LIMIT - reserve
    if len(name) <= limit:
        return name
    return f"{name[: limit - 9].rstrip('-.')}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"
