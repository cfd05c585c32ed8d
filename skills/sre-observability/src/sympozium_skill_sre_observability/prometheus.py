"""Questions to Prometheus, in PromQL."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from sympozium_core.sidecar.brief import brief
from sympozium_core.sidecar.calls import Call
from sympozium_core.sidecar.definition import BadArguments, tool
from sympozium_skill_sre_observability import series
from sympozium_skill_sre_observability.backend import Backend
from sympozium_skill_sre_observability.span import moment, seconds

PROMETHEUS = Backend("Prometheus", "prometheus_url", {})
POINTS = 12
QUERY = 4_000
NARROW = "aggregate (sum by, topk) or add labels"
Query = Annotated[str, "PromQL, such as topk(5, sum by (pod) (rate(container_cpu_usage_seconds_total[5m])))."]


@tool
def prometheus_query(query: Query, call: Call, ago: Annotated[str, "As it was so long ago, such as 30m."] = "") -> str:
    """What PromQL gives at one moment, now unless told otherwise; the greatest first."""
    data = PROMETHEUS.get("/api/v1/query", {"query": checked(query), "time": f"{moment(ago):.3f}"}, call)
    return table(data)


@tool
def prometheus_range(
    query: Query,
    call: Call,
    last: Annotated[str, "How far back, such as 30m, 6h or 2d."] = "1h",
    points: Annotated[int, "How many values of each series, 2 to 60."] = POINTS,
    ago: Annotated[str, "Up to when, such as 2h ago; without it, until now."] = "",
) -> str:
    """How something went: for each series least, mean, greatest and last value, and values over time (UTC). The step follows from time and points."""
    if not 2 <= points <= 60:
        raise BadArguments(f"the argument 'points' is {points}; give 2 to 60")
    span, now = seconds(last, "last"), moment(ago)
    step = max(1, round(span / (points - 1)))
    times = {"start": f"{now - step * (points - 1):.3f}", "end": f"{now:.3f}", "step": str(step)}
    data = PROMETHEUS.get("/api/v1/query_range", {"query": checked(query), **times}, call)
    return f"one value each {step} s\n{table(data)}"


@tool
def prometheus_alerts(call: Call, containing: Annotated[str, "Only alerts whose labels or words have this text."] = "") -> str:
    """Alerts that fire or are pending, since when, and what their rule says about them."""
    alerts = PROMETHEUS.get("/api/v1/alerts", {}, call)["alerts"]
    lines = [_alert(each) for each in sorted(alerts, key=lambda each: (each["state"] != "firing", each.get("activeAt") or ""))]
    found = [line for line in lines if containing.lower() in line.lower()]
    if not found:
        return f"None of {len(lines)} alerts has that text." if lines else "No alert fires, and none is pending."
    return brief(found, narrow="give a text that they contain")


@tool
def prometheus_metrics(containing: Annotated[str, "Part of the name, such as http_request."], call: Call) -> str:
    """Names of metrics that there are, with their type and what they mean. Look here before you guess one."""
    known = PROMETHEUS.get("/api/v1/metadata", {}, call)
    names = [name for name in PROMETHEUS.get("/api/v1/label/__name__/values", {}, call) if containing.lower() in name.lower()]
    lines = [f"{name} {_meaning(known, name)}".rstrip() for name in names]
    return brief(lines, narrow="give a longer part of the name") or f"No metric has {containing[:60]!r} in its name."


def checked(query: str) -> str:
    if not query.strip() or len(query) > QUERY:
        raise BadArguments(f"the argument 'query' has {len(query)} characters; give 1 to {QUERY}")
    return query


def table(data: Mapping[str, Any]) -> str:
    """Any kind of result, of Prometheus or of Loki's metric queries."""
    kind, result = data["resultType"], data["result"]
    if kind in ("scalar", "string"):
        return series.number(result[1])
    if not result:
        return "Nothing: no series has these labels in that time. prometheus_metrics tells which names there are."
    return brief((series.vector if kind == "vector" else series.matrix)(result), narrow=NARROW)


def _alert(alert: Mapping[str, Any]) -> str:
    labels = {key: value for key, value in alert["labels"].items() if key != "alertname"}
    said = alert.get("annotations") or {}
    words = said.get("summary") or said.get("description") or said.get("message") or ""
    name = alert["labels"].get("alertname", "")
    return f"{alert['state']} {name}{series.named(labels, {})} since {(alert.get('activeAt') or '')[:19]}Z: {words}".rstrip(
        ": "
    )


def _meaning(known: Mapping[str, Any], name: str) -> str:
    for stem in (name, name.removesuffix("_bucket").removesuffix("_sum").removesuffix("_count")):
        if found := known.get(stem):
            return f"({found[0].get('type')}) {found[0].get('help')}"
    return ""
