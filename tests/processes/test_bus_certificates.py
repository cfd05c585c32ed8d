"""NATS does not look at its files by itself: somebody has to tell it that its certificate was renewed."""

from __future__ import annotations

import asyncio
import base64
from contextlib import suppress
from pathlib import Path

from sympozium_core import names
from sympozium_core.bus.jetstream import JetStreamBus
from sympozium_core.bus.nats_login import Login
from sympozium_core.contracts.builtin_kinds import SECRET
from sympozium_core.contracts.bus import BusUnavailable
from sympozium_core.contracts.cluster import Cluster, NotFound, User
from sympozium_core.embedded.store import Store
from sympozium_core.processes.bus_certificates import keep_certificates_fresh, write_authority
from sympozium_core.testing.nats_installation import NatsInstallation


async def put(cluster: Cluster, authority: bytes) -> None:
    """What the control plane keeps of the bus's certificate."""
    data = {"ca.crt": base64.b64encode(authority).decode()}
    where = (names.SYSTEM_NAMESPACE, names.SECRET_NATS_TLS)
    try:
        await cluster.patch(SECRET, *where, {"data": data})
    except NotFound:
        await cluster.create(SECRET, {"metadata": {"name": where[1], "namespace": where[0]}, "data": data})


async def test_a_renewed_certificate_comes_into_use(tmp_path: Path) -> None:
    store = await Store.open(tmp_path / "store.db", kinds=(SECRET,))
    installation = NatsInstallation(tmp_path / "nats")
    await asyncio.to_thread(installation.start)
    cluster, known = store.as_user(User("controller")), tmp_path / "bus-ca.crt"
    system = Login(installation.url, ca_file=known, seed_file=installation.seed_file("system"))
    keeping = None
    try:
        await put(cluster, installation.ca_file.read_bytes())
        await write_authority(cluster, names.SYSTEM_NAMESPACE, known)
        old = known.read_bytes()
        keeping = asyncio.create_task(keep_certificates_fresh(cluster, names.SYSTEM_NAMESPACE, known, system, every=0.1))
        installation.renew_certificate()
        # For a while both are trusted, as a rotation has it.
        await put(cluster, old + installation.ca_file.read_bytes())
        async with asyncio.timeout(20):
            while True:
                with suppress(BusUnavailable):
                    seed = installation.seed_file("controller")
                    bus = await JetStreamBus.connect(installation.url, timeout=2, seed_file=seed, ca_file=installation.ca_file)
                    break
                await asyncio.sleep(0.05)
        await bus.close()
        assert known.read_bytes() == old + installation.ca_file.read_bytes()
    finally:
        if keeping is not None:
            keeping.cancel()
        await asyncio.to_thread(installation.stop)
        await store.close()
