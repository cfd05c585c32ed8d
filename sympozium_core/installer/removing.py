"""Takes an installation away, in an order in which nothing is left hanging: runs first, while there is a controller to end them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sympozium_core import names
from sympozium_core.contracts.builtin_kinds import (
    CLUSTER_ROLE,
    CLUSTER_ROLE_BINDING,
    CUSTOM_RESOURCE_DEFINITION,
    DEPLOYMENT,
    HORIZONTAL_POD_AUTOSCALER,
    JOB,
    LEASE,
    NAMESPACE,
    NETWORK_POLICY,
    PERSISTENT_VOLUME_CLAIM,
    POD,
    ROLE,
    ROLE_BINDING,
    SECRET,
    STATEFUL_SET,
)
from sympozium_core.contracts.cluster import ApiError, NotFound, Object, ResourceType, metadata
from sympozium_core.errors import Cause, Permanent, Refused
from sympozium_core.installation import inventory, render
from sympozium_core.installation.inventory import Entry
from sympozium_core.installation.options import Options, released_images
from sympozium_core.installer import kinds, runs
from sympozium_core.installer.installed import Installed, own_version
from sympozium_core.installer.waiting import LOOK_AGAIN, Say
from sympozium_core.reconcile.finalizers import remove_finalizer
from sympozium_core.resources.kinds import AGENT_RUN, OURS, SKILL_PACK

if TYPE_CHECKING:
    from sympozium_core.cluster.client import ClusterClient

SHOWN = 5
LEASES = ("sympozium-controller",)
"""Made by the processes themselves."""
OURS_BY_LABEL = f"{names.LABEL_MANAGED_BY}={names.MANAGED_BY}"
OF_THE_INSTALLATION = f"{names.LABEL_PART_OF}={names.MANAGED_BY},{OURS_BY_LABEL}"
AFTER_PODS, LAST = 2, 3
_WORKLOADS = (HORIZONTAL_POD_AUTOSCALER.kind, DEPLOYMENT.kind, STATEFUL_SET.kind)
_APART = (NAMESPACE.kind, CUSTOM_RESOURCE_DEFINITION.kind, JOB.kind)
"""Data; and Jobs, of which an upgrade that broke off may have left more than the inventory knows: they are found by their labels."""
_OF_RUNS = (ROLE_BINDING, CLUSTER_ROLE_BINDING, ROLE, CLUSTER_ROLE)
_FINALIZED = "runs could not be ended by their controller; what they left on the bus stays there"


@dataclass(frozen=True)
class Removal:
    """One go. `timeout` is in seconds, for all the waiting together."""

    cluster: ClusterClient
    say: Say
    timeout: float
    delete_data: bool = False
    wait: bool = False
    """For runs that are going, instead of refusing."""
    force: bool = False
    """Cancel them, and go on even where the controller does not clear them away."""
    dry_run: bool = False

    async def carry_out(self, before: Installed | None) -> int:
        """Returns how many objects went. Raises Refused while runs are going, Permanent for what does not go, ApiError."""
        deadline = time.monotonic() + self.timeout
        await self._end_runs(deadline)
        gone = 0
        if self.delete_data:
            gone += await self._delete_objects(deadline)
        entries = before.entries if before is not None and before.entries else self._usual()
        machinery = [entry for entry in reversed(entries) if entry.kind not in _APART]
        for rank in range(LAST + 1):
            if rank == AFTER_PODS:
                gone += await self._delete_labelled(JOB)  # whose pods may never end
                await self._until_pods_gone(deadline)  # a controller makes again what it misses
                gone += await self._delete_what_was_made()
            for entry in machinery:
                if _rank(entry) == rank:
                    kind = kinds.find(entry.api_version, entry.kind)
                    gone += await self._delete(kind, entry.namespace or None, entry.name)
        if self.delete_data:
            gone += await self._delete_data(deadline)
        elif not self.dry_run:
            await self._let_go()
        return gone

    def _usual(self) -> list[Entry]:
        """Where no inventory tells: a first installation was given up half-way."""
        options = Options(own_version(), released_images(own_version()))
        return [Entry.of(obj) for obj in render.everything(options)]

    async def _end_runs(self, deadline: float) -> None:
        going = await runs.going(self.cluster)
        if not going or self.dry_run:
            return
        if self.force:
            self.say(f"cancelling {len(going)} runs")
            await runs.cancel(self.cluster, going)
        elif not self.wait:
            shown = ", ".join(map(runs.called, going[:SHOWN])) + (" …" if len(going) > SHOWN else "")
            hint = "--wait waits for them, --force cancels them"
            raise Refused([Cause("", f"{len(going)} runs are going: {shown}", hint)])
        else:
            self.say(f"waiting for {len(going)} runs to end")
        left = await runs.until_over(
            self.cluster, deadline if self.wait else min(deadline, time.monotonic() + self.timeout / 2)
        )
        if left and not self.force:
            raise Permanent(f"{len(left)} runs have not ended in time: {', '.join(map(runs.called, left[:SHOWN]))}")

    async def _delete_objects(self, deadline: float) -> int:
        """Everything that people have made, runs first: their controller clears up after each."""
        gone = 0
        for kind in (AGENT_RUN, *(kind for kind in OURS if kind is not AGENT_RUN)):
            found = await self._of_people(kind)
            for obj in found:
                gone += await self._delete(kind, metadata(obj)["namespace"], metadata(obj)["name"])
            if found and not self.dry_run:
                await self._until_gone(kind, deadline)
        return gone

    async def _of_people(self, kind: ResourceType) -> list[Object]:
        """But for the SkillPacks of installed packages, which their controller would make again."""
        return [obj for obj in await runs.all_of(self.cluster, kind) if not _is_of_a_package(obj)]

    async def _until_gone(self, kind: ResourceType, deadline: float) -> None:
        patience = min(deadline, time.monotonic() + self.timeout / 2)
        while left := await self._of_people(kind):
            if time.monotonic() > patience:
                if not self.force:
                    shown = ", ".join(map(runs.called, left[:SHOWN]))
                    raise Permanent(
                        f"{len(left)} {kind.plural} do not go: {shown}",
                        hint="is the controller at work? sympozium status; --force gives up on what it should clear away",
                    )
                self.say(f"warning: {_FINALIZED}")
                await self._strip(kind, left)
            await asyncio.sleep(LOOK_AGAIN)

    async def _let_go(self) -> None:
        """Without a controller, an object that waits for one could never be deleted."""
        await self._strip(AGENT_RUN, await runs.all_of(self.cluster, AGENT_RUN))

    async def _strip(self, kind: ResourceType, objects: Iterable[Object]) -> None:
        for obj in objects:
            with suppress(NotFound):
                await remove_finalizer(self.cluster, kind, obj, names.FINALIZER_RUN)

    async def _until_pods_gone(self, deadline: float) -> None:
        while not self.dry_run and (left := await self._listed(POD, names.SYSTEM_NAMESPACE, OF_THE_INSTALLATION)):
            if time.monotonic() > deadline:
                raise Permanent(f"{len(left)} pods do not end: {', '.join(map(runs.called, left[:SHOWN]))}")
            await asyncio.sleep(LOOK_AGAIN)

    async def _delete_what_was_made(self) -> int:
        """What the processes have made by themselves, and no object of anybody's owns."""
        gone = 0
        home = names.SYSTEM_NAMESPACE
        gone += await self._delete_labelled(SECRET)
        for pack in await self._listed(SKILL_PACK, home, OURS_BY_LABEL):
            gone += await self._delete(SKILL_PACK, home, metadata(pack)["name"])
        for lease in LEASES:
            gone += await self._delete(LEASE, home, lease)
        for obj in await self._listed(NETWORK_POLICY, None, f"{OURS_BY_LABEL},{names.LABEL_COMPONENT}={names.COMPONENT_RUN}"):
            gone += await self._delete(NETWORK_POLICY, metadata(obj)["namespace"], metadata(obj)["name"])
        for kind in _OF_RUNS:
            for obj in await self._listed(kind, None, f"{OURS_BY_LABEL},{names.LABEL_RUN_UID}"):
                gone += await self._delete(kind, metadata(obj).get("namespace"), metadata(obj)["name"])
        return gone

    async def _delete_labelled(self, kind: ResourceType) -> int:
        home = names.SYSTEM_NAMESPACE
        found = await self._listed(kind, home, OF_THE_INSTALLATION)
        return sum([await self._delete(kind, home, metadata(obj)["name"]) for obj in found])

    async def _delete_data(self, deadline: float) -> int:
        gone = 0
        for kind in OURS:
            gone += await self._delete(CUSTOM_RESOURCE_DEFINITION, None, kind.resource)
        home = names.SYSTEM_NAMESPACE
        for claim in await self._listed(PERSISTENT_VOLUME_CLAIM, home, f"app.kubernetes.io/name={names.MANAGED_BY}"):
            gone += await self._delete(PERSISTENT_VOLUME_CLAIM, home, metadata(claim)["name"])
        gone += await self._delete(NAMESPACE, None, home)
        while not self.dry_run and await self._is_there(NAMESPACE, home):
            if time.monotonic() > deadline:
                raise Permanent(f"namespace {home} does not go", hint=f"kubectl get namespace {home} -o yaml tells why")
            await asyncio.sleep(LOOK_AGAIN)
        return gone

    async def _is_there(self, kind: ResourceType, name: str) -> bool:
        try:
            await self.cluster.get(kind, None, name)
        except NotFound:
            return False
        return True

    async def _listed(self, kind: ResourceType, namespace: str | None, labels: str) -> Sequence[Object]:
        try:
            return (await self.cluster.list(kind, namespace, labels=labels)).items
        except NotFound:
            return []

    async def _delete(self, kind: ResourceType, namespace: str | None, name: str) -> int:
        try:
            if self.dry_run:
                await self.cluster.get(kind, namespace, name)
            else:
                await self.cluster.delete(kind, namespace, name)
        except NotFound:
            return 0
        except ApiError as error:
            raise type(error)(f"{kind.singular}/{name}: {error.message}", causes=error.causes, hint=error.hint) from error
        self.say(f"{kind.singular}/{name} {'would be removed' if self.dry_run else 'removed'}")
        return 1


def _is_of_a_package(obj: Object) -> bool:
    meta = metadata(obj)
    return meta.get("namespace") == names.SYSTEM_NAMESPACE and names.ANNOTATION_PACKAGE in (meta.get("annotations") or {})


def _rank(entry: Entry) -> int:
    """What guards writes goes before who answers for it; the inventory last, so that a removal that breaks off can be given again."""
    if entry.api_version.startswith("admissionregistration"):
        return 0
    if entry.kind in _WORKLOADS:
        return 1
    return LAST if entry.name == inventory.NAME else AFTER_PODS
