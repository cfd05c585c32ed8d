"""The bus's address as pods need it: they have no DNS, so its name is looked up here and written into their hosts files."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import time
from urllib.parse import urlsplit

from sympozium_core.contracts.builtin_kinds import SERVICE
from sympozium_core.contracts.cluster import ApiError, Cluster
from sympozium_core.errors import Permanent, Temporary
from sympozium_sandbox_kubernetes.network import Bus

_GOOD_FOR = 10.0
"""Seconds. A Service keeps its address for as long as it lives."""


class BusLookup:
    def __init__(self, cluster: Cluster, url: str, authority: str) -> None:
        self._cluster, self._url, self._authority = cluster, url, authority
        self._found: Bus | None = None
        self._at = 0.0

    async def find(self) -> Bus:
        """Raises Temporary when the name stands for nothing, Permanent when there is none."""
        if self._found is None or time.monotonic() - self._at > _GOOD_FOR:
            self._found = Bus(self._url, await self._addresses(), self._authority)
            self._at = time.monotonic()
        return self._found

    async def _addresses(self) -> tuple[str, ...]:
        host = urlsplit(self._url).hostname
        if not host:
            raise Permanent(f"the bus address {self._url[:80]!r} names no host", hint="such as tls://nats.example.com:4222")
        if _is_address(host):
            return ()
        service = _service(host)
        found = await (self._of_service(*service) if service else _by_name(host))
        if not found:
            raise Temporary(f"the bus's host {host} has no address", hint="pods reach the bus by one that does not change")
        return found

    async def _of_service(self, name: str, namespace: str) -> tuple[str, ...]:
        try:
            service = await self._cluster.get(SERVICE, namespace, name)
        except ApiError as error:
            raise Temporary(f"the bus's Service {namespace}/{name} cannot be read: {error.message}") from error
        spec = service.get("spec") or {}
        return tuple(each for each in spec.get("clusterIPs") or [spec.get("clusterIP") or ""] if _is_address(each))


def _service(host: str) -> tuple[str, str] | None:
    """Name and namespace, when the host is ``name.namespace.svc`` with or without the cluster's domain."""
    parts = host.rstrip(".").split(".")
    return (parts[0], parts[1]) if len(parts) >= 3 and parts[2] == "svc" else None


async def _by_name(host: str) -> tuple[str, ...]:
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError as error:
        raise Temporary(f"the bus's host {host} is not found: {error.strerror}") from error
    return tuple(dict.fromkeys(str(each[4][0]) for each in found))


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
