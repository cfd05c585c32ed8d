"""The cluster port over the Kubernetes REST protocol: a real API server, or the embedded REST face."""

from __future__ import annotations

import contextlib
import copy
import math
import re
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Self

from sympozium_core.cluster.bodies import addressed, encoded, event_of, parsed
from sympozium_core.cluster.connection import LOST, Answer, Connection, Request, hang_up
from sympozium_core.cluster.impersonation import impersonation
from sympozium_core.cluster.lines import split_lines
from sympozium_core.cluster.paths import collection_path, object_path
from sympozium_core.cluster.status import error_of
from sympozium_core.cluster.transport import Transport, socket_transport, url_transport
from sympozium_core.contracts.cluster import (
    ApiError,
    BadRequest,
    ListPage,
    Object,
    PatchType,
    Propagation,
    ResourceType,
    WatchEvent,
    metadata,
)

QUIET_SECONDS = 300.0
"""A watch that says nothing for so long, not even a bookmark, is taken for dead."""

Warn = Callable[[str], None]
"""Gets each warning that a server sends with an answer."""

_CONTENT_TYPES = {"merge": "application/merge-patch+json", "json": "application/json-patch+json"}
_APPLY = "application/apply-patch+yaml"
_WARNING = re.compile(r'299 \S+ "((?:[^"\\]|\\.)*)"')


class ClusterClient:
    """Implements `contracts.cluster.Cluster`. Belongs to the event loop of its first request; `close` it there."""

    def __init__(self, transport: Transport, *, warn: Warn | None = None, strict: bool = False) -> None:
        """With `strict`, an unknown field is refused; without, a real API server drops it with a warning."""
        self._connection = Connection(transport)
        self._warn = warn
        self._strict = strict
        self._shared = False
        self._headers = transport.headers

    @classmethod
    def over_socket(cls, path: Path | str, *, warn: Warn | None = None) -> Self:
        return cls(socket_transport(path), warn=warn)

    @classmethod
    def over_url(cls, url: str, *, warn: Warn | None = None) -> Self:
        """A server that asks for no credentials."""
        return cls(url_transport(url), warn=warn)

    @classmethod
    def from_kubeconfig(
        cls, path: Path | str | None = None, context: str | None = None, *, warn: Warn | None = None, strict: bool = False
    ) -> Self:
        """As kubectl finds it: `path`, else KUBECONFIG, else ~/.kube/config; `context`, else the current one. Raises Permanent."""
        from sympozium_core.cluster.configuration import kubeconfig_transport

        return cls(kubeconfig_transport(path, context, warn=warn), warn=warn, strict=strict)

    @classmethod
    def in_cluster(cls, *, warn: Warn | None = None) -> Self:
        """As the ServiceAccount of the pod that this process runs in. Raises Permanent outside of one."""
        from sympozium_core.cluster.in_cluster import account_transport

        return cls(account_transport(), warn=warn)

    @property
    def namespace(self) -> str:
        """What the configuration names: of the kubeconfig's context, of the pod, else ``default``."""
        return self._connection.transport.namespace

    def impersonating(
        self, user: str, groups: Sequence[str] = (), *, uid: str = "", extra: Mapping[str, Sequence[str]] | None = None
    ) -> Self:
        """The same connection on behalf of somebody else; needs the right to impersonate. Closing it closes nothing."""
        client = copy.copy(self)
        client._shared = True
        client._headers = impersonation(user, groups, uid=uid, extra=extra)
        return client

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
        body = addressed(kind, obj)
        path = collection_path(kind, metadata(body).get("namespace"))
        return await self._ask("POST", path, _query(dryRun="All" if dry_run else ""), body)

    async def replace(
        self, kind: ResourceType, obj: Object, *, subresource: Literal["", "status"] = "", dry_run: bool = False
    ) -> Object:
        body = addressed(kind, obj)
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
        grace: int | None = None,
    ) -> Object:
        """An API server that removed the object at once says only what it was called and its uid; so does this."""
        options: Object = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": propagation}
        if wanted := _query(uid=uid, resourceVersion=resource_version):
            options["preconditions"] = wanted
        if grace is not None:
            options["gracePeriodSeconds"] = grace
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
        async with self._stream(collection_path(kind, namespace), query, quiet=QUIET_SECONDS) as lines:
            async for line in lines:
                yield event_of(line)

    async def close(self) -> None:
        if not self._shared:
            await self._connection.close()

    # Beyond the port: what only a real API server, or only ours, can do.

    async def apply(
        self, kind: ResourceType, obj: Object, *, field_manager: str, force: bool = False, dry_run: bool = False
    ) -> Object:
        """Server-side apply: `obj` holds the fields that `field_manager` owns, and nothing of what others do.

        Raises Conflict with each field that belongs to another manager; with `force` it is taken from them.
        """
        body = addressed(kind, obj)
        path = object_path(kind, metadata(body).get("namespace"), str(metadata(body).get("name") or ""))
        query = _query(fieldManager=field_manager, force="true" if force else "", dryRun="All" if dry_run else "")
        return await self._ask("PATCH", path, query, body, _APPLY)

    async def create_subresource(
        self, kind: ResourceType, namespace: str | None, name: str, subresource: str, body: Object
    ) -> Object:
        """Such as ``token`` of a ServiceAccount (TokenRequest) or ``eviction`` of a Pod. Returns what the server makes of `body`."""
        return await self._ask("POST", object_path(kind, namespace, name, subresource), None, body)

    async def get_path(self, path: str, query: Mapping[str, str] | None = None) -> bytes:
        """The body at any path, such as /version, /readyz or /apis. Raises ApiError for an answer that is no success."""
        return (await self._answer(Request("GET", path, query, headers=self._headers))).body

    async def stream_lines(self, path: str, query: Mapping[str, str] | None = None) -> AsyncGenerator[bytes, None]:
        """Lines of any endpoint of the server, such as the journal of a run. Raises ApiError."""
        async with self._stream(path, query or {}, quiet=None) as lines:
            async for line in lines:
                yield line

    @contextlib.asynccontextmanager
    async def _stream(self, path: str, query: Mapping[str, str], *, quiet: float | None) -> AsyncIterator[AsyncIterator[bytes]]:
        """Lines as they come. What goes wrong with the connection while they are read is raised as Unavailable."""
        try:
            async with await self._connection.stream(
                Request("GET", path, query, headers=self._headers), quiet=quiet
            ) as response:
                if response.status >= 400:
                    raise error_of(parsed(await response.read()), response.status)
                try:
                    yield split_lines(response.content.iter_any())
                finally:
                    hang_up(response)
        except LOST as error:
            raise self._connection.unavailable(error) from error

    async def _ask(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        content_type: str = "application/json",
    ) -> Object:
        if self._strict and method in ("POST", "PUT", "PATCH"):
            query = {**(query or {}), "fieldValidation": "Strict"}
        data = None if body is None else encoded(body)
        answer = await self._answer(Request(method, path, query, data, content_type, self._headers))
        found = parsed(answer.body)
        if not isinstance(found, dict):
            raise ApiError(f"the API server answered {answer.status} without a JSON object")
        return found

    async def _answer(self, request: Request) -> Answer:
        """A success. Raises ApiError for any other."""
        answer = await self._connection.ask(request)
        if self._warn is not None:
            for header in answer.headers.getall("Warning", ()):
                for found in _WARNING.findall(header):
                    self._warn(re.sub(r"\\(.)", r"\1", found))
        if answer.status >= 300:
            raise error_of(parsed(answer.body), answer.status)
        return answer


def _query(**values: str) -> dict[str, str]:
    return {key: value for key, value in values.items() if value}
