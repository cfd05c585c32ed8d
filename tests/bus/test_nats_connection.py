"""How a client connects to a real nats-server: to whom it shows what, and files that are renewed."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from sympozium_core.bus import subjects
from sympozium_core.bus.callout import Callout
from sympozium_core.bus.jetstream import JetStreamBus
from sympozium_core.bus.nats_connection import NatsConnection
from sympozium_core.bus.nats_login import Login
from sympozium_core.bus.nats_system import Connections, reload_servers
from sympozium_core.bus.nkeys import KeyPair, Kind
from sympozium_core.bus.run_bus import RunBus
from sympozium_core.bus.users import CONTROL_INBOX, RUNS
from sympozium_core.contracts.bus import BusDenied, BusUnavailable
from sympozium_core.errors import Permanent
from sympozium_core.testing.nats_installation import NatsInstallation


class TestFilesThatAreRenewed:
    @pytest.mark.usefixtures("callout", "gateway")
    async def test_a_token(self, until: Any, installation: NatsInstallation, pods: Any, uid: str) -> None:
        pods.add("first", uid, "pod-1")
        run = await installation.pod("pod-1", "first", patience=30)
        del pods.users["first"]
        pods.add("second", uid, "pod-1")
        installation.token_file("pod-1", "second")
        await asyncio.to_thread(installation.restart, kill=True)

        async def appended() -> bool:
            try:
                await run.append(subjects.journal(uid, "pod"), b"x")
            except BusUnavailable:
                return False
            return True

        await until(appended, 40)
        await run.close()

    @pytest.mark.usefixtures("gateway")
    async def test_the_servers_certificate(
        self, installation: NatsInstallation, callout: Callout, system: NatsConnection, pods: Any, uid: str
    ) -> None:
        """Connections stay; new ones meet the new certificate, and those who lose theirs come back with the authority that took over."""
        pods.add("right", uid, "pod-1")
        before = await installation.pod("pod-1", "right", patience=30)
        old = installation.ca_file.with_name("old.crt")
        old.write_bytes(installation.ca_file.read_bytes())
        installation.renew_certificate()
        await reload_servers(system)
        await before.append(subjects.journal(uid, "pod"), b"1")
        with pytest.raises(BusUnavailable, match=r"(?i)certificate"):
            await JetStreamBus.connect(installation.url, ca_file=old, seed_file=installation.seed_file("controller"), timeout=2)
        after = await installation.pod("pod-1", "right")
        await callout.revoke("nobody")
        assert await Connections(system, RUNS).disconnect("pod-1") == 2
        for run in (before, after):
            await run.append(subjects.journal(uid, "pod"), b"2")
            await run.close()

    async def test_a_configuration_that_the_server_does_not_take(
        self, installation: NatsInstallation, callout: Callout, system: NatsConnection, tmp_path: Path
    ) -> None:
        certificate = Path(installation.settings.tls.certificate) if installation.settings.tls else tmp_path
        good = certificate.read_bytes()
        certificate.write_text("broken")
        try:
            with pytest.raises(Permanent, match="did not take"):
                await reload_servers(system)
        finally:
            certificate.write_bytes(good)


class TestHowAClientConnects:
    async def test_to_no_server_without_tls(self, tmp_path: Path) -> None:
        """Whoever stands between would get the token otherwise: nats-py encrypts when the server asks for it."""
        received = b""
        gone = asyncio.Event()

        async def server(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal received
            info = {"server_id": "x", "version": "2.15.1", "max_payload": 1048576, "auth_required": True, "nonce": "abc"}
            writer.write(b"INFO " + json.dumps(info).encode() + b"\r\n")
            received += await reader.read(1000)
            gone.set()
            writer.close()

        (tmp_path / "token").write_text("secret")
        (tmp_path / "seed").write_text(KeyPair.generate(Kind.USER).seed)
        listening = await asyncio.start_server(server, "127.0.0.1", 0)
        url = f"tls://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
        for login in (
            Login(url, token_file=tmp_path / "token"),
            Login(url, seed_file=tmp_path / "seed"),
            Login(url, user="u", password="secret"),
        ):
            with pytest.raises(BusUnavailable, match="no TLS"):
                await NatsConnection.open(login, inbox_prefix="_INBOX.x", timeout=1)
            await gone.wait()
            assert received == b""
        listening.close()

    async def test_not_to_a_server_of_another_authority(self, installation: NatsInstallation) -> None:
        with pytest.raises(BusUnavailable, match=r"(?i)certificate"):
            await JetStreamBus.connect(installation.url, seed_file=installation.seed_file("controller"), timeout=2)

    async def test_not_as_a_user_that_the_server_does_not_know(self, installation: NatsInstallation, tmp_path: Path) -> None:
        (tmp_path / "seed").write_text(KeyPair.generate(Kind.USER).seed)
        with pytest.raises(BusDenied):
            await JetStreamBus.connect(installation.url, ca_file=installation.ca_file, seed_file=tmp_path / "seed")

    async def test_it_asks_again_where_the_server_hung_up_without_a_word(self) -> None:
        """As it looks when the word of refusal is lost on the way."""
        said = [b"", b"", b"-ERR 'Authorization Violation'\r\n"]

        async def server(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b'INFO {"server_id": "x", "version": "2.15.1", "max_payload": 1048576, "auth_required": true}\r\n')
            await reader.readuntil(b"PING\r\n")
            writer.write(said.pop(0))
            writer.close()
            await writer.wait_closed()

        listening = await asyncio.start_server(server, "127.0.0.1", 0)
        login = Login(f"nats://127.0.0.1:{listening.sockets[0].getsockname()[1]}", user="u", password="p")
        with pytest.raises(BusDenied):
            await NatsConnection.open(login, inbox_prefix="_INBOX.x")
        said += [b""] * 100
        with pytest.raises(BusUnavailable, match="without a word"):
            await NatsConnection.open(login, inbox_prefix="_INBOX.x", timeout=1)
        listening.close()
        await listening.wait_closed()

    @pytest.mark.parametrize(
        ("change", "because"),
        [
            ({"url": "http://localhost"}, "address"),
            ({"url": "tls://user:hunter2@localhost"}, "address"),
            ({"seed_file": Path("/nonexistent")}, "/nonexistent"),
            ({"token_file": Path("/nonexistent")}, "/nonexistent"),
            ({"ca_file": Path("/nonexistent")}, "/nonexistent"),
        ],
    )
    async def test_what_cannot_work_is_said_at_once(self, change: dict[str, Any], because: str) -> None:
        with pytest.raises(Permanent, match=because) as raised:
            await NatsConnection.open(Login(**{"url": "tls://localhost:1", **change}), inbox_prefix=CONTROL_INBOX)
        assert "hunter2" not in str(raised.value)

    @pytest.mark.parametrize("pod", ["", "a.b", "a.>", "*", "x" * 200])
    async def test_a_pod_id_that_is_no_part_of_a_subject(
        self, installation: NatsInstallation, pod: str, tmp_path: Path
    ) -> None:
        with pytest.raises(Permanent, match="pod id"):
            await RunBus.connect(installation.url, pod=pod, token_file=tmp_path)


class TestWhetherItWorks:
    async def test_a_lost_server_is_a_problem_until_it_is_back(
        self, until: Any, installation: NatsInstallation, controller: JetStreamBus
    ) -> None:
        assert controller.problems() == []
        installation.stop()

        async def lost() -> bool:
            return bool(controller.problems())

        async def well() -> bool:
            return not controller.problems()

        await until(lost)
        assert "localhost" in controller.problems()[0]
        await asyncio.to_thread(installation.start)
        await until(well)
