"""What a run reaches besides the event bus: the destinations that its policy lists, with what their names stand for when it is planned.

Pods have no DNS. A name that a policy lists must not become a way to where the policy's writer did not look: whoever owns the name could let it
point anywhere. So a name opens public addresses only, and others where the policy lists their range as well; what is never asked (`address_guard`) stays
closed.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping

from sympozium_core.address_guard import NEVER, Guard, Network, within
from sympozium_core.contracts.plan import EgressRule
from sympozium_core.planning.policy import Destination, EffectivePolicy


def names_in(policy: EffectivePolicy) -> tuple[str, ...]:
    """The names that somebody has to look up before the plan is made, sorted."""
    hosts = {destination.host for destination in policy.allowed_egress}
    return tuple(sorted(host for host in hosts if _network(host) is None and "*" not in host))


def egress(policy: EffectivePolicy, addresses: Mapping[str, tuple[str, ...]]) -> tuple[tuple[EgressRule, ...], tuple[str, ...]]:
    """The rules, and a note for each destination that stays closed."""
    rules: list[EgressRule] = []
    notes: list[str] = []
    listed = tuple(network for each in policy.allowed_egress if (network := _network(each.host)) is not None)
    for destination in policy.allowed_egress:
        opened, why = _opened(destination, addresses, listed)
        if why:
            notes.append(f"policy {policy.name} lists egress to {destination.host}, which stays closed: {why}")
        if opened:
            rules.append(EgressRule(destination.host, opened, destination.port))
    return tuple(rules), tuple(notes)


def _opened(
    destination: Destination, addresses: Mapping[str, tuple[str, ...]], listed: tuple[Network, ...]
) -> tuple[tuple[str, ...], str]:
    """CIDRs, and why there are none or not all."""
    network = _network(destination.host)
    if network is not None:
        never = next((each for each in NEVER if within(network, (each,))), None)
        return ((), f"{never} is never open to a run") if never else ((str(network),), "")
    if "*" in destination.host:
        return (), "networks know no patterns of names; list each name"
    found = addresses.get(destination.host, ())
    if not found:
        return (), "the name has no address"
    guard = Guard(tuple(str(each) for each in listed))
    usable = sorted({str(ipaddress.ip_network(each)) for each in found if not guard.refusal(each)})
    if not usable:
        return (), "its addresses are not public; list their range as well to open it"
    return tuple(usable), ""


def _network(host: str) -> Network | None:
    """None for a name."""
    try:
        return ipaddress.ip_network(host.strip("[]"), strict=False)
    except ValueError:
        return None
