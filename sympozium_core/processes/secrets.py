"""Values of Secrets, read when they are needed and kept nowhere."""

from __future__ import annotations

import base64
from collections.abc import Mapping

from sympozium_core import names
from sympozium_core.contracts.builtin_kinds import SECRET
from sympozium_core.contracts.cluster import Cluster, NotFound
from sympozium_core.errors import Permanent


async def secret_values(
    cluster: Cluster, namespace: str, name: str, *, reason: str = names.Reason.MODEL_ERROR
) -> Mapping[str, str]:
    """The values of a provider's Secret, or of a tool server's, as texts, by key. Raises Permanent that names it, with `reason`."""
    found = await secret_bytes(cluster, namespace, name, reason=reason)
    return {key: value.decode("utf-8", "replace") for key, value in found.items()}


async def secret_bytes(
    cluster: Cluster, namespace: str, name: str, *, reason: str = names.Reason.INFRASTRUCTURE_ERROR
) -> Mapping[str, bytes]:
    """The decoded values of a Secret, by key. Raises Permanent that names it, with `reason`."""
    try:
        found = await cluster.get(SECRET, namespace, name)
    except NotFound as error:
        raise Permanent(
            f"there is no Secret {name!r} in namespace {namespace!r}",
            reason=reason,
            hint=f"make it with: sympozium secrets create {name} -n {namespace}",
        ) from error
    return {key: base64.b64decode(value) for key, value in (found.get("data") or {}).items()}
