"""The cluster port over the Kubernetes REST protocol: a real API server, or the embedded REST face."""

from __future__ import annotations

import asyncio
import json
import math
import random
import re
from collections.abc import AsyncGenerator, Callable, Mapping
from pathlib import Path
from ssl import SSLContext
from typing import Any, Literal, Self

import aiohttp

from sympozium_core.cluster.lines import split_lines
from sympozium_core.cluster.paths import collection_path, object_path
from sympozium_core.cluster.status import error_of
from sympozium_core.cluster.transport import CONNECT_SECONDS, MAX_BODY, Headers, Transport, socket_transport, url_transport
from sympozium_core.contracts.cluster import (
    ApiError,
    BadRequest,
    ListPage,
    Object,
    PatchType,
    Propagation,
    ResourceType,
    TooLarge,
    Unavailable,
    WatchEvent,
    metadata,
)
from sympozium_core.names import DEFAULT_NAMESPACE

REQUEST_SECONDS = 60.0
QUIET_SECONDS = 300.0
"""A watch that says nothing for so long, not even a bookmark, is taken for dead."""
GET_TRIES = 4
GET_BACK_OFF = 0.1

_CONTENT_TYPES = {"merge": "application/merge-patch+json", "json": "application/json-patch+json"}
_WARNING = re.compile(r'299 \S+ "((?:[^"\\]|\\.)*)"')
_LOST = (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError, TimeoutError)


class ClusterClient:
    """Implements `contracts.cluster.Cluster`. Belongs to the event loop of its first request; `close` it there."""

    def __init__(self, transport: Transport, *, warn: Callable[[str], None] | None = None) -> None:
        self._transport = transport
        self._warn = warn
        self._session: aiohttp.ClientSession | None = None
        self._closed = False

    @classmethod
    def over_socket(cls, path: Path | str, *, warn: Callable[[str], None] | None = None) -> Self:
        """`warn` gets each warning that the server sends with an answer."""
        return cls(socket_transport(path), warn=warn)

    @classmethod
    def over_url(
        cls,
        url: str,
        *,
        headers: Headers | None = None,
        tls: SSLContext | None = None,
        warn: Callable[[str], None] | None = None,
    ) -> Self:
        return cls(url_transport(url, headers=headers, tls=tls), warn=warn)

    async def get(self, kind: ResourceType, namespace: str | None, name: str) -> Object:
        return await self._ask("GET", object_path(kind, namespace, name))

    async def list(
        self,
        kind: ResourceType,
        namespace: str | None = None,
        *,
        labels: str = "",
        fields: str = "",
        limit: int = 0,
        continue_token: str = "",
    ) -> ListPage:
        query = _query(labelSelector=labels, fieldSelector=fields, limit=str(limit or ""))
        query |= {"continue": continue_token} if continue_token else {}
        answer = await self._ask("GET", collection_path(kind, namespace), query)
        meta = metadata(answer)
        items = answer.get("items") or []
        for item in items:  # a real API server leaves these out of the items of a list
            item.setdefault("apiVersion", kind.api_version)
            item.setdefault("kind", kind.kind)
        return ListPage(items, str(meta.get("resourceVersion", "")), str(meta.get("continue") or ""))

    async def create(self, kind: ResourceType, obj: Object, *, dry_run: bool = False) -> Object:
        body = _addressed(kind, obj)
        path = collection_path(kind, metadata(body).get("namespace"))
        return await self._ask("POST", path, _query(dryRun="All" if dry_run else ""), body)

    async def replace(
        self, kind: ResourceType, obj: Object, *, subresource: Literal["", "status"] = "", dry_run: bool = False
    ) -> Object:
        body = _addressed(kind, obj)
        path = object_path(kind, metadata(body).get("namespace"), str(metadata(body).get("name") or ""), subresource)
        return await self._ask("PUT", path, _query(dryRun="All" if dry_run else ""), body)

    async def patch(
        self,
        kind: ResourceType,
        namespace: str | None,
        name: str,
        patch: Any,
        *,
        type: PatchType = "merge",
        subresource: Literal["", "status"] = "",
        dry_run: bool = False,
    ) -> Object:
        if type not in _CONTENT_TYPES:
            raise BadRequest(f"unknown patch type {str(type)[:50]!r}", hint="use merge or json")
        path = object_path(kind, namespace, name, subresource)
        return await self._ask("PATCH", path, _query(dryRun="All" if dry_run else ""), patch, _CONTENT_TYPES[type])

    async def delete(
        self,
        kind: ResourceType,
        namespace: str | None,
        name: str,
        *,
        uid: str = "",
        resource_version: str = "",
        propagation: Propagation = "Background",
    ) -> Object:
        """An API server that removed the object at once says only what it was called and its uid; so does this."""
        options: Object = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": propagation}
        if wanted := _query(uid=uid, resourceVersion=resource_version):
            options["preconditions"] = wanted
        answer = await self._ask("DELETE", object_path(kind, namespace, name), None, options)
        if answer.get("kind") != "Status" or kind.kind == "Status":
            return answer
        details = answer.get("details") or {}
        meta = _query(name=name, namespace=namespace or "", uid=str(details.get("uid") or ""))
        return {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": meta}

    async def watch(
        self,
        kind: ResourceType,
        namespace: str | None = None,
        *,
        resource_version: str,
        labels: str = "",
        fields: str = "",
        timeout: float = 0,
    ) -> AsyncGenerator[WatchEvent, None]:
        query = _query(
            watch="1",
            allowWatchBookmarks="true",
            resourceVersion=resource_version,
            labelSelector=labels,
            fieldSelector=fields,
            timeoutSeconds=str(math.ceil(timeout) or ""),
        )
        limits = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS, sock_read=QUIET_SECONDS)
        try:
            async with await self._send("GET", collection_path(kind, namespace), query, timeout=limits) as response:
                if response.status >= 400:
                    raise error_of(_parsed(await response.read()), response.status)
                async for line in split_lines(response.content.iter_any()):
                    yield _event(line)
        except _LOST as error:
            raise self._unavailable(error) from error

    async def close(self) -> None:
        self._closed = True
        if self._session is not None:
            await self._session.close()

    async def stream_lines(self, path: str, query: Mapping[str, str] | None = None) -> AsyncGenerator[bytes, None]:
        """Lines of any endpoint of the server, such as the journal of a run. Raises ApiError."""
        limits = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS)
        try:
            async with await self._send("GET", path, query, timeout=limits) as response:
                if response.status >= 400:
                    raise error_of(_parsed(await response.read()), response.status)
                async for line in split_lines(response.content.iter_any()):
                    yield line
        except _LOST as error:
            raise self._unavailable(error) from error

    async def _ask(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        content_type: str = "application/json",
    ) -> Object:
        """One request and its JSON answer. A GET whose connection is lost is asked again; a write never, it may have been done."""
        data = None if body is None else _encoded(body)
        tries = GET_TRIES if method == "GET" else 1
        for attempt in range(1, tries + 1):
            try:
                async with await self._send(method, path, query, data, content_type) as response:
                    text = await response.read()
                    return self._answer(response, text)
            except _LOST as error:
                if attempt == tries:
                    raise self._unavailable(error) from error
            await asyncio.sleep(GET_BACK_OFF * attempt * (0.5 + random.random()))
        raise AssertionError("unreachable")

    async def _send(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None,
        data: bytes | None = None,
        content_type: str = "",
        timeout: aiohttp.ClientTimeout | None = None,
    ) -> aiohttp.ClientResponse:
        if self._closed:
            raise Unavailable("the client is closed")
        if self._session is None:
            limits = aiohttp.ClientTimeout(total=REQUEST_SECONDS, sock_connect=CONNECT_SECONDS)
            self._session = aiohttp.ClientSession(connector=self._transport.connector(), timeout=limits, auto_decompress=True)
        headers = {"Accept": "application/json", "User-Agent": "sympozium"}
        if data is not None:
            headers["Content-Type"] = content_type
        if self._transport.headers is not None:
            headers |= await self._transport.headers()
        url = self._transport.base_url + path
        return await self._session.request(
            method,
            url,
            params=query,
            data=data,
            headers=headers,
            timeout=timeout or self._session.timeout,
            allow_redirects=False,
        )

    def _answer(self, response: aiohttp.ClientResponse, text: bytes) -> Object:
        if self._warn is not None:
            for header in response.headers.getall("Warning", ()):
                for found in _WARNING.findall(header):
                    self._warn(re.sub(r"\\(.)", r"\1", found))
        body = _parsed(text)
        if response.status >= 300:
            raise error_of(body, response.status)
        if not isinstance(body, dict):
            raise ApiError(f"the API server answered {response.status} without a JSON object")
        return body

    def _unavailable(self, error: Exception) -> Unavailable:
        where = self._transport.where or self._transport.base_url
        if isinstance(error, aiohttp.ClientConnectorError):
            return Unavailable(f"cannot reach the API server at {where}: {error.os_error.strerror}", hint="is it running?")
        if isinstance(error, TimeoutError):
            return Unavailable(f"the API server at {where} did not answer in time")
        return Unavailable(
            f"the connection to the API server at {where} was lost", hint="a write may or may not have been done"
        )


