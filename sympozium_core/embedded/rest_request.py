"""What the handlers of the REST face read from a request: query, body, and who asks."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from aiohttp import web

from sympozium_core.cluster.selectors import parse_selector
from sympozium_core.cluster.status import UnsupportedMediaType
from sympozium_core.contracts.cluster import BadRequest, Object, ResourceType, User, Warnings
from sympozium_core.embedded.mutations import Caller, Subresource, Target
from sympozium_core.embedded.namespaces import namespace_of
from sympozium_core.embedded.store import Store
from sympozium_core.embedded.watches import Query

STORE = web.AppKey("store", Store)
WATCHES: web.AppKey[set[asyncio.Task[Any]]] = web.AppKey("watches", set)
USER = web.RequestKey("user", User)
KIND = web.RequestKey("kind", ResourceType)

JSON = "application/json"


def caller_of(request: web.Request) -> tuple[Caller, Warnings]:
    warnings = Warnings()
    return Caller(request[USER], warnings.texts.append), warnings


def target_of(request: web.Request) -> Target:
    kind = request[KIND]
    subresource: Subresource = "status" if request.match_info.get("subresource") else ""
    return Target(kind, namespace_of(kind, request.match_info.get("namespace")), request.match_info["name"], subresource)


def query_of(request: web.Request) -> Query:
    kind = request[KIND]
    selector = parse_selector(kind, request.query.get("labelSelector", ""), request.query.get("fieldSelector", ""))
    return Query(kind, request.match_info.get("namespace"), selector)


def dry_run_of(values: list[str]) -> bool:
    """Raises BadRequest for anything but nothing or ``All``."""
    if any(value != "All" for value in values):
        raise BadRequest(f"Invalid value of dryRun: {values[0][:50]!r}", hint="use All")
    return bool(values)


def flag(request: web.Request, name: str) -> bool:
    return request.query.get(name, "").lower() in ("1", "t", "true")


def number(request: web.Request, name: str) -> int:
    text = request.query.get(name) or "0"
    if not text.isascii() or not text.isdigit() or len(text) > 9:
        raise BadRequest(f"{name} must be a whole number that is not negative, it is {text[:50]!r}")
    return int(text)


async def body_of(request: web.Request, *allowed: str) -> Any:
    """The JSON body. Raises UnsupportedMediaType for a content type not in `allowed`, BadRequest for what is no JSON."""
    if request.headers.get("Content-Type") and request.content_type not in allowed:
        raise UnsupportedMediaType(
            f"the body of the request was in an unsupported format: {request.content_type[:100]}",
            hint=f"use {', '.join(allowed)}",
        )
    text = await request.read()
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise BadRequest(f"the body of the request is no JSON: {str(error)[:200]}") from error


def check_body_address(request: web.Request, obj: Any) -> Object:
    """The object, with the address of the URL where it has none. Raises BadRequest where the two differ."""
    if not isinstance(obj, dict) or not isinstance(obj.get("metadata", {}), dict):
        raise BadRequest("the body must be an object with metadata")
    meta = dict(obj.get("metadata", {}))
    for field in ("namespace", "name"):
        asked = request.match_info.get(field)
        if asked is None:
            continue
        if (meta.get(field) or asked) != asked:
            raise BadRequest(
                f"the {field} of the object ({str(meta[field])[:260]}) does not match the {field} on the URL ({asked[:260]})"
            )
        meta[field] = asked
    return {**obj, "metadata": meta}


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON value")
