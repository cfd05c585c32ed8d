"""What the pods of the control plane's own namespace may reach, and who may reach them. Pods of runs have policies of their own."""

from __future__ import annotations

from collections.abc import Sequence

from sympozium_core import names
from sympozium_core.contracts.builtin_kinds import NETWORK_POLICY
from sympozium_core.contracts.cluster import Object
from sympozium_core.installation import bus
from sympozium_core.installation.bus import CLIENT_PORT
from sympozium_core.installation.deployments import WEBHOOK_PORT
from sympozium_core.installation.options import Options
from sympozium_core.installation.parts import make, selector
from sympozium_core.installation.rights import BOOTSTRAP, CONTROLLER, GATEWAY, WEBHOOK

METADATA = "169.254.169.254/32"
"""Where clouds hand out credentials of the node; nothing in the control plane asks there."""


def policies(options: Options) -> list[Object]:
    api, dns, nats = _api_server(options), _dns(), _to_bus(options)
    made = [
        _policy(options, CONTROLLER, ingress=[], egress=[dns, api, nats]),
        _policy(options, GATEWAY, ingress=[], egress=[dns, api, nats, _anywhere()]),
        # API servers come from addresses that no policy can name.
        _policy(options, WEBHOOK, ingress=[{"ports": [_tcp(WEBHOOK_PORT)]}], egress=[dns, api]),
        _policy(options, BOOTSTRAP, ingress=[], egress=[dns, api]),
    ]
    if options.own_bus:
        made.append(_policy(options, names.COMPONENT_NATS, ingress=[_from_clients()], egress=[]))
    return made


def _policy(options: Options, component: str, *, ingress: list[Object], egress: list[Object]) -> Object:
    """The kubelet's probes are let in by every network plugin, whatever a policy says."""
    spec: Object = {"podSelector": {"matchLabels": selector(component)}, "policyTypes": ["Ingress", "Egress"]}
    # An empty list means the same as none, but an API server takes it for a change each time.
    spec |= {direction: rules for direction, rules in (("ingress", ingress), ("egress", egress)) if rules}
    return make(options, NETWORK_POLICY, f"sympozium-{component}", component, {"spec": spec})


def _api_server(options: Options) -> Object:
    """By ports alone: it runs on addresses that differ from cluster to cluster, and plugins differ in whether a range holds them."""
    return {"ports": [_tcp(port) for port in options.api_server_ports]}


def _dns() -> Object:
    return {"ports": [{"port": 53, "protocol": "UDP"}, _tcp(53)]}


def _to_bus(options: Options) -> Object:
    if options.own_bus:
        return {"to": [{"podSelector": {"matchLabels": selector(names.COMPONENT_NATS)}}], "ports": [_tcp(CLIENT_PORT)]}
    return {"ports": [_tcp(bus.port(options))]}


def _anywhere() -> Object:
    """Models may be anywhere, on any port: outside, or another pod. Which addresses a policy's model may have, the gateway itself checks."""
    outside = {"cidr": "0.0.0.0/0", "except": [METADATA]}
    return {"to": [{"ipBlock": outside}, {"ipBlock": {"cidr": "::/0"}}, {"namespaceSelector": {}}]}


def _from_clients() -> Object:
    runs = {"namespaceSelector": {}, "podSelector": {"matchLabels": {names.LABEL_COMPONENT: names.COMPONENT_RUN}}}
    own: Sequence[Object] = [{"podSelector": {"matchLabels": selector(component)}} for component in (CONTROLLER, GATEWAY)]
    return {"from": [*own, runs], "ports": [_tcp(CLIENT_PORT)]}


def _tcp(port: int) -> Object:
    return {"port": port, "protocol": "TCP"}
