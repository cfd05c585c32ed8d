"""Where a kind lives in the URL space, for the client and for the REST face."""

from __future__ import annotations

from urllib.parse import quote

from sympozium_core.contracts.cluster import BadRequest, ResourceType


def root_path(kind: ResourceType) -> str:
    """``/api/v1`` or ``/apis/sympozium.ai/v1alpha1``."""
    return f"/apis/{kind.group}/{kind.version}" if kind.group else f"/api/{kind.version}"


def collection_path(kind: ResourceType, namespace: str | None) -> str:
    """Path of all objects of the kind in `namespace`, or in all namespaces when it is None."""
    if not kind.namespaced:
        return f"{root_path(kind)}/{kind.plural}"
    middle = "" if namespace is None else f"/namespaces/{segment(namespace, 'namespace')}"
    return f"{root_path(kind)}{middle}/{kind.plural}"


def object_path(kind: ResourceType, namespace: str | None, name: str, subresource: str = "") -> str:
    """Raises BadRequest when the namespace of a namespaced kind, or the name, is missing."""
    if kind.namespaced and not namespace:
        raise BadRequest(f"a namespace is needed for {kind.resource}")
    path = f"{collection_path(kind, namespace if kind.namespaced else None)}/{segment(name, 'name')}"
    return f"{path}/{subresource}" if subresource else path


def segment(text: str, what: str) -> str:
    """One path segment, quoted. Raises BadRequest for a text that no path can carry."""
    if not text or text in (".", "..") or "/" in text or "%" in text:
        raise BadRequest(f"{what} {text[:260]!r} is not a valid {what}")
    return quote(text, safe="")
