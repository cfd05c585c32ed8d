"""MCPServer: what it says of running a server has to be possible where it is run."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from sympozium_core.contracts.sandbox import Feature
from sympozium_core.errors import Cause

_CLUSTER_ALONE: Mapping[str, str] = {
    "serviceAccountName": "processes of this machine have no ServiceAccount",
    "resources": "processes of this machine are not limited",
}


def causes(server: Mapping[str, Any], features: Collection[Feature]) -> list[Cause]:
    """`server` is in normal form."""
    spec = server["spec"]
    deployment = spec.get("deployment")
    if not deployment:
        return [Cause("spec.replicas", "acts with deployment alone", "leave it out")] if spec.get("replicas", 1) != 1 else []
    if "images" in features:
        missing = Cause(
            "spec.deployment.image", "is missing: on a cluster a server is a container", "such as ghcr.io/acme/server:1"
        )
        return [] if deployment.get("image") else [missing]
    found = [
        Cause(f"spec.deployment.{field}", because, "leave it out")
        for field, because in _CLUSTER_ALONE.items()
        if deployment.get(field)
    ]
    if not deployment.get("cmd"):
        found.append(Cause("spec.deployment.cmd", "is missing: on this machine a server is a program", "such as npx"))
    if spec.get("replicas", 1) > 1:
        found.append(Cause("spec.replicas", f"{spec['replicas']} are more than the one that runs on this machine", "1"))
    return found
