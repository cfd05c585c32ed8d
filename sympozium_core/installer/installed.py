"""What is on the cluster already: which version, made how, by whom."""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING

from sympozium_core import names
from sympozium_core.contracts.builtin_kinds import CONFIG_MAP, ENDPOINT_SLICE, SECRET, SERVICE
from sympozium_core.contracts.cluster import NotFound
from sympozium_core.errors import Permanent
from sympozium_core.installation import inventory
from sympozium_core.installation.inventory import Entry
from sympozium_core.installation.options import Options

if TYPE_CHECKING:
    from sympozium_core.cluster.client import ClusterClient

OLDEST_KUBERNETES = (1, 33)
"""Where native sidecars are stable; ValidatingAdmissionPolicies and match conditions of webhooks are since 1.30."""


@dataclass(frozen=True)
class Installed:
    version: str
    options: Options | None
    """None where they were written by a version that this one cannot read."""
    entries: tuple[Entry, ...]
    by_helm: bool


def own_version() -> str:
    """Of this program; it installs no other."""
    return version("sympozium-core")


async def find_installed(cluster: ClusterClient) -> Installed | None:
    """Raises ApiError."""
    try:
        found = await cluster.get(CONFIG_MAP, names.SYSTEM_NAMESPACE, inventory.NAME)
    except NotFound:
        return None
    return Installed(
        inventory.version_of(found),
        inventory.options_of(found),
        tuple(inventory.entries_of(found)),
        (found.get("data") or {}).get(inventory.BY) == inventory.HELM,
    )


async def check_server(cluster: ClusterClient) -> str:
    """The version of the API server, such as ``v1.36.3``. Raises Permanent for one that is too old, ApiError when it does not answer."""
    found = json.loads(await cluster.get_path("/version"))
    text = str(found.get("gitVersion") or "")
    numbers = tuple(int("".join(filter(str.isdigit, str(found.get(part) or "0"))) or 0) for part in ("major", "minor"))
    if numbers < OLDEST_KUBERNETES:
        oldest = ".".join(map(str, OLDEST_KUBERNETES))
        raise Permanent(
            f"the cluster runs Kubernetes {text}, and Sympozium needs {oldest} or newer", hint="upgrade the cluster"
        )
    return text


async def api_server_ports(cluster: ClusterClient) -> tuple[int, ...]:
    """Those of its Service and of what is behind it: a network plugin may look at either."""
    service = await cluster.get(SERVICE, names.DEFAULT_NAMESPACE, "kubernetes")
    slices = await cluster.list(ENDPOINT_SLICE, names.DEFAULT_NAMESPACE, labels="kubernetes.io/service-name=kubernetes")
    places = [service["spec"], *slices.items]
    return tuple(sorted({port["port"] for place in places for port in place.get("ports") or () if port.get("port")}))


async def has_bus_keys(cluster: ClusterClient, options: Options) -> bool:
    """Whether the operator has put the keys of his own bus there."""
    try:
        found = await cluster.get(SECRET, options.namespace, names.SECRET_BUS)
    except NotFound:
        return False
    return "account-signing.seed" in (found.get("data") or {})
