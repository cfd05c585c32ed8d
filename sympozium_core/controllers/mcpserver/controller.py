"""Reconciles an MCPServer: has it run, asks it by way of a gateway what it has, and writes that down.

A server that was ready is asked once more before it is said not to be: a run that is planned in that moment would go without its tools.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sympozium_core.backoff import BackOff
from sympozium_core.bus import subjects
from sympozium_core.bus.calls import call_once
from sympozium_core.clock import Clock
from sympozium_core.contracts.bus import Bus, NoResponders
from sympozium_core.contracts.cluster import Cluster, Conflict, NotFound
from sympozium_core.contracts.mcp import McpServer, offered_name
from sympozium_core.controllers.mcpserver.host import Deployed, Host
from sympozium_core.errors import SympoziumError
from sympozium_core.planning.mcp import server_of
from sympozium_core.reconcile.cache import View
from sympozium_core.reconcile.conditions import get_condition, with_condition, without_condition
from sympozium_core.reconcile.controller import DONE, Controller, Options, Result, Source
from sympozium_core.reconcile.events import EventRecorder
from sympozium_core.reconcile.informer import Informer
from sympozium_core.reconcile.key import Key
from sympozium_core.reconcile.patching import patch_status
from sympozium_core.resources import load
from sympozium_core.resources.kinds import MCP_SERVER

DEPLOYED, READY, SUSPENDED = "Deployed", "Ready", "Suspended"
SECONDS = 30.0
"""For one look at what a server has."""
LOOK_AGAIN = 120.0
"""Seconds between two looks at one that is well."""
TOLERATED = 1
"""Failures in a row of one that was ready which say nothing yet."""
BACK_OFF = BackOff(first=1.0, longest=300.0)
SETTLE = 25.0
"""Seconds that a run waits for the first look at a server: one that is run here may have to start."""
AT_ONCE = 8


Private = Callable[[str], Awaitable[tuple[str, ...]]]


@dataclass(frozen=True)
class Looked:
    """What came of asking a server."""

    ready: bool
    reason: str
    message: str
    found: Mapping[str, Any] | None = None


class McpServers:
    def __init__(
        self,
        cluster: Cluster,
        bus: Bus,
        servers: Informer,
        private: Private,
        host: Host,
        *,
        events: EventRecorder,
        clock: Clock,
        remote: bool = False,
        look_again: float = LOOK_AGAIN,
        sources: Iterable[Source] = (),
    ) -> None:
        """`private` says which ranges of addresses are open to the servers of a namespace. `remote`: servers outlive this process, as they do on a cluster. `sources` are what the host makes, whose changes concern the servers that it makes them for."""
        self._cluster, self._bus, self._servers, self._private, self._host = cluster, bus, servers, private, host
        self._events, self._clock, self._look_again = events, clock, look_again
        self._remote = remote
        self._failures: dict[str, int] = {}
        """In a row, by UID."""
        self._looked_at: dict[str, int] = {}
        """By UID the generation that this process has looked at last."""
        self._news = asyncio.Event()

        self.controller = Controller(
            "mcp servers",
            servers,
            self._reconcile,
            sources=tuple(sources),
            options=Options(workers=AT_ONCE, concerns=_concerns),
        )

    def look_at(self, key: Key) -> None:
        """Something has happened to what is run for this server."""
        self.controller.enqueue(key)

    async def settled(self, server: View) -> None:
        """Returns when the server has been looked at as it is now, or that takes long: for whoever is about to use what its status says. Where a
        server is another one's process, an earlier status still holds."""
        uid, generation = str(server["metadata"]["uid"]), int(server["metadata"].get("generation") or 0)
        ready = get_condition(server.get("status") or {}, READY)
        if self._remote and ready is not None and ready.get("observedGeneration") == generation:
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SETTLE):
                while self._looked_at.get(uid, -1) < generation:
                    self._news.clear()
                    await self._news.wait()

    async def _reconcile(self, key: Key) -> Result:
        found = self._servers.cache.get(key)
        if found is None or found["metadata"].get("deletionTimestamp"):
            await self._host.forget(key.namespace, key.name)
            return DONE
        result = await self._bring_on(key, found)
        self._looked_at[str(found["metadata"]["uid"])] = int(found["metadata"].get("generation") or 0)
        self._news.set()
        return result

    async def _bring_on(self, key: Key, found: View) -> Result:
        server = load.normalise(found)
        status: dict[str, Any] = {**(found.get("status") or {})}
        managed, suspended = server["spec"].get("deployment") is not None, bool(server["spec"].get("suspended"))
        deployed = await self._deployed(server) if managed else None
        if deployed is None:
            await self._host.forget(key.namespace, key.name)
        status = self._with_deployed(status, server, deployed)
        if suspended:
            looked = Looked(False, "Suspended", "spec.suspended is true")
        elif deployed is not None and not deployed.ready:
            looked = Looked(False, "NotDeployed", deployed.message)
        else:
            looked = await self._look(server)
        result, tolerated = self._next(found, looked, suspended=suspended)
        if not tolerated:
            status = self._with_looked(status, server, looked, deployed)
            self._tell(found, looked)
        with contextlib.suppress(NotFound, Conflict):
            await patch_status(self._cluster, MCP_SERVER, found, status, unconditional=True)
        return result

    async def _deployed(self, server: View) -> Deployed:
        try:
            return await self._host.ensure(server)
        except SympoziumError as error:
            return Deployed(False, "Failed", str(error))

    async def _look(self, server: View) -> Looked:
        """Of a gateway, which alone has the way there and the credentials."""
        meta = server["metadata"]
        subject = subjects.request(meta["uid"], subjects.DISCOVER)
        try:
            private = await self._private(meta["namespace"])
            asked = {"namespace": meta["namespace"], "name": meta["name"], "private": list(private)}
            data = await call_once(self._bus, subject, json.dumps(asked).encode(), deadline=time.time() + SECONDS)
            told = json.loads(data)
        except NoResponders:
            return Looked(False, "NoGateway", "no gateway is there to ask it")
        except SympoziumError as error:
            return Looked(False, "Unavailable" if error.reason != "Timeout" else "Timeout", str(error))
        return Looked(True, "Answers", f"it has {len(told['tools'])} tools", told)

    def _next(self, server: View, looked: Looked, *, suspended: bool) -> tuple[Result, bool]:
        """When to look again, and whether what was seen may be passed over for now."""
        uid = str(server["metadata"]["uid"])
        if suspended or looked.ready:
            self._failures.pop(uid, None)
            return (DONE if suspended else Result(requeue_after=self._look_again)), False
        failures = self._failures[uid] = self._failures.get(uid, 0) + 1
        was_ready = bool((server.get("status") or {}).get("ready")) and looked.reason != "NotDeployed"
        return Result(requeue_after=BACK_OFF.delay(failures)), was_ready and failures <= TOLERATED

    def _with_deployed(self, status: Mapping[str, Any], server: View, deployed: Deployed | None) -> dict[str, Any]:
        generation, now = server["metadata"].get("generation"), self._clock.now()
        suspended = bool(server["spec"].get("suspended"))
        told = {"reason": "Suspended", "message": "spec.suspended is true"} if suspended else {"reason": "NotSuspended"}
        made = with_condition(status, SUSPENDED, suspended, generation=generation, now=now, **told)
        if deployed is None:
            return without_condition(made, DEPLOYED)
        return with_condition(
            made, DEPLOYED, deployed.ready, reason=deployed.reason, message=deployed.message, generation=generation, now=now
        )

    def _with_looked(
        self, status: Mapping[str, Any], server: View, looked: Looked, deployed: Deployed | None
    ) -> dict[str, Any]:
        url = deployed.url if deployed is not None else server["spec"].get("url") or ""
        made = with_condition(
            {**status, "ready": looked.ready, "url": url.partition("?")[0]},
            READY,
            looked.ready,
            reason=looked.reason,
            message=looked.message,
            generation=server["metadata"].get("generation"),
            now=self._clock.now(),
        )
        return {**made, **_tools(server_of(server), looked.found)} if looked.found is not None else made

    def _tell(self, server: View, looked: Looked) -> None:
        before = get_condition(server.get("status") or {}, READY)
        if before is None or (before.get("status") == "True") != looked.ready or before.get("reason") != looked.reason:
            well = looked.ready or looked.reason == "Suspended"
            self._events.record(
                MCP_SERVER, server, "Normal" if well else "Warning", "Ready" if looked.ready else looked.reason, looked.message
            )


def _tools(server: McpServer, found: Mapping[str, Any]) -> dict[str, Any]:
    details = [
        {**tool, "offeredAs": offered_name(server.prefix, tool["name"]) if server.lists(tool["name"]) else None}
        for tool in found["tools"]
    ]
    return {
        "tools": [tool["name"] for tool in details],
        "toolDetails": [{key: value for key, value in tool.items() if value not in (None, "")} for tool in details],
        "toolCount": sum(tool["offeredAs"] is not None for tool in details),
        "protocol": found.get("protocol") or None,
        "software": found.get("software") or None,
    }


def _concerns(old: View | None, new: View | None) -> bool:
    """Whether a change is news here: the status is written here."""
    if old is None or new is None:
        return True
    return any(old["metadata"].get(field) != new["metadata"].get(field) for field in ("generation", "deletionTimestamp"))
