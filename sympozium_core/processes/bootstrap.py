"""What has to be there before anything else starts: the keys of the bus and the first certificates. Ends when they are; leaves alone what is there."""

from __future__ import annotations

import asyncio
import base64
import logging
from collections.abc import Awaitable, Callable

from sympozium_core import names
from sympozium_core.bus.nkeys import KeyPair
from sympozium_core.clock import SystemClock
from sympozium_core.contracts.builtin_kinds import SECRET
from sympozium_core.contracts.cluster import AlreadyExists, Cluster, Conflict, NotFound, Object
from sympozium_core.controllers.certificates.controller import Certificates, Plan
from sympozium_core.installation.bus import SEEDS
from sympozium_core.processes.api_server import own_api_server
from sympozium_core.settings import BootstrapSettings

TRIES = 5
"""Somebody else, such as a controller that is there already, may make the same at the same moment."""

log = logging.getLogger(__name__)


async def make_first(settings: BootstrapSettings) -> None:
    """Raises SympoziumError when something cannot be made."""
    cluster = own_api_server()
    try:
        if settings.bus_keys:
            await _surely(lambda: make_bus_keys(cluster, settings.namespace))
        if not settings.ca_secret:
            certificates = Certificates(cluster, Plan(settings.namespace), SystemClock())
            await _surely(certificates.make)
    finally:
        await cluster.close()


async def make_bus_keys(cluster: Cluster, namespace: str) -> None:
    """Seeds and public keys of all users in one Secret; a key that is there stays. Raises Conflict or AlreadyExists when somebody was faster."""
    try:
        found = await cluster.get(SECRET, namespace, names.SECRET_BUS)
    except NotFound:
        await cluster.create(SECRET, {**_secret(namespace), "data": _missing({})})
        log.info("made the keys of the bus, in Secret %s", names.SECRET_BUS)
        return
    if missing := _missing(found.get("data") or {}):
        await cluster.replace(SECRET, {**found, "data": {**(found.get("data") or {}), **missing}})
        log.info("made further keys of the bus, in Secret %s: %s", names.SECRET_BUS, ", ".join(sorted(missing)))


def _secret(namespace: str) -> Object:
    labels = {names.LABEL_MANAGED_BY: names.MANAGED_BY, names.LABEL_PART_OF: names.MANAGED_BY}
    return {"metadata": {"name": names.SECRET_BUS, "namespace": namespace, "labels": labels}, "type": "Opaque"}


def _missing(data: Object) -> dict[str, str]:
    made: dict[str, str] = {}
    for name, kind in SEEDS.items():
        if f"{name}.seed" not in data:
            key = KeyPair.generate(kind)
            made |= {f"{name}.seed": _encoded(key.seed), f"{name}.public": _encoded(key.public)}
    return made


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


async def _surely(make: Callable[[], Awaitable[object]]) -> None:
    for attempt in range(TRIES):
        try:
            await make()
            return
        except (AlreadyExists, Conflict):
            if attempt == TRIES - 1:
                raise
            await asyncio.sleep(0.2 * (attempt + 1))
