"""What a pod reaches and by which names. The core's NetworkPolicies select it by its labels; without DNS, names are entries in its hosts file."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from urllib.parse import urlsplit

from sympozium_core import names
from sympozium_core.contracts.cluster import Object
from sympozium_core.contracts.network import network_digest
from sympozium_core.contracts.plan import PodPlan


@dataclass(frozen=True)
class Bus:
    """Where bridges find the bus."""

    url: str
    addresses: tuple[str, ...] = ()
    """What its host name stands for; none for one that is an address already."""
    authority: str = ""
    """The certificate that signs the server's, PEM; empty: one that every machine knows."""

    @property
    def host(self) -> str:
        return urlsplit(self.url).hostname or ""


def labels(pod_id: str, plan: PodPlan) -> dict[str, str]:
    return {
        names.LABEL_COMPONENT: names.COMPONENT_RUN,
        names.LABEL_POD: pod_id,
        names.LABEL_NETWORK: network_digest(plan),
    }


def rendered(plan: PodPlan, bus: Bus) -> Object:
    """Part of the pod's spec."""
    # A look-up fails at once: nothing listens there.
    nowhere = {"nameservers": ["127.0.0.1"], "options": [{"name": "timeout", "value": "1"}, {"name": "attempts", "value": "1"}]}
    return {"dnsPolicy": "None", "dnsConfig": nowhere, "enableServiceLinks": False, "hostAliases": _aliases(plan, bus)}


def _aliases(plan: PodPlan, bus: Bus) -> list[Object]:
    reaches_bus = plan.network in ("bus", "api")
    known: dict[str, list[str]] = {address: [bus.host] for address in bus.addresses} if reaches_bus else {}
    for rule in plan.egress:
        for cidr in rule.cidrs:
            network = _network(cidr)
            if network is None or network.num_addresses != 1 or _network(rule.host) is not None:
                continue
            hosts = known.setdefault(str(network.network_address), [])
            if rule.host not in hosts:
                hosts.append(rule.host)
    return [{"ip": address, "hostnames": hosts} for address, hosts in known.items()]


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    """None for a name."""
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None
