"""Leader election on a Lease (coordination.k8s.io/v1): of several equal processes one works.

The rules are client-go's (https://pkg.go.dev/k8s.io/client-go/tools/leaderelection): nobody compares clocks of two machines. A candidate
measures with its own clock for how long it has not seen the Lease change; the leader counts from the moment before its last
successful write was sent and stops working at `renew_deadline`, which is shorter than what candidates wait. What is left is a leader
that cannot stop in `lease - renew_deadline` seconds: writes by resourceVersion and fenced appends are what guards against that.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from sympozium_core.clock import Clock, SystemClock, rfc3339_micro
from sympozium_core.contracts.builtin_kinds import LEASE
from sympozium_core.contracts.cluster import AlreadyExists, ApiError, Cluster, Conflict, NotFound, Object, metadata
from sympozium_core.errors import Temporary

log = logging.getLogger(__name__)


def _elapsed_clock() -> float:
    """Seconds that go on while the machine sleeps, unlike `time.monotonic` on Linux: a laptop that wakes up must not think it still leads."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


@dataclass(frozen=True)
class Timing:
    """Seconds. `lease` > `renew_deadline` > `retry`."""

    lease: float = 15.0
    renew_deadline: float = 10.0
    retry: float = 2.0

    def __post_init__(self) -> None:
        if not self.lease > self.renew_deadline > self.retry > 0:
            raise ValueError(f"{self}: lease must be longer than renew_deadline, and that longer than retry")


class LostLeadership(Temporary):
    """The Lease could not be renewed in time, or somebody else has it: the work was cancelled."""


class Elector:
    """`identity` is unlike any other process's, also any earlier one's of the same host."""

    def __init__(
        self,
        cluster: Cluster,
        namespace: str,
        name: str,
        identity: str,
        *,
        timing: Timing | None = None,
        clock: Clock | None = None,
        elapsed: Callable[[], float] = _elapsed_clock,
    ) -> None:
        self.identity = identity
        self.holder = ""
        """Who had the Lease when it was read last; empty when nobody."""
        self._cluster = cluster
        self._namespace = namespace
        self._name = name
        self._timing = timing or Timing()
        self._clock = clock or SystemClock()
        self._elapsed = elapsed
        self._observed: tuple[str, str] = ("", "")  # uid, resourceVersion of the Lease
        self._observed_at = 0.0
        self._renewed_at = -math.inf
        self._leading = False

    def is_leader(self) -> bool:
        """Whether this process may work now. By the clock, so it is right even when the event loop was stuck."""
        return self._leading and self._elapsed() < self._renewed_at + self._timing.renew_deadline

    async def lead(self, work: Callable[[], Awaitable[None]]) -> None:
        """Waits for its turn, does `work` while it lasts, gives the Lease back.

        Returns when `work` returns and raises what it raises. Raises LostLeadership after cancelling the work: call again to stand again.
        """
        await self._acquire()
        log.info("%s leads %s/%s", self.identity, self._namespace, self._name)
        self._leading = True
        working = asyncio.ensure_future(work())
        renewing = asyncio.create_task(self._renew(), name=f"renew lease {self._name}")
        try:
            await asyncio.wait((working, renewing), return_when=asyncio.FIRST_COMPLETED)
            lost = renewing.done()
        finally:
            self._leading = False
            await _cancel(working)
            await _cancel(renewing)
            await self._release()
        if lost:
            renewing.result()
        working.result()

    async def _acquire(self) -> None:
        while True:
            try:
                if await self._try() and self._left() > 0:
                    return
            except ApiError as error:
                log.warning("%s cannot stand for %s/%s: %s", self.identity, self._namespace, self._name, error)
            await asyncio.sleep(self._timing.retry)

    async def _renew(self) -> None:
        """Returns never; raises LostLeadership."""
        while True:
            await asyncio.sleep(min(self._timing.retry, self._left()))
            problem = "no time was left"
            try:
                async with asyncio.timeout(max(self._left(), 0)):
                    if await self._try():
                        continue
                problem = f"{self.holder or 'nobody'} has it"
                if self.holder != self.identity:
                    raise LostLeadership(f"{self.identity} lost {self._namespace}/{self._name}: {problem}")
            except TimeoutError:
                problem = "the cluster did not answer in time"
            except ApiError as error:
                problem = str(error)
            if self._left() <= 0:
                raise LostLeadership(f"{self.identity} could not renew {self._namespace}/{self._name}: {problem}")

    def _left(self) -> float:
        return self._renewed_at + self._timing.renew_deadline - self._elapsed()

    async def _try(self) -> bool:
        """Takes or renews the Lease if that is allowed. Raises ApiError for what is not simply somebody else's being faster."""
        sent = self._elapsed()
        try:
            lease = await self._cluster.get(LEASE, self._namespace, self._name)
        except NotFound:
            return await self._write(None, sent)
        self._observe(lease)
        if self.holder not in ("", self.identity) and self._elapsed() < self._observed_at + self._patience(lease):
            return False
        return await self._write(lease, sent)

    async def _write(self, lease: Object | None, sent: float) -> bool:
        try:
            if lease is None:
                written = await self._cluster.create(LEASE, self._object(None))
            else:
                written = await self._cluster.replace(LEASE, self._object(lease))
        except (AlreadyExists, Conflict, NotFound):
            return False
        self._observe(written)
        self._renewed_at = sent
        return True

    def _observe(self, lease: Object) -> None:
        self.holder = _spec(lease).get("holderIdentity") or ""
        observed = (metadata(lease).get("uid", ""), metadata(lease).get("resourceVersion", ""))
        if observed != self._observed:
            self._observed = observed
            self._observed_at = self._elapsed()

    def _patience(self, lease: Object) -> float:
        """What the holder believes to have, or what we would: the longer, so that two settings never overlap."""
        seconds = _spec(lease).get("leaseDurationSeconds")
        return max(self._timing.lease, seconds if isinstance(seconds, int) else 0)

    def _object(self, lease: Object | None) -> Object:
        spec = _spec(lease) if lease is not None else {}
        now = rfc3339_micro(self._clock.now())
        ours = spec.get("holderIdentity") == self.identity
        transitions = spec.get("leaseTransitions") or 0
        return {
            "apiVersion": LEASE.api_version,
            "kind": LEASE.kind,
            "metadata": {"name": self._name, "namespace": self._namespace} if lease is None else metadata(lease),
            "spec": {
                **spec,
                "holderIdentity": self.identity,
                "leaseDurationSeconds": math.ceil(self._timing.lease),
                "acquireTime": spec.get("acquireTime") or now if ours else now,
                "renewTime": now,
                "leaseTransitions": transitions if ours or lease is None else transitions + 1,
            },
        }

    async def _release(self) -> None:
        """Lets the next one in at once, when the Lease is still ours. Best effort: it runs out by itself."""
        self._renewed_at = -math.inf
        with suppress(ApiError, TimeoutError):
            async with asyncio.timeout(self._timing.retry):
                lease = await self._cluster.get(LEASE, self._namespace, self._name)
                if _spec(lease).get("holderIdentity") == self.identity:
                    lease["spec"] = {**_spec(lease), "holderIdentity": "", "leaseDurationSeconds": 1}
                    await self._cluster.replace(LEASE, lease)


def _spec(lease: Object) -> dict[str, Any]:
    found = lease.get("spec")
    return found if isinstance(found, dict) else {}


async def _cancel(task: asyncio.Future[None]) -> None:
    """Ends a task and waits for it; its outcome stays in it."""
    if not task.done():
        task.cancel()
        await asyncio.wait((task,))
