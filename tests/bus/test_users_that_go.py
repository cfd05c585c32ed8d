"""How a run's user leaves NATS, and who comes back: deadlines, revocations, processes that end, a server that is restarted."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from sympozium_core.bus import subjects
from sympozium_core.bus.callout import Callout
from sympozium_core.bus.jetstream import JetStreamBus
from sympozium_core.bus.nats_connection import NatsConnection
from sympozium_core.bus.nats_system import Connections
from sympozium_core.bus.users import RUNS
from sympozium_core.contracts.bus import BusDenied, BusUnavailable
from sympozium_core.testing.bus_journal import stored
from sympozium_core.testing.nats_installation import NatsInstallation


class TestHowItEnds:
    @pytest.mark.usefixtures("callout", "gateway")
    async def test_at_the_runs_deadline(self, installation: NatsInstallation, pods: Any, uid: str) -> None:
        pods.add("short", uid, "pod-1", seconds=2)
        run = await installation.pod("pod-1", "short")
        control = await run.subscribe(subjects.journal(uid, "ctl"))
        with pytest.raises((BusDenied, BusUnavailable)):
            await asyncio.wait_for(anext(aiter(control)), 10)
        with pytest.raises(BusDenied):
            await run.append(subjects.journal(uid, "pod"), b"late")
        await run.close()

    @pytest.mark.usefixtures("gateway")
    async def test_by_revocation(
        self, installation: NatsInstallation, callout: Callout, controller: JetStreamBus, pods: Any, uid: str
    ) -> None:
        """The pod is still known to `authenticate`: a cache that is behind does not let it in again."""
        pods.add("right", uid, "pod-1")
        pods.add("other", f"{uid}x", "pod-2")
        run, same = await installation.pod("pod-1", "right"), await installation.pod("pod-1", "right")
        other = await installation.pod("pod-2", "other")
        control = await run.subscribe(subjects.journal(uid, "ctl"))
        await callout.revoke("pod-1")
        with pytest.raises(BusUnavailable):
            await asyncio.wait_for(anext(aiter(control)), 5)
        for revoked in (run, same):
            with pytest.raises(BusDenied):
                await asyncio.wait_for(revoked.append(subjects.journal(uid, "pod"), b"late"), 20)
            await revoked.close()
        with pytest.raises(BusDenied):
            await installation.pod("pod-1", "right")
        await other.append(subjects.journal(f"{uid}x", "pod"), b"x")
        assert await stored(controller, subjects.journal(uid)) == []
        await other.close()

    async def test_every_process_that_answers_hears_of_a_revocation(
        self, installation: NatsInstallation, callout: Callout, controller: JetStreamBus, pods: Any, uid: str
    ) -> None:
        """The one that did not revoke refuses too, whatever its cache says."""
        second = await installation.callout(controller, pods.authenticate)
        pods.add("right", uid, "pod-1")
        await callout.revoke("pod-1")
        await callout.close()
        with pytest.raises(BusDenied):
            await installation.pod("pod-1", "right")
        assert pods.asked > 0
        await second.close()

    @pytest.mark.usefixtures("callout", "gateway")
    async def test_revoking_whom_nobody_knows(self, callout: Callout) -> None:
        await callout.revoke("pod-unknown")

    async def test_kicking_finds_one_users_connections_alone(
        self, installation: NatsInstallation, callout: Callout, system: NatsConnection, pods: Any, uid: str
    ) -> None:
        pods.add("a", uid, "pod-a")
        pods.add("b", uid, "pod-b")
        runs = [
            await installation.pod("pod-a", "a"),
            await installation.pod("pod-a", "a"),
            await installation.pod("pod-b", "b"),
        ]
        connections = Connections(system, RUNS)
        del pods.users["a"]
        assert await connections.disconnect("pod-a") == 2
        assert await connections.disconnect("pod-a") == 0
        assert await connections.disconnect("pod-b") == 1
        for run in runs:
            await run.close()


class TestProcessesThatEnd:
    @pytest.mark.usefixtures("gateway")
    async def test_another_process_answers_at_once(
        self, installation: NatsInstallation, callout: Callout, controller: JetStreamBus, pods: Any, uid: str
    ) -> None:
        pods.add("right", uid, "pod-1")
        second = await installation.callout(controller, pods.authenticate)
        await callout.close()
        run = await installation.pod("pod-1", "right")
        await run.append(subjects.journal(uid, "pod"), b"x")
        await run.close()
        await second.close()

    @pytest.mark.usefixtures("gateway")
    async def test_a_pod_waits_until_somebody_answers_again(
        self, installation: NatsInstallation, callout: Callout, controller: JetStreamBus, pods: Any, uid: str
    ) -> None:
        pods.add("right", uid, "pod-1")
        await callout.close()
        waiting = asyncio.create_task(installation.pod("pod-1", "right", patience=30))
        done, _ = await asyncio.wait([waiting], timeout=0.5)
        assert not done
        again = await installation.callout(controller, pods.authenticate)
        run = await waiting
        await run.close()
        await again.close()

    @pytest.mark.usefixtures("callout", "gateway")
    @pytest.mark.parametrize("kill", [False, True])
    async def test_the_server_is_restarted(
        self, until: Any, installation: NatsInstallation, controller: JetStreamBus, pods: Any, uid: str, kill: bool
    ) -> None:
        """Everybody comes back, the pod too: who answers for it may come back after it."""
        pods.add("right", uid, "pod-1")
        run = await installation.pod("pod-1", "right", patience=30)
        journal = subjects.journal(uid, "pod")
        first = await run.append(journal, b"1", expected_last=0)
        control = await run.subscribe(subjects.journal(uid, "ctl"))
        await asyncio.to_thread(installation.restart, kill=kill)
        with pytest.raises(BusUnavailable):
            await asyncio.wait_for(anext(aiter(control)), 5)

        async def appended() -> bool:
            try:
                await run.append(journal, b"2", expected_last=first.sequence, message_id="2")
            except BusUnavailable:
                return False
            return True

        await until(appended, 40)
        assert [message.data for message in await stored(controller, journal)] == [b"1", b"2"]
        control = await run.subscribe(subjects.journal(uid, "ctl"))
        await controller.append(subjects.journal(uid, "ctl"), b"cancel")
        assert (await asyncio.wait_for(anext(aiter(control)), 5)).data == b"cancel"
        await run.close()

    @pytest.mark.usefixtures("gateway")
    async def test_a_pod_that_is_refused_for_long_after_a_restart_is_told_so(
        self, until: Any, installation: NatsInstallation, callout: Callout, pods: Any, uid: str
    ) -> None:
        pods.add("right", uid, "pod-1")
        run = await installation.pod("pod-1", "right", patience=1)
        del pods.users["right"]
        await asyncio.to_thread(installation.restart, kill=True)

        async def denied() -> bool:
            try:
                await run.append(subjects.journal(uid, "pod"), b"x")
            except BusDenied:
                return True
            except BusUnavailable:
                return False
            raise AssertionError

        await until(denied)
        await run.close()
