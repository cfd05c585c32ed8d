"""Events: what people see under ``describe``. Best effort by design: recording never waits, never fails a reconcile, and is bounded.

Equal Events are counted in one object (`count`, `lastTimestamp`), as client-go's correlator does; an object that causes too many different
ones is cut short. Messages reach every reader of the namespace: no prompt, no secret.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from sympozium_core.clock import Clock, SystemClock, rfc3339
from sympozium_core.contracts.builtin_kinds import EVENT
from sympozium_core.contracts.cluster import ApiError, Cluster, NotFound, ResourceType, metadata
from sympozium_core.names import DEFAULT_NAMESPACE

MAX_MESSAGE = 1024
MAX_PENDING = 10_000
MAX_KNOWN = 4096
BURST = 25
REFILL = 30.0
"""Seconds after which an object may cause one more Event, once it has spent its burst."""
RESTS, LONGEST_REST = 2.0, 1.0
"""How many times as long as an Event took the next one waits, and the most in seconds: what is told must not hold up what is done."""

log = logging.getLogger(__name__)


class _Same(NamedTuple):
    """What makes two Events equal."""

    uid: str
    type: str
    reason: str
    message: str


@dataclass
class _Pending:
    involved: dict[str, Any]
    count: int
    first: float
    last: float


@dataclass
class _Known:
    namespace: str
    name: str
    count: int


class EventRecorder:
    """`component` is who speaks. Run `run` as a task; `close` writes what is left."""

    def __init__(self, cluster: Cluster, component: str, *, instance: str = "", clock: Clock | None = None) -> None:
        self.written = 0
        self.dropped = 0
        self._cluster = cluster
        self._component = component
        self._instance = instance or component
        self._clock = clock or SystemClock()
        self._pending: OrderedDict[_Same, _Pending] = OrderedDict()
        self._known: OrderedDict[_Same, _Known] = OrderedDict()
        self._tokens: OrderedDict[str, tuple[float, float]] = OrderedDict()  # uid: tokens left, at (monotonic)
        self._work = asyncio.Event()
        self._turn = asyncio.Lock()
        self._closed = False

    def record(
        self, kind: ResourceType, obj: Mapping[str, Any], type: Literal["Normal", "Warning"], reason: str, message: str
    ) -> None:
        """Notes an Event about `obj`; `reason` is one CamelCase word. Returns at once; drops it when there are too many."""
        meta = metadata(obj)
        same = _Same(meta.get("uid") or f"{meta.get('namespace')}/{meta.get('name')}", type, reason, message[:MAX_MESSAGE])
        now = self._clock.now()
        pending = self._pending.get(same)
        if pending is not None:
            pending.count += 1
            pending.last = now
        elif self._closed or len(self._pending) >= MAX_PENDING or not self._allowed(same.uid):
            self.dropped += 1
        else:
            self._pending[same] = _Pending(_reference(kind, meta), 1, now, now)
            self._work.set()

    async def run(self) -> None:
        """Writes Events until cancelled or closed."""
        while not self._closed:
            await self._work.wait()
            self._work.clear()
            await self._drain(RESTS)

    async def close(self, timeout: float = 2.0) -> None:
        """Takes nothing more in and writes what is left, for at most `timeout` seconds."""
        self._closed = True
        self._work.set()
        try:
            async with asyncio.timeout(timeout):
                await self._drain()
        except TimeoutError:
            self.dropped += len(self._pending)
            self._pending.clear()
            log.warning("%s: some Events could not be written in time", self._component)

    def _allowed(self, uid: str) -> bool:
        """A token bucket per object."""
        now = self._clock.monotonic()
        tokens, at = self._tokens.pop(uid, (float(BURST), now))
        tokens = min(BURST, tokens + (now - at) / REFILL)
        allowed = tokens >= 1
        self._tokens[uid] = (tokens - 1 if allowed else tokens, now)
        while len(self._tokens) > MAX_KNOWN:
            self._tokens.popitem(last=False)
        return allowed

    async def _drain(self, rests: float = 0.0) -> None:
        while self._pending:
            begun = self._clock.monotonic()
            await self._write_next()
            await asyncio.sleep(min(rests * (self._clock.monotonic() - begun), LONGEST_REST))

    async def _write_next(self) -> None:
        async with self._turn:
            if self._pending:
                same, pending = self._pending.popitem(last=False)
                try:
                    await self._write(same, pending)
                    self.written += 1
                except ApiError as error:
                    self.dropped += 1
                    log.info("an Event (%s) could not be written: %s", same.reason, error)
                except Exception:
                    self.dropped += 1
                    log.exception("an Event (%s) could not be written", same.reason)

    async def _write(self, same: _Same, pending: _Pending) -> None:
        known = self._known.pop(same, None)
        if known is not None:
            patch = {"count": known.count + pending.count, "lastTimestamp": rfc3339(pending.last)}
            try:
                await self._cluster.patch(EVENT, known.namespace, known.name, patch)
            except NotFound:  # Events expire
                known = None
            else:
                known.count += pending.count
        if known is None:
            known = await self._create(same, pending)
        self._known[same] = known
        while len(self._known) > MAX_KNOWN:
            self._known.popitem(last=False)

    async def _create(self, same: _Same, pending: _Pending) -> _Known:
        involved = pending.involved
        namespace = involved.get("namespace") or DEFAULT_NAMESPACE
        name = f"{involved['name'][:230].rstrip('-.')}.{secrets.token_hex(8)}"
        await self._cluster.create(
            EVENT,
            {
                "apiVersion": EVENT.api_version,
                "kind": EVENT.kind,
                "metadata": {"name": name, "namespace": namespace},
                "involvedObject": involved,
                "type": same.type,
                "reason": same.reason,
                "message": same.message,
                "count": pending.count,
                "firstTimestamp": rfc3339(pending.first),
                "lastTimestamp": rfc3339(pending.last),
                "source": {"component": self._component},
                "reportingComponent": self._component,
                "reportingInstance": self._instance,
            },
        )
        return _Known(namespace, name, pending.count)


def _reference(kind: ResourceType, meta: Mapping[str, Any]) -> dict[str, Any]:
    reference = {"apiVersion": kind.api_version, "kind": kind.kind, "name": meta.get("name", "")}
    for field, source in (("namespace", "namespace"), ("uid", "uid"), ("resourceVersion", "resourceVersion")):
        if meta.get(source):
            reference[field] = meta[source]
    return reference
