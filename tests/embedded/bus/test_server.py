"""The embedded bus over its Unix socket: who gets in, what a run's user may do, and what a lost connection means."""

from __future__ import annotations

import asyncio
import os
import stat
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sympozium_core.bus import subjects
from sympozium_core.bus.journal import Journal
from sympozium_core.contracts.bus import Ack, BusDenied, BusUnavailable, Fenced, LimitReached, PayloadTooLarge
from sympozium_core.embedded.bus import wire
from sympozium_core.embedded.bus.connect import connect
from sympozium_core.embedded.bus.limits import BusLimits
from sympozium_core.embedded.bus.local import EmbeddedBus
from sympozium_core.embedded.bus.remote import RemoteBus
from sympozium_core.embedded.bus.server import BusServer
from sympozium_core.errors import Permanent
from sympozium_core.testing.assignments import Assignments
from sympozium_core.testing.bus_journal import stored

UID = "run-1"
POD = subjects.journal(UID, "pod")


class TestConnecting:
    async def test_the_welcome_names_the_run(self, server: BusServer) -> None:
        bus = await connect({"address": server.address, "token": "right", "pod": "pod-1"})
        assert isinstance(bus, RemoteBus)
        assert (bus.run_uid, bus.max_payload) == (UID, BusLimits().max_payload)
        await bus.close()

    async def test_a_warm_pod_waits_for_its_run(self, server: BusServer, assignments: Assignments) -> None:
        waiting = asyncio.create_task(RemoteBus.connect(server.address, "right", "warm"))
        await assignments.asked.wait()
        assert not waiting.done()
        assignments.assign("warm", "run-2")
        remote = await asyncio.wait_for(waiting, 5)
        assert remote.run_uid == "run-2"
        await remote.close()

    @pytest.mark.parametrize(("token", "pod"), [("wrong", "pod-1"), ("", "pod-1"), ("right", "")])
    async def test_who_is_not_known_is_denied(self, server: BusServer, token: str, pod: str) -> None:
        with pytest.raises(BusDenied):
            await RemoteBus.connect(server.address, token, pod)

    async def test_nobody_serves(self, tmp_path: Path) -> None:
        with pytest.raises(BusUnavailable):
            await RemoteBus.connect(wire.bus_address(tmp_path / "none.sock"), "right", "pod-1")

    @pytest.mark.parametrize("address", ["", "http://x", "unix://relative", "/path"])
    async def test_an_address_of_another_form_is_refused(self, address: str) -> None:
        with pytest.raises(Permanent, match="address"):
            await connect({"address": address, "token": "secret", "pod": "p"})

    async def test_the_socket_is_this_users_alone(self, server: BusServer, tmp_path: Path) -> None:
        assert stat.S_IMODE((tmp_path / "bus.sock").stat().st_mode) == 0o600
        await server.close()
        assert not (tmp_path / "bus.sock").exists()

    async def test_a_long_path_is_no_hindrance(self, bus: EmbeddedBus, tmp_path: Path, assignments: Assignments) -> None:
        folder = tmp_path / ("long" * 40)
        folder.mkdir()
        server = BusServer(bus, folder / "bus.sock", assignments.authenticate)
        await server.start()
        remote = await RemoteBus.connect(server.address, "right", "pod-1")
        assert (await remote.append(POD, b"x")).sequence == 1
        await remote.close()
        await server.close()

    async def test_a_socket_that_a_dead_server_left_is_replaced(
        self, bus: EmbeddedBus, tmp_path: Path, assignments: Assignments
    ) -> None:
        wire.listening_socket(str(tmp_path / "bus.sock")).close()
        server = BusServer(bus, tmp_path / "bus.sock", assignments.authenticate)
        await server.start()
        await (await RemoteBus.connect(server.address, "right", "pod-1")).close()
        await server.close()

    def test_the_client_is_light(self) -> None:
        """It starts with every pod."""
        program = (
            "import sys, sympozium_core.embedded.bus.connect, sympozium_core.bus.calls, sympozium_core.bus.journal;"
            "heavy = {'apsw', 'aiohttp', 'pydantic', 'nats', 'sqlite3', 'ssl', 'yaml', 'pluggy'};"
            "print(sorted(heavy & sys.modules.keys() - {'ssl'}))"
        )
        out = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
        assert out.stdout.strip() == "[]"


