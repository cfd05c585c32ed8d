"""The rendered configuration: what is refused, that the real nats-server takes it, and that it means what it says."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sympozium_core.bus import subjects
from sympozium_core.bus.jetstream import JetStreamBus
from sympozium_core.bus.journal import Journal, read_entries
from sympozium_core.bus.nats_connection import NatsConnection
from sympozium_core.bus.nkeys import KeyPair, Kind
from sympozium_core.bus.server_config import Keys, ServerConfig, Tls, render
from sympozium_core.bus.users import GATEWAY_INBOX
from sympozium_core.contracts.bus import BusDenied
from sympozium_core.errors import Refused
from sympozium_core.testing.bus_journal import stored
from sympozium_core.testing.bus_messages import chunks, whole
from sympozium_core.testing.nats_installation import NatsInstallation
from sympozium_core.testing.nats_server import executable

USER, OTHER, THIRD = (KeyPair.generate(Kind.USER).public for _ in range(3))
CONFIG = ServerConfig(
    keys=Keys(issuer=KeyPair.generate(Kind.ACCOUNT).public, system=USER, controller=OTHER, gateway=THIRD),
    tls=Tls("/tls/tls.crt", "/tls/tls.key"),
)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"keys": replace(CONFIG.keys, issuer=USER)}, "keys.issuer"),
        ({"keys": replace(CONFIG.keys, system="")}, "keys.system"),
        ({"keys": replace(CONFIG.keys, gateway='U" } }')}, "keys.gateway"),
        ({"keys": replace(CONFIG.keys, gateway=USER)}, "keys"),
        ({"tls": Tls('/x" }\nport: 1', "/k")}, "tls.certificate"),
        ({"tls": Tls("/c", "relative")}, "tls.key"),
        ({"store_dir": "data"}, "store_dir"),
        ({"server_name": "a b"}, "server_name"),
        ({"host": "example.com"}, "host"),
        ({"port": 0}, "port"),
        ({"port": 70_000}, "port"),
        ({"port": -1}, "port"),
        ({"monitor_port": -1}, "monitor_port"),
        ({"max_payload": 1000}, "max_payload"),
        ({"max_payload": 1024**3}, "max_payload"),
        ({"max_store_bytes": 10}, "max_store_bytes"),
        ({"ping_seconds": 0}, "ping_seconds"),
    ],
)
def test_what_is_refused(change: dict[str, Any], field: str) -> None:
    with pytest.raises(Refused) as raised:
        render(replace(CONFIG, **change))
    assert [cause.field for cause in raised.value.causes] == [field]


def test_every_reason_is_given_at_once() -> None:
    with pytest.raises(Refused) as raised:
        render(replace(CONFIG, port=0, host="x", store_dir=""))
    assert {cause.field for cause in raised.value.causes} == {"port", "host", "store_dir"}


def test_it_holds_no_secret_and_the_same_values_give_the_same_text() -> None:
    text = render(CONFIG)
    assert text == render(replace(CONFIG))
    assert "seed" not in text
    assert "password" not in text


@pytest.mark.parametrize("sync", [False, True])
def test_the_server_takes_it(tmp_path: Path, sync: bool) -> None:
    installation = NatsInstallation(tmp_path)
    config = tmp_path / "checked.conf"
    config.write_text(render(replace(installation.settings, port=4222, monitor_port=8222, sync_always=sync)))
    done = subprocess.run([executable(), "-t", "-c", str(config)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert ("sync_interval: always" in config.read_text()) is sync


class TestTheGatewaysUser:
    """It does all that a gateway does, and has no way to touch what the control plane says, or to end what is on record."""

    async def test_it_keeps_journals_and_artifacts(self, gateway: JetStreamBus) -> None:
        journal = await Journal.open(gateway, subjects.journal("u1", "gw"), attempt=1)
        await journal.append({"type": "model.request", "n": 1})
        await journal.append({"type": "model.answer", "n": 2, "text": "x" * 1_500_000})
        assert [found.entry["n"] async for found in read_entries(gateway, "u1")] == [1, 2]
        await gateway.put_object("run/u1/a", chunks(b"kept" * 100_000, 64_000))
        await gateway.put_object("run/u1/a", chunks(b"new" * 100_000, 64_000))
        assert await whole(gateway, "run/u1/a") == b"new" * 100_000

    async def test_it_may_not_speak_for_the_control_plane(self, controller: JetStreamBus, gateway: JetStreamBus) -> None:
        with pytest.raises(BusDenied):
            await gateway.append(subjects.journal("u1", "ctl"), b"cancel")
        assert await stored(controller, "sympozium.run.>") == []

    async def test_it_may_not_empty_the_stream(self, controller: JetStreamBus, gateway: JetStreamBus) -> None:
        await controller.append(subjects.journal("u1", "gw"), b"x")
        with pytest.raises(BusDenied):
            await gateway.purge(subjects.journal("u1"))
        assert len(await stored(controller, subjects.journal("u1"))) == 1

    async def test_it_may_not_answer_for_the_controller(self, installation: NatsInstallation) -> None:
        connection = await NatsConnection.open(installation.login("gateway"), inbox_prefix=GATEWAY_INBOX)
        for pattern in (subjects.request("*", subjects.START), subjects.hello("*"), ">"):
            with pytest.raises(BusDenied, match="may not subscribe"):
                await connection.subscribe(pattern)
        await connection.close()


class TestTheSystemsUser:
    @pytest.mark.parametrize(
        "subject", ["$SYS.REQ.ACCOUNT.PING.CONNZ", "$SYS.REQ.SERVER.PING.VARZ", "sympozium.run.u1.pod", "x"]
    )
    async def test_it_asks_for_nothing_but_connections(self, system: NatsConnection, subject: str) -> None:
        with pytest.raises(BusDenied):
            await system.request(subject, b"{}", timeout=5)

    async def test_it_hears_nothing_of_runs(self, system: NatsConnection) -> None:
        for pattern in (">", "$SYS.>", "sympozium.>", "$SYS.ACCOUNT.*.CONNECT"):
            with pytest.raises(BusDenied, match="may not subscribe"):
                await system.subscribe(pattern)
