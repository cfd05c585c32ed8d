"""From what an object says of itself to the kind as the client knows it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from sympozium_core.contracts import builtin_kinds
from sympozium_core.contracts.cluster import ResourceType
from sympozium_core.errors import Permanent
from sympozium_core.installation.certmanager import KINDS as CERT_MANAGER
from sympozium_core.resources.kinds import OURS


@lru_cache(maxsize=1)
def _known() -> dict[tuple[str, str], ResourceType]:
    builtin = [kind for kind in vars(builtin_kinds).values() if isinstance(kind, ResourceType)]
    return {(kind.api_version, kind.kind): kind for kind in (*builtin, *CERT_MANAGER, *OURS)}


def find(api_version: str, kind: str) -> ResourceType:
    """Raises Permanent for a kind that no version of this program installs."""
    found = _known().get((api_version, kind))
    if found is None:
        raise Permanent(f"{kind} of {api_version} is no kind that belongs to an installation")
    return found


def of(obj: Mapping[str, Any]) -> ResourceType:
    return find(str(obj.get("apiVersion")), str(obj.get("kind")))


def title(obj: Mapping[str, Any]) -> str:
    """``deployment.apps/sympozium-controller``, as kubectl calls it."""
    kind = of(obj)
    return f"{kind.singular}{f'.{kind.group}' if kind.group else ''}/{obj['metadata']['name']}"
