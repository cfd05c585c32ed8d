"""Questions to Loki, in LogQL."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from typing import Annotated, Any

from sympozium_core.sidecar.brief import brief
from sympozium_core.sidecar.calls import Call
from sympozium_core.sidecar.definition import BadArguments, tool
from sympozium_skill_sre_observability import series
from sympozium_skill_sre_observability.backend import Backend
from sympozium_skill_sre_observability.prometheus import checked, table
from sympozium_skill_sre_observability.span import moment, seconds

LINES = 500


def backend() -> Backend:
    tenant = os.environ.get("SKILL_LOKI_TENANT", "")
    return Backend("Loki", "loki_url", {"X-Scope-OrgID": tenant} if tenant else {})


@tool
def loki_query(
    query: Annotated[
        str, 'LogQL, such as {namespace="payments"} |= "error", or sum by (pod) (count_over_time({app="web"}[5m])).'
    ],
    call: Call,
    last: Annotated[str, "How far back, such as 15m or 6h."] = "1h",
    lines: Annotated[int, "How many of the newest lines, 1 to 500."] = 50,
    ago: Annotated[str, "Up to when, such as 2h ago; without it, until now."] = "",
) -> str:
    """Log lines that fit, the newest last, with their time (UTC); or, for a query that counts, its numbers over time."""
    if not 1 <= lines <= LINES:
        raise BadArguments(f"the argument 'lines' is {lines}; give 1 to {LINES}")
    span, now = seconds(last, "last"), moment(ago)
    times = {"start": f"{int((now - span) * 1e9)}", "end": f"{int(now * 1e9)}", "step": f"{max(1, span // 12)}s"}
    query = checked(query)
    data = backend().get(
        "/loki/api/v1/query_range", {"query": query, "limit": str(lines), "direction": "backward", **times}, call
    )
    if data["resultType"] != "streams":
        return table(data)
    found = _lines(data["result"], day=span > 86_000)
    if not found:
        return f"No line of the last {last} fits. loki_labels tells which labels there are."
    narrow = "narrow it with |= or a shorter time"
    return brief(
        [*found, *([f"[{lines} lines were asked for; there may be more: {narrow}]"] if _full(data, lines) else [])],
        narrow=narrow,
        keep="tail",
    )


@tool
def loki_labels(
    call: Call,
    label: Annotated[str, "Its values; without it, the names of all labels."] = "",
    last: Annotated[str, "How far back, such as 6h."] = "6h",
) -> str:
    """Which labels logs have, or which values one of them has. Look here before you guess one."""
    if label and not label.replace("_", "a").isalnum():
        raise BadArguments(f"the argument 'label' is {label[:60]!r}; give the name of a label, such as namespace")
    now = time.time()
    times = {"start": f"{int((now - seconds(last, 'last')) * 1e9)}", "end": f"{int(now * 1e9)}"}
    path = f"/loki/api/v1/label/{label}/values" if label else "/loki/api/v1/labels"
    found = backend().get(path, times, call) or []
    return brief(found, narrow="ask about a shorter time") or f"There are none in the last {last}."


def _lines(streams: list[Mapping[str, Any]], *, day: bool) -> list[str]:
    """Of all streams, by time; their labels once where they differ."""
    shared = series.common([each["stream"] for each in streams])
    entries = sorted(
        (int(at), series.named(each["stream"], shared), text) for each in streams for at, text, *_ in each["values"]
    )
    several = len(streams) > 1
    head = [f"all from {series.named(shared if several else streams[0]['stream'], {})}"] if streams else []
    if several and not shared:
        head = []
    return [
        *head,
        *(f"{series.clock(at / 1e9, day=day)} {f'{labels} ' if several else ''}{text}" for at, labels, text in entries),
    ]


def _full(data: Mapping[str, Any], lines: int) -> bool:
    return sum(len(each["values"]) for each in data["result"]) >= lines