class TestRunUser:
    async def test_it_appends_with_everything_an_append_has(self, bus: EmbeddedBus, remote: RemoteBus) -> None:
        once = await remote.append(POD, b"\x00\xff", expected_last=0, message_id="a", headers={"A": "b"})
        assert await remote.append(POD, b"\x00\xff", expected_last=0, message_id="a") == Ack(once.sequence, duplicate=True)
        with pytest.raises(Fenced):
            await remote.append(POD, b"late", expected_last=0)
        (message,) = await stored(bus, POD)
        assert (message.data, dict(message.headers), message.sequence) == (b"\x00\xff", {"A": "b"}, once.sequence)

    async def test_2000_appends_at_once_are_2000(self, bus: EmbeddedBus, remote: RemoteBus) -> None:
        acks = await asyncio.gather(*(remote.append(POD, b"%d" % number) for number in range(2000)))
        assert [message.data for message in await stored(bus, POD)] == [b"%d" % number for number in range(2000)]
        assert [ack.sequence for ack in acks] == list(range(1, 2001))

    async def test_the_longest_message(self, bus: EmbeddedBus, remote: RemoteBus) -> None:
        await remote.append(POD, bytes(remote.max_payload))
        with pytest.raises(PayloadTooLarge):
            await remote.append(POD, bytes(remote.max_payload + 1))
        assert len(await stored(bus, POD)) == 1

    async def test_it_hears_what_the_control_plane_says(self, bus: EmbeddedBus, remote: RemoteBus) -> None:
        control = await remote.subscribe(subjects.journal(UID, "ctl"))
        await bus.append(subjects.journal(UID, "ctl"), b"cancel")
        message = await asyncio.wait_for(anext(aiter(control)), 5)
        assert (message.subject, message.data) == (subjects.journal(UID, "ctl"), b"cancel")
        await control.close()

    @pytest.mark.parametrize(
        "subject", ["sympozium.run.run-1.gw", "sympozium.run.run-1.ctl", "sympozium.run.run-2.pod", "sympozium.run.run-1.req.x"]
    )
    async def test_it_appends_to_its_own_subject_alone(self, bus: EmbeddedBus, remote: RemoteBus, subject: str) -> None:
        with pytest.raises(BusDenied):
            await remote.append(subject, b"x")
        assert await stored(bus, "sympozium.run.>") == []

    @pytest.mark.parametrize("subject", ["sympozium.run.run-2.req.model", "_INBOX.control.x", "x", "sympozium.run.run-1.other"])
    async def test_it_publishes_requests_alone(self, remote: RemoteBus, subject: str) -> None:
        with pytest.raises(BusDenied):
            await remote.publish(subject, b"x")

    @pytest.mark.parametrize(
        "pattern",
        [
            ">",
            "_INBOX.>",
            "_INBOX.*",
            "sympozium.run.*.ctl",
            "sympozium.run.run-1.*",
            "sympozium.run.run-2.inbox.x",
            "sympozium.run.*.inbox.x",
        ],
    )
    async def test_it_listens_to_its_own_alone(self, remote: RemoteBus, pattern: str) -> None:
        with pytest.raises(BusDenied):
            await remote.subscribe(pattern)

    async def test_it_cannot_have_replies_sent_elsewhere(self, remote: RemoteBus) -> None:
        for reply in (
            "sympozium.run.run-2.ctl",
            "sympozium.run.run-2.inbox.x",
            "_INBOX.control.x",
            "sympozium.run.run-1.inbox",
        ):
            with pytest.raises(BusDenied):
                await remote.publish(subjects.request(UID, "model"), b"x", reply=reply)

    async def test_the_rest_of_the_bus_is_not_its_own(self, remote: RemoteBus) -> None:
        async def nothing() -> AsyncIterator[bytes]:
            yield b""

        with pytest.raises(BusDenied):
            await stored(remote, POD)
        with pytest.raises(BusDenied):
            await anext(aiter(remote.follow(POD)))
        for attempt in (remote.last(POD), remote.consumer("c", POD), remote.purge(POD), remote.delete_object("x")):
            with pytest.raises(BusDenied):
                await attempt
        with pytest.raises(BusDenied):
            await remote.put_object("x", nothing())
        with pytest.raises(BusDenied):
            await anext(aiter(remote.get_object("x")))

    async def test_limits_are_told(self, tmp_path: Path, assignments: Assignments) -> None:
        bus = await EmbeddedBus.open(tmp_path / "small", limits=BusLimits(max_bytes=1000))
        server = BusServer(bus, tmp_path / "small.sock", assignments.authenticate)
        await server.start()
        remote = await RemoteBus.connect(server.address, "right", "pod-1")
        with pytest.raises(LimitReached):
            await remote.append(POD, bytes(2000))
        await remote.close()
        await server.close()
        await bus.close()


