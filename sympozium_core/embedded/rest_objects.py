"""Handlers for one object: get, create, replace, patch, delete."""

from __future__ import annotations

from functools import partial
from typing import Any

from aiohttp import web

from sympozium_core.cluster.patches import json_patch, merge_patch
from sympozium_core.cluster.status import deleted_status
from sympozium_core.contracts.cluster import BadRequest, Object, Propagation, Warnings, metadata
from sympozium_core.embedded.entries import dump
from sympozium_core.embedded.rest_request import (
    JSON,
    KIND,
    STORE,
    body_of,
    caller_of,
    check_body_address,
    dry_run_of,
    target_of,
)

MERGE_PATCH = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"
MAX_WARNING = 1024


async def get(request: web.Request) -> web.StreamResponse:
    target = target_of(request)
    return web.Response(body=request.app[STORE].read(target.kind, target.namespace, target.name), content_type=JSON)


async def create(request: web.Request) -> web.StreamResponse:
    obj = check_body_address(request, await body_of(request, JSON))
    caller, warnings = caller_of(request)
    dry_run = dry_run_of(request.query.getall("dryRun", []))
    created = await request.app[STORE].mutations.create(caller, request[KIND], obj, dry_run=dry_run)
    return _answer(created, warnings, 201)


async def replace(request: web.Request) -> web.StreamResponse:
    obj = check_body_address(request, await body_of(request, JSON))
    caller, warnings = caller_of(request)
    dry_run = dry_run_of(request.query.getall("dryRun", []))
    replaced = await request.app[STORE].mutations.replace(caller, target_of(request), obj, dry_run=dry_run)
    return _answer(replaced, warnings)


async def patch(request: web.Request) -> web.StreamResponse:
    body = await body_of(request, MERGE_PATCH, JSON_PATCH)
    if request.content_type == MERGE_PATCH and not isinstance(body, dict):
        raise BadRequest("a merge patch of an object must be an object")
    apply = json_patch if request.content_type == JSON_PATCH else merge_patch
    caller, warnings = caller_of(request)
    dry_run = dry_run_of(request.query.getall("dryRun", []))
    patched = await request.app[STORE].mutations.update(
        caller, target_of(request), lambda old: apply(old, body), dry_run=dry_run
    )
    return _answer(patched, warnings)


async def delete(request: web.Request) -> web.StreamResponse:
    options = await body_of(request, JSON) if request.can_read_body else {}
    if not isinstance(options, dict):
        raise BadRequest("the body of a delete must be DeleteOptions")
    given = options.get("preconditions") or {}
    if not isinstance(given, dict):
        raise BadRequest("preconditions must be an object")
    target = target_of(request)
    caller, warnings = caller_of(request)
    remove = partial(
        request.app[STORE].mutations.delete,
        uid=_text(given, "uid"),
        resource_version=_text(given, "resourceVersion"),
        propagation=_propagation(request, options),
        dry_run=dry_run_of([*request.query.getall("dryRun", []), *(options.get("dryRun") or [])]),
    )
    deleted = await remove(caller, target)
    if deleted.removed:
        return _answer(deleted_status(target.kind, target.name, metadata(deleted.object)["uid"]), warnings)
    return _answer(deleted.object, warnings)


def _propagation(request: web.Request, options: dict[str, Any]) -> Propagation:
    found = options.get("propagationPolicy") or request.query.get("propagationPolicy") or "Background"
    for known in ("Background", "Foreground", "Orphan"):
        if found == known:
            return known
    raise BadRequest(f"Invalid value of propagationPolicy: {str(found)[:50]!r}", hint="use Background, Foreground or Orphan")


def _text(values: dict[str, Any], field: str) -> str:
    value = values.get(field) or ""
    if not isinstance(value, str):
        raise BadRequest(f"preconditions.{field} must be a string")
    return value


def _answer(obj: Object, warnings: Warnings, status: int = 200) -> web.Response:
    response = web.Response(body=dump(obj), status=status, content_type=JSON)
    for text in warnings.texts:
        response.headers.add("Warning", f'299 - "{_quoted(text)}"')
    return response


def _quoted(text: str) -> str:
    """A quoted string of RFC 9110, without what no header carries."""
    flat = "".join(letter if letter.isprintable() else " " for letter in text[:MAX_WARNING])
    return flat.replace("\\", "\\\\").replace('"', '\\"')
