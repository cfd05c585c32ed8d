"""What a container of a run is held to, and what a policy may let it have beyond that."""

from __future__ import annotations

from sympozium_core.contracts import pod_security
from sympozium_core.contracts.cluster import Object
from sympozium_core.contracts.plan import HostAccess


def of_container(host: HostAccess | None = None) -> Object:
    """`host` is what a policy lets this one container have of its node; a namespace that enforces Pod Security refuses its pod."""
    found: Object = pod_security.of_container()
    if host is not None and host.run_as_root:
        found |= {"runAsUser": 0, "runAsNonRoot": False}
    if host is not None and host.privileged:
        found |= {"privileged": True, "allowPrivilegeEscalation": True, "capabilities": {}}
    return found
