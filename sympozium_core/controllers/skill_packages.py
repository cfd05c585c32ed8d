"""SkillPacks: how many skills each has; and installed skill packages as SkillPacks of the control plane's namespace: what pip has installed,
`get skillpacks` shows.

Such an object says by an annotation which package it is of, and goes with it. What somebody has applied under the name of a package is
theirs and is left alone. Whether a package changed is told without importing it, so that most starts import none.
"""

from __future__ import annotations

import asyncio
import hashlib
import importlib.util
import logging
import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from sympozium_core.contracts.cluster import AlreadyExists, Cluster, NotFound, Object
from sympozium_core.contracts.skill import Skill
from sympozium_core.errors import Permanent
from sympozium_core.names import ANNOTATION_PACKAGE, GROUP_SKILLS, LABEL_MANAGED_BY, MANAGED_BY, SYSTEM_NAMESPACE
from sympozium_core.reconcile.key import Key
from sympozium_core.registry.catalogue import Installed, installed
from sympozium_core.registry.drivers import Drivers
from sympozium_core.resources.kinds import SKILL_PACK
from sympozium_core.resources.skill_folder import INSTRUCTIONS, PACK, SKILLS, read_skill_folder

if TYPE_CHECKING:
    from sympozium_core.reconcile.cache import View
    from sympozium_core.reconcile.controller import Controller
    from sympozium_core.reconcile.informer import Informer

log = logging.getLogger(__name__)


class SkillPackages:
    """What is installed is looked up once: a process knows the packages that were there when it started."""

    def __init__(
        self, cluster: Cluster, skills: Drivers[Skill], *, found: Callable[[], Iterable[Installed]] | None = None
    ) -> None:
        self._cluster, self._skills = cluster, skills
        entries = found() if found is not None else installed([GROUP_SKILLS])
        self._installed = {entry.name: entry for entry in entries if not entry.conflicts}

    async def publish(self) -> None:
        """Makes the objects say what is installed, once."""
        objects = (await self._cluster.list(SKILL_PACK, SYSTEM_NAMESPACE)).items
        before = {pack["metadata"]["name"]: pack for pack in objects}
        for name in sorted({*self._installed, *before}):
            pack = await self._settle(name, before.get(name))
            if pack is not None:
                await self._count(pack)

    def controller(self, packs: Informer) -> Controller:
        """Keeps them so: who deletes one finds it there again, as long as its package is installed."""
        from sympozium_core.reconcile.controller import DONE, Controller, Options, Result  # commands only publish

        async def reconcile(key: Key) -> Result:
            found = packs.cache.get(key)
            if key.namespace == SYSTEM_NAMESPACE:
                found = await self._settle(key.name, found)
            if found is not None:
                await self._count(found)
            return DONE

        made = Controller("skill packs", packs, reconcile, options=Options(workers=1))
        for name in self._installed:
            made.enqueue(Key(SYSTEM_NAMESPACE, name))
        return made

    async def _settle(self, name: str, found: View | None) -> View | None:
        """What is there under that name now."""
        package = (found["metadata"].get("annotations") or {}).get(ANNOTATION_PACKAGE) if found is not None else None
        if found is not None and package is None:
            return found  # somebody's own
        entry = self._installed.get(name)
        if entry is None:
            if found is not None:
                await self._remove(found)
            return None
        mark = f"{entry.distribution} {entry.version} {_fingerprint(entry)}".strip()
        if package == mark:
            return found
        try:
            wanted = await asyncio.to_thread(self._read, name, mark)
        except Permanent as error:
            log.warning("skill %s of package %s %s: %s", name, entry.distribution, entry.version, error)
            return found
        return await self._write(wanted, found)

    def _read(self, name: str, mark: str) -> Object:
        pack = read_skill_folder(self._skills.get(name).folder())
        if pack["metadata"].get("name") != name:
            raise Permanent(f"its SkillPack is named {pack['metadata'].get('name')!r}", hint=f"metadata: {{name: {name}}}")
        labels = {**(pack["metadata"].get("labels") or {}), LABEL_MANAGED_BY: MANAGED_BY}
        annotations = {**(pack["metadata"].get("annotations") or {}), ANNOTATION_PACKAGE: mark}
        return {**pack, "metadata": {"name": name, "namespace": SYSTEM_NAMESPACE, "labels": labels, "annotations": annotations}}

    async def _write(self, wanted: Object, found: View | None) -> View | None:
        if found is None:
            try:
                return await self._cluster.create(SKILL_PACK, wanted)
            except AlreadyExists:
                log.info("SkillPack %s has appeared meanwhile", wanted["metadata"]["name"])
                return None
        meta = {**wanted["metadata"], "resourceVersion": found["metadata"]["resourceVersion"]}
        return await self._cluster.replace(SKILL_PACK, {**wanted, "metadata": meta})

    async def _count(self, pack: View) -> None:
        """Into its status, where columns can show it."""
        number = len(pack["spec"].get("skills") or [])
        if (pack.get("status") or {}).get("skillCount") == number:
            return
        meta = pack["metadata"]
        with suppress(NotFound):
            status = {"status": {"skillCount": number}}
            await self._cluster.patch(SKILL_PACK, meta["namespace"], meta["name"], status, subresource="status")

    async def _remove(self, found: View) -> None:
        name = found["metadata"]["name"]
        log.info("the package of SkillPack %s is not installed any more", name)
        try:
            await self._cluster.delete(SKILL_PACK, SYSTEM_NAMESPACE, name)
        except NotFound:
            return


def _fingerprint(entry: Installed) -> str:
    """Tells one state of a package under development from the next; empty where its folder cannot be found without importing it."""
    module = entry.value.partition(":")[0]
    spec = importlib.util.find_spec(module) if "." not in module else None
    if spec is None or not spec.origin:
        return ""
    folder = Path(spec.origin).parent
    files = [folder / PACK, folder / INSTRUCTIONS, *(folder / SKILLS).rglob("*")]
    told = hashlib.sha256()
    for file in sorted(file for file in files if file.is_file()):
        state = os.stat(file)
        told.update(f"{file} {state.st_mtime_ns} {state.st_size}\n".encode())
    return told.hexdigest()[:12]
