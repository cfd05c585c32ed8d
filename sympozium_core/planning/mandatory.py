"""Several policies for one run: the one that its instance names, and those that are mandatory in its namespace. What one refuses is refused."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import reduce

from sympozium_core.address_guard import common
from sympozium_core.planning.approvals import strictest
from sympozium_core.planning.policy import Destination, EffectivePolicy
from sympozium_core.resources import durations, quantities


def both(named: EffectivePolicy, mandatory: Sequence[EffectivePolicy]) -> EffectivePolicy:
    """What holds where all of them do, under the name of the first."""
    if not mandatory:
        return named
    parts = (named, *mandatory)
    classes = _common(part.allowed_runtime_classes for part in parts)
    return replace(
        named,
        parts=parts,
        tools=replace(named.tools, narrowed_by=(*named.tools.narrowed_by, *(part.tools for part in mandatory))),
        isolation_required=any(part.isolation_required for part in parts),
        runtime_class_required=any(part.runtime_class_required for part in parts),
        runtime_class=next((part.runtime_class for part in parts if _may(part.runtime_class, classes)), ""),
        allowed_runtime_classes=classes,
        denied_resources=tuple(dict.fromkeys(each for part in parts for each in part.denied_resources)),
        max_depth=_least(part.max_depth for part in parts),
        max_concurrent=_least(part.max_concurrent for part in parts),
        max_cpu=_smallest((part.max_cpu for part in parts), quantities.amount),
        max_memory=_smallest((part.max_memory for part in parts), quantities.amount),
        limits={
            field: min(part.limits[field] for part in parts if field in part.limits)
            for field in {field for part in parts for field in part.limits}
        },
        approvals=strictest(parts),
        timeout=_smallest((part.timeout for part in parts), durations.seconds),
        allowed_egress=tuple(
            destination
            for destination in named.allowed_egress
            if all(_lets(part, destination) for part in mandatory if part.network_limited)
        ),
        fetch=replace(named.fetch, narrowed_by=tuple(part.fetch for part in mandatory)),
        fetch_private=_open_to_all(part.fetch_private for part in parts),
        model_private=_open_to_all(part.model_private for part in parts),
        mcp_private=_open_to_all(part.mcp_private for part in parts),
        network_open=all(part.network_open for part in parts if part is named or part.network_limited),
        host_mounts=all(part.host_mounts for part in parts),
        host_access=tuple(
            skill
            for skill in named.host_access
            if all(skill in part.host_access for part in mandatory if part.host_access_said)
        ),
    )


def parts_of(policy: EffectivePolicy) -> tuple[EffectivePolicy, ...]:
    """The policies that each have a say."""
    return policy.parts or (policy,)


def _common(lists: Iterable[tuple[str, ...] | None]) -> tuple[str, ...] | None:
    given = [each for each in lists if each is not None]
    return tuple(each for each in given[0] if all(each in other for other in given)) if given else None


def _open_to_all(lists: Iterable[tuple[str, ...] | None]) -> tuple[str, ...] | None:
    """`lists` begins with that of the named policy: what it does not open, nobody else does."""
    named, *others = lists
    return reduce(common, (each for each in others if each is not None), named or ())


def _may(runtime_class: str, allowed: tuple[str, ...] | None) -> bool:
    return bool(runtime_class) and (allowed is None or runtime_class in allowed)


def _least(values: Iterable[int | None]) -> int | None:
    return min((value for value in values if value is not None), default=None)


def _smallest(values: Iterable[str], size: Callable[[str], object]) -> str:
    return min((value for value in values if value), key=size, default="")  # type: ignore[arg-type]  # sizes are numbers


def _lets(policy: EffectivePolicy, destination: Destination) -> bool:
    return any(
        (each.port is None or each.port == destination.port) and _covers(each.host, destination.host)
        for each in policy.allowed_egress
    )


def _covers(wide: str, narrow: str) -> bool:
    """Whether a host that a policy lists has the other in it: the same name, or a range of addresses that lies within it."""
    if wide == narrow:
        return True
    try:
        outer, inner = ipaddress.ip_network(wide), ipaddress.ip_network(narrow)
    except ValueError:
        return False
    return outer.version == inner.version and int(outer[0]) <= int(inner[0]) and int(inner[-1]) <= int(outer[-1])
