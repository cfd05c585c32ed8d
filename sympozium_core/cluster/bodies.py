"""What goes into a request and what comes out of an answer."""

from __future__ import annotations

import json
from typing import Any

from sympozium_core.cluster.status import error_of
from sympozium_core.cluster.transport import MAX_BODY
from sympozium_core.contracts.cluster import ApiError, BadRequest, Object, ResourceType, TooLarge, WatchEvent, metadata
from sympozium_core.names import DEFAULT_NAMESPACE


def addressed(kind: ResourceType, obj: Object) -> Object:
    """With the type, and the namespace of a namespaced kind, filled in: the path is made from it."""
    if not isinstance(obj, dict):
        raise BadRequest("the object must be a JSON object")
    meta = dict(metadata(obj))
    if kind.namespaced and not meta.get("namespace"):
        meta["namespace"] = DEFAULT_NAMESPACE
    return {"apiVersion": kind.api_version, "kind": kind.kind, **obj, "metadata": meta}


def encoded(body: Any) -> bytes:
    """Raises BadRequest for what is no JSON value, TooLarge for one that no API server takes."""
    try:
        text = json.dumps(body, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
    except (TypeError, ValueError, RecursionError) as error:
        reason = "it holds an unpaired surrogate" if isinstance(error, UnicodeEncodeError) else str(error)
        raise BadRequest(f"the object is no JSON value: {reason[:200]}") from error
    if len(text) > MAX_BODY:  # a server would close the connection while it is being sent
        raise TooLarge(f"the object has {len(text)} bytes; an API server takes {MAX_BODY}")
    return text


def parsed(text: bytes) -> Any:
    """The JSON value; None for what is none."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def event_of(line: bytes) -> WatchEvent:
    """One line of a watch. Raises ApiError for an ERROR event and for what is no event."""
    event = parsed(line)
    if not isinstance(event, dict) or not isinstance(event.get("object"), dict):
        raise ApiError("the API server sent a watch event that is none")
    match event.get("type"):
        case "ADDED" | "MODIFIED" | "DELETED" | "BOOKMARK" as type:
            return WatchEvent(type, event["object"])
        case "ERROR":
            raise error_of(event["object"])
    raise ApiError(f"the API server sent a watch event of the unknown type {str(event.get('type'))[:50]!r}")
