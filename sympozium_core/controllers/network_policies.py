"""The NetworkPolicies of runs, pure: what the pods of one profile may reach, as Kubernetes objects.

A policy binds a whole pod: what is opened for one skill is open to every container of that pod.
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sympozium_core import names
from sympozium_core.address_guard import NEVER
from sympozium_core.contracts.builtin_kinds import NETWORK_POLICY
from sympozium_core.contracts.cluster import Object, metadata
from sympozium_core.contracts.network import network_digest
from sympozium_core.contracts.plan import EgressRule, Network, PodPlan, to_json

BASE = "sympozium-run-pods"
"""In every namespace with runs: denies all pods of runs everything, both ways; what a profile opens is added to it."""
_NATS = {"app.kubernetes.io/name": "sympozium", "app.kubernetes.io/component": names.COMPONENT_NATS}


@dataclass(frozen=True)
class BusPlace:
    """Where the event bus is: pods of a namespace, or addresses outside of the cluster."""

    port: int
    namespace: str = ""
    labels: tuple[tuple[str, str], ...] = tuple(_NATS.items())
    """Of its pods; none means every pod of the namespace."""
    cidrs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Profile:
    network: Network = "bus"
    egress: tuple[EgressRule, ...] = ()

    @classmethod
    def of(cls, pod: PodPlan) -> Profile:
        return cls(pod.network, pod.egress)

    @property
    def opens_api(self) -> bool:
        return self.network in ("api", "api-only")

    @property
    def digest(self) -> str:
        return network_digest(PodPlan((), network=self.network, egress=self.egress))

    @property
    def policy(self) -> str:
        """Name of its NetworkPolicy."""
        return policy_name(self.digest)


@dataclass(frozen=True)
class ApiServer:
    """Addresses and ports of the API server, as an EndpointSlice groups them."""

    cidrs: tuple[str, ...]
    ports: tuple[int, ...]


def policy_name(digest: str) -> str:
    return f"sympozium-{digest}"


def api_servers(slices: Iterable[Mapping[str, Any]]) -> tuple[ApiServer, ...]:
    """From the EndpointSlices of the Service ``kubernetes``, in an order that does not depend on theirs."""
    found = []
    for each in slices:
        cidrs = sorted(
            {_cidr(address) for endpoint in each.get("endpoints") or () for address in endpoint.get("addresses") or ()}
        )
        ports = sorted({port["port"] for port in each.get("ports") or () if isinstance(port.get("port"), int)})
        if cidrs and ports:
            found.append(ApiServer(tuple(cidrs), tuple(ports)))
    return tuple(sorted(found, key=lambda server: (server.cidrs, server.ports)))


def base_policy(namespace: str) -> Object:
    return _policy(namespace, BASE, {}, [])


def profile_policy(namespace: str, profile: Profile, bus: BusPlace, api: Sequence[ApiServer]) -> Object:
    """`api` is what `profile.network` ``api`` and ``api-only`` open."""
    egress = [_bus_rule(bus)] if profile.network in ("bus", "api") else []
    if profile.opens_api:
        egress += [_rule([{"ipBlock": {"cidr": cidr}} for cidr in server.cidrs], server.ports) for server in api]
    egress += [
        _rule([_block(cidr) for cidr in rule.cidrs], () if rule.port is None else (rule.port,)) for rule in profile.egress
    ]
    policy = _policy(namespace, profile.policy, {names.LABEL_NETWORK: profile.digest}, egress)
    inputs = {"network": profile.network, "egress": to_json(profile.egress)}
    metadata(policy)["annotations"] = {names.ANNOTATION_NETWORK: json.dumps(inputs, separators=(",", ":"))}
    return policy


def profile_of(policy: Mapping[str, Any]) -> Profile | None:
    """The profile that a policy was made of; None for the base policy, and for one whose note and name do not agree."""
    text = str((metadata(policy).get("annotations") or {}).get(names.ANNOTATION_NETWORK))
    try:
        data = json.loads(text)
        egress = tuple(EgressRule(rule["host"], tuple(rule["cidrs"]), rule["port"]) for rule in data["egress"])
        profile = Profile(data["network"], egress)
        return profile if profile.policy == metadata(policy).get("name") else None
    except (TypeError, ValueError, KeyError):
        return None


def is_as_wanted(found: Mapping[str, Any], wanted: Object) -> bool:
    """Whether the policy that is there says the same. Labels and annotations that others added do not matter."""
    if found.get("spec") != wanted["spec"]:
        return False
    return all(
        value == (metadata(found).get(part) or {}).get(key)
        for part in ("labels", "annotations")
        for key, value in (metadata(wanted).get(part) or {}).items()
    )


def _policy(namespace: str, name: str, selected: Mapping[str, str], egress: list[Object]) -> Object:
    spec: Object = {
        "podSelector": {"matchLabels": {names.LABEL_COMPONENT: names.COMPONENT_RUN, **selected}},
        "policyTypes": ["Ingress", "Egress"],
    }
    if egress:
        spec["egress"] = egress
    return {
        "apiVersion": NETWORK_POLICY.api_version,
        "kind": NETWORK_POLICY.kind,
        "metadata": {
            "name": name,
            "namespace": namespace,
            "labels": {names.LABEL_MANAGED_BY: names.MANAGED_BY, names.LABEL_COMPONENT: names.COMPONENT_RUN},
        },
        "spec": spec,
    }


def _bus_rule(bus: BusPlace) -> Object:
    if not bus.namespace:
        return _rule([{"ipBlock": {"cidr": cidr}} for cidr in bus.cidrs], (bus.port,))
    pods: Object = {"namespaceSelector": {"matchLabels": {names.LABEL_NAMESPACE_NAME: bus.namespace}}}
    if bus.labels:
        pods["podSelector"] = {"matchLabels": dict(bus.labels)}
    return _rule([pods], (bus.port,))


def _rule(to: list[Object], ports: Sequence[int]) -> Object:
    """Written out as the API server would store it, so that what is there can be compared."""
    rule: Object = {"to": to}
    if ports:
        rule["ports"] = [{"protocol": "TCP", "port": port} for port in ports]
    return rule


def _block(cidr: str) -> Object:
    """A wide range without what is never open to a run."""
    network = ipaddress.ip_network(cidr)
    never = [str(each) for each in NEVER if each.version == network.version and _holds(network, each)]
    return {"ipBlock": {"cidr": cidr, "except": never} if never else {"cidr": cidr}}


def _holds(outer: Any, inner: Any) -> bool:
    return bool(inner.subnet_of(outer))


def _cidr(address: str) -> str:
    return str(ipaddress.ip_network(address))