class TestLosingTheConnection:
    async def test_revoking_disconnects_at_once_and_for_good(
        self, bus: EmbeddedBus, server: BusServer, remote: RemoteBus, assignments: Assignments
    ) -> None:
        control = await remote.subscribe(subjects.journal(UID, "ctl"))
        del assignments.runs["pod-1"]
        assignments.assign("pod-1", None)
        await server.revoke("pod-1")
        with pytest.raises(BusUnavailable):
            await asyncio.wait_for(anext(aiter(control)), 5)
        with pytest.raises(BusDenied):
            await remote.append(POD, b"late")
        assert await stored(bus, POD) == []

    async def test_after_a_revocation_nothing_of_the_pod_is_stored(
        self, bus: EmbeddedBus, server: BusServer, remote: RemoteBus
    ) -> None:
        appends = [asyncio.create_task(remote.append(POD, b"x")) for _ in range(500)]
        await asyncio.sleep(0.005)
        await server.revoke("pod-1")
        count = len(await stored(bus, POD))
        outcomes = await asyncio.gather(*appends, return_exceptions=True)
        assert sum(isinstance(outcome, Ack) for outcome in outcomes) <= count
        assert len(await stored(bus, POD)) == count

    async def test_a_warm_pod_may_be_revoked(self, server: BusServer, assignments: Assignments) -> None:
        waiting = asyncio.create_task(RemoteBus.connect(server.address, "right", "warm"))
        await assignments.asked.wait()
        await server.revoke("warm")
        with pytest.raises(BusUnavailable):
            await asyncio.wait_for(waiting, 5)

    async def test_the_next_use_connects_again(
        self, bus: EmbeddedBus, server: BusServer, remote: RemoteBus, tmp_path: Path, assignments: Assignments
    ) -> None:
        journal = Journal(remote, POD, last=0, attempt=1)
        await journal.append({"type": "started"})
        await server.close()
        writing = asyncio.create_task(journal.append({"type": "result"}))
        await asyncio.sleep(0.05)
        again = BusServer(bus, tmp_path / "bus.sock", assignments.authenticate)
        await again.start()
        await asyncio.wait_for(writing, 10)
        assert len(await stored(bus, POD)) == 2
        await remote.close()
        await again.close()

    async def test_a_pod_that_was_given_to_another_run_is_denied(
        self, server: BusServer, remote: RemoteBus, assignments: Assignments
    ) -> None:
        del assignments.runs["pod-1"]
        assignments.assign("pod-1", "run-2")
        await server.revoke("pod-1")
        with pytest.raises((BusDenied, BusUnavailable)):
            await remote.append(POD, b"x")
        with pytest.raises(BusDenied, match="run-2"):
            await remote.append(POD, b"x")


async def test_nothing_stays_open(tmp_path: Path, assignments: Assignments) -> None:
    """Bus, server and client let go of every descriptor."""

    def descriptors() -> int:
        return len(os.listdir("/proc/self/fd"))

    before = descriptors()
    for _ in range(3):
        bus = await EmbeddedBus.open(tmp_path / "bus")
        server = BusServer(bus, tmp_path / "bus.sock", assignments.authenticate)
        await server.start()
        remote = await RemoteBus.connect(server.address, "right", "pod-1")
        await remote.append(POD, b"x")
        await remote.close()
        await server.close()
        await bus.close()
    assert descriptors() <= before + 1
