"""What a run reaches besides the event bus: the destinations that its policy lists, with what their names stand for when it is planned.

Pods have no DNS. A name that a policy lists must not become a way to where the policy's writer did not look: whoever owns the name could let it
point anywhere. So a name opens public addresses only, and others where the policy lists their range as well; nothing opens the node itself
or the link-local range, where clouds keep their metadata.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping

from sympozium_core.contracts.plan import EgressRule
from sympozium_core.planning.policy import Destination, EffectivePolicy

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

NEVER: tuple[Network, ...] = tuple(
    ipaddress.ip_network(text)
    for text in (
        "0.0.0.0/32",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "224.0.0.0/4",
        "::/127",
        "fe80::/10",
        "ff00::/8",
        "fd00:ec2::/32",
    )
)
"""This host, link-local (the metadata addresses of clouds, fd00:ec2:: being one of them), multicast."""


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
        never = next((each for each in NEVER if _within(network, each)), None)
        return ((), f"{never} is never open to a run") if never else ((str(network),), "")
    if "*" in destination.host:
        return (), "networks know no patterns of names; list each name"
    found = [ipaddress.ip_network(address) for address in addresses.get(destination.host, ())]
    if not found:
        return (), "the name has no address"
    usable = sorted({str(each) for each in found if _is_usable(each, listed)})
    if not usable:
        return (), "its addresses are not public; list their range as well to open it"
    return tuple(usable), ""


def _is_usable(address: Network, listed: tuple[Network, ...]) -> bool:
    if any(_within(address, each) for each in NEVER):
        return False
    return address.is_global or any(_within(address, each) for each in listed)


def _within(inner: Network, outer: Network) -> bool:
    if isinstance(inner, ipaddress.IPv4Network):
        return isinstance(outer, ipaddress.IPv4Network) and inner.subnet_of(outer)
    return isinstance(outer, ipaddress.IPv6Network) and inner.subnet_of(outer)


def _network(host: str) -> Network | None:
    """None for a name."""
    try:
        return ipaddress.ip_network(host.strip("[]"), strict=False)
    except ValueError:
        return None
