"""Where pods find the event bus, from the address that every bridge is given: a Service of this cluster, or a server outside of it."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from sympozium_core.controllers.network_policies import BusPlace
from sympozium_core.errors import Permanent
from sympozium_core.processes.addresses import Addresses

PORT = 4222


async def bus_place(address: str, namespace: str) -> BusPlace:
    """`namespace` is the control plane's: there the bus is the installed one, in another it may be any pod. Raises Permanent, Temporary."""
    url = urlsplit(address)
    host, port = url.hostname or "", url.port or PORT
    parts = host.split(".")
    if len(parts) >= 3 and parts[2] == "svc":
        return BusPlace(port, parts[1]) if parts[1] == namespace else BusPlace(port, parts[1], labels=())
    try:
        addresses: tuple[str, ...] = (str(ipaddress.ip_address(host)),)
    except ValueError:
        addresses = (await Addresses().of([host]))[host] if host else ()
    if not addresses:
        raise Permanent(f"the event bus's address {address[:200]!r} leads nowhere", hint="such as tls://nats.example.com:4222")
    return BusPlace(port, cidrs=tuple(str(ipaddress.ip_network(each)) for each in addresses))
