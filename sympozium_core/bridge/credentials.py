"""Kubernetes tokens for the sidecars that have rights: asked over the bus, written into the folder of the one container that each belongs to, and
renewed in time. They are in these files and nowhere else."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sympozium_core.bridge.assignment import ask
from sympozium_core.bus import subjects
from sympozium_core.contracts.bus import Bus
from sympozium_core.contracts.plan import PodPlan
from sympozium_core.errors import Permanent, SympoziumError
from sympozium_core.ipc.files import Root

USED = 0.8
"""Part of its life after which a token is renewed."""
AGAIN = 10.0
"""Seconds between tries of a renewal that fails."""
MODE = 0o640
"""The containers of a pod run as one user, and each sees its own folder alone."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Wanted:
    """Who gets tokens, and until when."""

    pod: str
    containers: frozenset[str]
    until: float
    """Epoch seconds: a token that lasts so long need not be renewed."""


def containers_with_rights(plan: PodPlan) -> frozenset[str]:
    return frozenset(container.name for container in plan.containers if container.kubernetes)


class Credentials:
    def __init__(self, bus: Bus, uid: str, wanted: Wanted, folder: Path) -> None:
        """`folder` has, or gets, one folder a container."""
        self._bus, self._subject, self._wanted, self._folder = bus, subjects.request(uid, subjects.CREDENTIALS), wanted, folder
        self._expires = 0.0

    async def fetch(self) -> None:
        """Every container's token is in its place when this returns. Raises Temporary or Permanent where there is none to be had."""
        told = await ask(self._bus, self._subject, {"pod": self._wanted.pod})
        missing = sorted(self._wanted.containers - set(told))
        if missing:
            raise Permanent(f"the controller has no token for {', '.join(missing)}", hint="run one version everywhere")
        self._expires = min(await asyncio.to_thread(self._write, told))

    async def keep(self) -> None:
        """Renews what does not last for the rest of the run, until cancelled."""
        while self._expires < self._wanted.until:
            await asyncio.sleep(max(1.0, USED * (self._expires - time.time())))
            try:
                await self.fetch()
            except SympoziumError as error:
                logger.warning("the Kubernetes tokens were not renewed: %s", error)
                await asyncio.sleep(AGAIN)

    def _write(self, told: Mapping[str, Any]) -> list[float]:
        """The token last: where it is, the rest is. Returns when each expires."""
        expires = []
        with Root(self._folder) as root:
            for container in sorted(self._wanted.containers):
                try:
                    files = {name: str(told[container][key]).encode() for name, key in _FILES.items()}
                    expires.append(float(told[container]["expires"]))
                except (KeyError, TypeError, ValueError):
                    # Without the cause, which may show what it could not read.
                    raise Permanent(f"the controller's answer for {container} is not of this version") from None
                for name, content in files.items():
                    root.write_bytes(f"{container}/{name}", content, mode=MODE)
        return expires


_FILES = {"ca.crt": "ca", "namespace": "namespace", "token": "token"}
"""As a ServiceAccount's usual volume has them, by the field of the answer."""