def _query(**values: str) -> dict[str, str]:
    return {key: value for key, value in values.items() if value}


def _addressed(kind: ResourceType, obj: Object) -> Object:
    """With the type, and the namespace of a namespaced kind, filled in: the path is made from it."""
    if not isinstance(obj, dict):
        raise BadRequest("the object must be a JSON object")
    meta = dict(metadata(obj))
    if kind.namespaced and not meta.get("namespace"):
        meta["namespace"] = DEFAULT_NAMESPACE
    return {"apiVersion": kind.api_version, "kind": kind.kind, **obj, "metadata": meta}


def _encoded(body: Any) -> bytes:
    try:
        text = json.dumps(body, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
    except (TypeError, ValueError, RecursionError) as error:
        reason = "it holds an unpaired surrogate" if isinstance(error, UnicodeEncodeError) else str(error)
        raise BadRequest(f"the object is no JSON value: {reason[:200]}") from error
    if len(text) > MAX_BODY:  # a server would close the connection while it is being sent
        raise TooLarge(f"the object has {len(text)} bytes; an API server takes {MAX_BODY}")
    return text


def _parsed(text: bytes) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _event(line: bytes) -> WatchEvent:
    event = _parsed(line)
    if not isinstance(event, dict) or not isinstance(event.get("object"), dict):
        raise ApiError("the API server sent a watch event that is none")
    match event.get("type"):
        case "ADDED" | "MODIFIED" | "DELETED" | "BOOKMARK" as type:
            return WatchEvent(type, event["object"])
        case "ERROR":
            raise error_of(event["object"])
    raise ApiError(f"the API server sent a watch event of the unknown type {str(event.get('type'))[:50]!r}")
