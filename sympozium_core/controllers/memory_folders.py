"""Where this machine keeps the memories of instances: a folder each, by the instance's UID, which goes with the instance."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterable
from pathlib import Path

from sympozium_core.controllers.memory_claims import Ready
from sympozium_core.planning.memory import wants_memory
from sympozium_core.reconcile.cache import View

log = logging.getLogger(__name__)


class MemoryFolders:
    """As `memory_claims.MemoryClaims`; the runtime makes a folder with the first run that needs it."""

    informer = None

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def ensure(self, instance: View) -> Ready | None:
        if not wants_memory(instance):
            return None
        return Ready(True, "Folder", f"folder {self._folder / str(instance['metadata']['uid'])}")

    def forget(self, instance: View) -> None:
        """The instance is gone, and so is what it remembered."""
        self._remove(self._folder / str(instance["metadata"]["uid"]))

    def sweep(self, instances: Iterable[View]) -> None:
        """Removes the memories of instances that were deleted while nobody looked."""
        kept = {str(instance["metadata"]["uid"]) for instance in instances}
        for folder in self._folder.iterdir() if self._folder.is_dir() else ():
            if folder.name not in kept:
                self._remove(folder)

    def _remove(self, folder: Path) -> None:
        try:
            shutil.rmtree(folder)
        except FileNotFoundError:
            return
        except OSError as error:
            log.warning("the memory of an instance that is gone stays in %s: %s", folder, error)
