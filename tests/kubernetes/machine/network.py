"""The network inside the namespace: loopback, the Pods' bridge, and a host that is outside the cluster.

Nothing of it touches an interface of the machine. The outside host is a second namespace behind a veth pair: without one, a test that Pods
cannot reach the outside, or the clouds' metadata address, would pass for want of anything to reach.
"""

from __future__ import annotations

from pathlib import Path

from tests.kubernetes.machine.errors import MachineError
from tests.kubernetes.machine.layout import BRIDGE, METADATA, NODE_ADDRESS, OUTSIDE, PODS, SERVICES
from tests.kubernetes.machine.system import call

OUTSIDE_NAMESPACE = "outside"
_NEAR = "198.51.100.1"


def make() -> None:
    """Brings up loopback and the bridge, which carries the node's address before the first Pod is there."""
    call("ip", "link", "set", "lo", "up")
    Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
    call("ip", "link", "add", BRIDGE, "type", "bridge")
    call("ip", "addr", "add", f"{NODE_ADDRESS}/{PODS.partition('/')[2]}", "dev", BRIDGE)
    call("ip", "link", "set", BRIDGE, "up")
    # A process of the node must have a route to a Service before kube-proxy can turn it towards a Pod.
    call("ip", "route", "add", SERVICES, "dev", BRIDGE, "src", NODE_ADDRESS)


def check_filtering() -> None:
    """Sees that packets between Pods of one bridge pass the packet filter.

    Raises:
        MachineError: They would not; network policies between Pods would hold nothing.
    """
    switch = Path("/proc/sys/net/bridge/bridge-nf-call-iptables")
    if not switch.exists():
        raise MachineError(
            "the kernel module br_netfilter is not there (modprobe br_netfilter): no policy would hold between Pods"
        )
    switch.write_text("1")
    Path("/proc/sys/net/bridge/bridge-nf-call-ip6tables").write_text("1")
    call("nft", "list", "ruleset")


def make_outside() -> None:
    """Makes the outside host and routes everything unknown there."""
    call("ip", "netns", "add", OUTSIDE_NAMESPACE)
    call("ip", "link", "add", "outside", "type", "veth", "peer", "name", "far", "netns", OUTSIDE_NAMESPACE)
    call("ip", "addr", "add", f"{_NEAR}/24", "dev", "outside")
    call("ip", "link", "set", "outside", "up")
    for command in (
        ["link", "set", "lo", "up"],
        ["addr", "add", f"{OUTSIDE}/24", "dev", "far"],
        ["addr", "add", f"{METADATA}/32", "dev", "far"],
        ["link", "set", "far", "up"],
        ["route", "add", "default", "via", _NEAR],
    ):
        call("ip", "-n", OUTSIDE_NAMESPACE, *command)
    call("ip", "route", "add", "default", "via", OUTSIDE)
