"""Series of numbers as tables that a model reads: labels that all have in common once, numbers with few digits."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from typing import Any

Labels = Mapping[str, str]


def common(series: Sequence[Labels]) -> dict[str, str]:
    """The labels that all of them have with one value, where there are several series."""
    if len(series) < 2:
        return {}
    first = series[0]
    return {key: value for key, value in first.items() if key != "__name__" and all(one.get(key) == value for one in series)}


def named(labels: Labels, without: Mapping[str, str]) -> str:
    """``up{job="web"}``."""
    inner = ",".join(f'{key}="{value}"' for key, value in sorted(labels.items()) if key != "__name__" and key not in without)
    return f"{labels.get('__name__', '')}{{{inner}}}" if inner else labels.get("__name__", "{}")


def number(text: Any) -> str:
    """Six digits are enough to judge by."""
    try:
        value = float(text)
    except (TypeError, ValueError):
        return str(text)
    return f"{value:.6g}" if math.isfinite(value) else str(text)


def clock(seconds: float, *, day: bool) -> str:
    return time.strftime("%m-%d %H:%M:%S" if day else "%H:%M:%S", time.gmtime(seconds))


def vector(result: Sequence[Mapping[str, Any]]) -> list[str]:
    """One line a series, the greatest first."""
    shared = common([each["metric"] for each in result])
    lines = [f"all with {named(shared, {})}"] if shared else []
    ordered = sorted(result, key=lambda each: -_sortable(each["value"][1]))
    return [*lines, *(f"{named(each['metric'], shared)} {number(each['value'][1])}" for each in ordered)]


def matrix(result: Sequence[Mapping[str, Any]]) -> list[str]:
    """For each series: least, mean, greatest and last; then its values by time, where there are few series."""
    shared = common([each["metric"] for each in result])
    lines = [f"all with {named(shared, {})}"] if shared else []
    ordered = sorted(result, key=lambda each: -max((_sortable(value) for _, value in each["values"]), default=0.0))
    for each in ordered:
        values = [found for _, value in each["values"] if (found := _finite(value)) is not None]
        if not values:
            continue
        mean = sum(values) / len(values)
        least, most = number(min(values)), number(max(values))
        lines.append(f"{named(each['metric'], shared)} min {least}, mean {number(mean)}, max {most}, last {number(values[-1])}")
        lines.append("  " + "  ".join(_points(each["values"])))
    return lines


def _points(values: Sequence[Sequence[Any]]) -> list[str]:
    day = bool(values) and float(values[-1][0]) - float(values[0][0]) > 86_000
    return [f"{clock(float(at), day=day)}={number(value)}" for at, value in values]


def _sortable(text: Any) -> float:
    return _finite(text) or 0.0


def _finite(text: Any) -> float | None:
    """None for what is no number, NaN and infinity among them."""
    try:
        value = float(text)
    except (TypeError, ValueError):
        return None
    return value if math.isfinite(value) else None
