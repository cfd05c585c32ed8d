"""Why a pod does not come up where no status says it: what its Events, or its Job's, complain of."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from sympozium_core.contracts.builtin_kinds import EVENT
from sympozium_core.contracts.cluster import Cluster

PAGE = 500
PAGES = 10
"""A namespace with more Warnings than that does not tell."""
_LONGEST = 500


async def complaints(cluster: Cluster, namespace: str, names: Collection[str]) -> dict[str, str]:
    """By the name of the Job or Pod, the newest Warning about it as ``Reason: text``. One request for all of a namespace. Raises ApiError."""
    newest: dict[str, tuple[str, str]] = {}
    token = ""
    for _ in range(PAGES):
        page = await cluster.list(EVENT, namespace, fields="type=Warning", limit=PAGE, continue_token=token)
        for event in page.items:
            about = event.get("involvedObject") or {}
            name = str(about.get("name"))
            if about.get("kind") in ("Job", "Pod") and name in names:
                newest[name] = max(newest.get(name, ("", "")), (_time(event), _text(event)))
        token = page.continue_token
        if not token:
            break
    return {name: text for name, (_, text) in newest.items()}


def _time(event: Mapping[str, Any]) -> str:
    """Comparable: RFC 3339 in UTC."""
    series = event.get("series") or {}
    times = (series.get("lastObservedTime"), event.get("lastTimestamp"), event.get("eventTime"))
    return str(next((each for each in times if each), ""))


def _text(event: Mapping[str, Any]) -> str:
    return f"{event.get('reason') or 'Warning'}: {' '.join(str(event.get('message') or '').split())}"[:_LONGEST]
