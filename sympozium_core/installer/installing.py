"""Installs and upgrades: stage by stage, each applied and then waited for."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

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
        for number, stage in enumerate(stages):
            await self._apply(stage.objects, changes)
            if number == 0:
                await self._apply(first, changes)
            if not self.how.dry_run:
                await until_ready(self.cluster, stage.objects, deadline, self.say)
        if before is not None:
            new = [obj for stage in stages for obj in stage.objects]
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

    async def _prune(self, entry: Entry, changes: Changes) -> None:
        if entry.kind in KEPT:
            return
        kind = kinds.find(entry.api_version, entry.kind)
        with suppress(NotFound):
            if not self.how.dry_run:
                await self.cluster.delete(kind, entry.namespace or None, entry.name)
            changes.removed += 1
            self.say(f"{kind.singular}/{entry.name} removed: this version has it no more{self._aside}")

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
