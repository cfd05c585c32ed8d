"""Installs and upgrades: stage by stage, each applied and then waited for."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sympozium_core import names
from sympozium_core.contracts.builtin_kinds import CONFIG_MAP, DEPLOYMENT, HORIZONTAL_POD_AUTOSCALER
from sympozium_core.contracts.cluster import NotFound, Object
from sympozium_core.errors import Permanent
from sympozium_core.installation import inventory, render
from sympozium_core.installation.inventory import Entry
from sympozium_core.installation.options import Options
from sympozium_core.installer import kinds
from sympozium_core.installer.applying import How, Outcome, apply
from sympozium_core.installer.installed import Installed
from sympozium_core.installer.waiting import LOOK_AGAIN, Say, until_ready
from sympozium_core.installer.webhook import webhook_fault

if TYPE_CHECKING:
    from sympozium_core.cluster.client import ClusterClient

KEPT = ("Namespace", "CustomResourceDefinition", "PersistentVolumeClaim")
"""Kinds whose deletion is the loss of data: never pruned."""


@dataclass
class Changes:
    """What became of the objects."""

    created: int = 0
    configured: int = 0
    unchanged: int = 0
    removed: int = 0

    def count(self, outcome: Outcome) -> None:
        match outcome:
            case Outcome.CREATED | Outcome.UNCHECKED:
                self.created += 1
            case Outcome.CONFIGURED:
                self.configured += 1
            case Outcome.UNCHANGED:
                self.unchanged += 1

    @property
    def any(self) -> bool:
        return bool(self.created or self.configured or self.removed)


@dataclass(frozen=True)
class Installation:
    """One go. `timeout` is for all the waiting together, in seconds."""

    cluster: ClusterClient
    options: Options
    how: How
    timeout: float
    say: Say

    async def carry_out(self, before: Installed | None, first: Sequence[Object] = ()) -> Changes:
        """`first` is what the operator brings beside the installation's own objects. Raises SympoziumError that says why it does not work."""
        changes = Changes()
        deadline = time.monotonic() + self.timeout
        stages = render.stages(self.options)
        new = [obj for stage in stages for obj in stage.objects]
        if before is not None and not self.how.dry_run:
            await self._announce(new)
        for number, stage in enumerate(stages):
            await self._apply(stage.objects, changes)
            await self._wake(stage.objects, changes)
            if number == 0:
                await self._apply(first, changes)
            if not self.how.dry_run:
                await until_ready(self.cluster, stage.objects, deadline, self.say)
        if before is not None:
            for entry in inventory.beyond(before.entries, new):
                await self._prune(entry, changes)
        if not self.how.dry_run:
            await self._webhook(deadline)
        return changes

    async def _apply(self, objects: Sequence[Object], changes: Changes) -> None:
        async for applied in apply(self.cluster, objects, self.how):
            changes.count(applied.outcome)
            if applied.outcome is not Outcome.UNCHANGED:
                self.say(f"{kinds.title(applied.obj)} {applied.outcome}{self._aside}")

    async def _announce(self, new: Sequence[Object]) -> None:
        """Into the inventory before anything is made: a go that breaks off leaves nothing that the next one does not know of."""
        found = await self.cluster.get(CONFIG_MAP, names.SYSTEM_NAMESPACE, inventory.NAME)
        announced = inventory.with_objects(found, new)
        if announced["data"] != found.get("data"):
            async for _ in apply(self.cluster, [announced], self.how):
                pass

    async def _wake(self, objects: Sequence[Object], changes: Changes) -> None:
        """What somebody has scaled to nothing, autoscalers leave alone."""
        for obj in objects:
            if obj["kind"] != HORIZONTAL_POD_AUTOSCALER.kind:
                continue
            name, namespace = obj["spec"]["scaleTargetRef"]["name"], obj["metadata"]["namespace"]
            least = obj["spec"]["minReplicas"]
            with suppress(NotFound):
                if (await self.cluster.get(DEPLOYMENT, namespace, name))["spec"].get("replicas") != 0:
                    continue
                patch = {"spec": {"replicas": least}}
                await self.cluster.patch(DEPLOYMENT, namespace, name, patch, dry_run=self.how.dry_run)
                changes.configured += 1
                self.say(f"deployment.apps/{name} scaled from 0 to {least}{self._aside}")

    async def _prune(self, entry: Entry, changes: Changes) -> None:
        if entry.kind in KEPT:
            return
        kind = kinds.find(entry.api_version, entry.kind)
        with suppress(NotFound):
            if not self.how.dry_run:
                await self.cluster.delete(kind, entry.namespace or None, entry.name)
            changes.removed += 1
            self.say(f"{kind.singular}/{entry.name} removed: it is needed no more{self._aside}")

    @property
    def _aside(self) -> str:
        return " (dry run)" if self.how.dry_run else ""

    async def _webhook(self, deadline: float) -> None:
        """The configuration needs the certificate authority from the controller, and an API server takes a moment to read it."""
        said = False
        while fault := await webhook_fault(self.cluster):
            if not said:
                self.say("  waiting for the webhook to answer")
                said = True
            if time.monotonic() > deadline:
                raise Permanent(f"the API server does not reach the webhook: {fault}", hint="sympozium doctor looks further")
            await asyncio.sleep(LOOK_AGAIN)
