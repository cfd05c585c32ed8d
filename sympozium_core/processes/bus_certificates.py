"""What our own NATS and this process prove themselves with, once the files and Secrets behind it have been renewed."""

from __future__ import annotations

import asyncio
import base64
import logging
from pathlib import Path

from sympozium_core import names
from sympozium_core.backoff import Attempts, BackOff
from sympozium_core.bus.nats_connection import NatsConnection
from sympozium_core.bus.nats_login import Login
from sympozium_core.bus.nats_system import reload_servers
from sympozium_core.bus.users import SYSTEM_INBOX
from sympozium_core.contracts.builtin_kinds import SECRET
from sympozium_core.contracts.cluster import Cluster, NotFound
from sympozium_core.controllers.certificates.controller import BUNDLE
from sympozium_core.errors import SympoziumError

EVERY = 3600.0
"""Seconds. A certificate is renewed weeks before it ends, and a kubelet has its new files within minutes."""

log = logging.getLogger(__name__)


async def write_authority(cluster: Cluster, namespace: str, path: Path) -> None:
    """Writes what signs the certificate of the bus, once there is one. Each connection reads the file anew."""
    attempts = Attempts(BackOff(first=0.1, longest=2.0))
    while True:
        try:
            secret = await cluster.get(SECRET, namespace, names.SECRET_NATS_TLS)
        except NotFound:
            await asyncio.sleep(attempts.failed())
            continue
        new = path.with_suffix(".new")
        new.write_bytes(base64.b64decode(secret["data"][BUNDLE]))
        new.replace(path)
        return


async def keep_certificates_fresh(cluster: Cluster, namespace: str, path: Path, system: Login, *, every: float = EVERY) -> None:
    """Until cancelled: has NATS read its certificate again, and keeps the authority's file as the Secret has it. Connections stay.

    NATS looks at its files only when it is told to. Telling it needlessly costs nothing, so nobody has to know when they were renewed.
    """
    while True:
        await asyncio.sleep(every)
        try:
            await write_authority(cluster, namespace, path)
            connection = await NatsConnection.open(system, inbox_prefix=SYSTEM_INBOX)
            try:
                await reload_servers(connection)
            finally:
                await connection.close()
        except SympoziumError as error:
            log.warning("NATS was not told to read its certificate again, and is in %.0f s: %s", every, error)
