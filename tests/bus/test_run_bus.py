"""A run's own user on a real nats-server with TLS, let in by the auth callout: what it can do, and what it cannot."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import pytest
from nats.aio.client import Client

from sympozium_core.bus import subjects
from sympozium_core.bus.calls import CallRequest, call, serve
from sympozium_core.bus.jetstream import JetStreamBus
from sympozium_core.bus.journal import Journal, read_entries
from sympozium_core.bus.nats_login import Login
from sympozium_core.bus.run_bus import RunBus
from sympozium_core.contracts.bus import FRAME_BYTES, Ack, BusDenied, Fenced, PayloadTooLarge
from sympozium_core.testing.bus_journal import stored
from sympozium_core.testing.nats_installation import NatsInstallation

pytestmark = pytest.mark.usefixtures("callout", "gateway")


@pytest.fixture
async def run(installation: NatsInstallation, pods: Any, uid: str, callout: Any) -> AsyncIterator[RunBus]:
    pods.add(f"token-{uid}", uid, f"run-{uid}-1")
    bus = await installation.pod(f"run-{uid}-1", f"token-{uid}")
    yield bus
    await bus.close()


class TestWhatItMay:
    async def test_it_learns_which_run_it_is_for(self, run: RunBus, uid: str) -> None:
        assert run.run_uid == uid

    async def test_it_appends_fenced_and_repeats_an_unknown_outcome(
        self, run: RunBus, controller: JetStreamBus, uid: str
    ) -> None:
        pod = subjects.journal(uid, "pod")
        once = await run.append(pod, b"\x00\xff\n1", expected_last=0, message_id="a", headers={"A": "b"})
        assert await run.append(pod, b"\x00\xff\n1", expected_last=0, message_id="a") == Ack(once.sequence, duplicate=True)
        with pytest.raises(Fenced):
            await run.append(pod, b"2", expected_last=0, message_id="b")
        (message,) = await stored(controller, pod)
        assert (message.data, dict(message.headers), message.sequence) == (b"\x00\xff\n1", {"A": "b"}, once.sequence)

    async def test_it_writes_its_journal(self, run: RunBus, controller: JetStreamBus, uid: str) -> None:
        journal = Journal(run, subjects.journal(uid, "pod"), last=0, attempt=1)
        await journal.append({"type": "started", "n": 1})
        await journal.append({"type": "tool.result", "n": 2, "content": "x" * 1_500_000})
        await journal.append({"type": "result", "n": 3})
        assert [found.entry["n"] async for found in read_entries(controller, uid)] == [1, 2, 3]

    async def test_the_longest_message(self, run: RunBus, controller: JetStreamBus, uid: str) -> None:
        pod = subjects.journal(uid, "pod")
        await run.append(pod, bytes(FRAME_BYTES))
        with pytest.raises(PayloadTooLarge):
            await run.append(pod, bytes(run.max_payload + 1))
        assert len(await stored(controller, pod)) == 1

    async def test_2000_appends_at_once_are_2000(self, run: RunBus, controller: JetStreamBus, uid: str) -> None:
        pod = subjects.journal(uid, "pod")
        acks = await asyncio.gather(*(run.append(pod, b"%d" % number) for number in range(2000)))
        assert len({ack.sequence for ack in acks}) == 2000
        assert len(await stored(controller, pod)) == 2000

    async def test_message_ids_of_two_runs_do_not_meet(
        self, installation: NatsInstallation, pods: Any, run: RunBus, controller: JetStreamBus, uid: str
    ) -> None:
        pods.add("other", f"{uid}x", "run-other-1")
        other = await installation.pod("run-other-1", "other")
        first = await other.append(subjects.journal(f"{uid}x", "pod"), b"1", message_id="same")
        second = await run.append(subjects.journal(uid, "pod"), b"2", message_id="same")
        assert not second.duplicate
        assert second.sequence > first.sequence
        await other.close()

    async def test_it_hears_what_the_control_plane_says(self, run: RunBus, controller: JetStreamBus, uid: str) -> None:
        control = await run.subscribe(subjects.journal(uid, "ctl"))
        await controller.append(subjects.journal(uid, "ctl"), b"cancel")
        assert (await asyncio.wait_for(anext(aiter(control)), 5)).data == b"cancel"
        await control.close()

    async def test_a_call_with_a_long_request_streams_its_answer_by_credit(
        self, run: RunBus, gateway: JetStreamBus, uid: str
    ) -> None:
        made = 0

        async def answer(request: CallRequest) -> AsyncIterator[bytes]:
            nonlocal made
            yield b"%d" % len(request.data)
            for _ in range(400):
                made += 1
                yield bytes(1000)

        server = await serve(gateway, subjects.request("*", "model"), answer, queue="gateway")
        request = call(run, subjects.request(uid, "model"), bytes(5 * FRAME_BYTES), deadline=time.time() + 20, window=16)
        async with aclosing(request) as items:
            assert await anext(items) == b"%d" % (5 * FRAME_BYTES)
            await asyncio.sleep(0.2)
            assert made <= 17
            assert [len(item) async for item in items] == [1000] * 400
        await server.close()


class Outsider:
    """A client of nats-py with the token of a pod, which checks nothing before it sends."""

    def __init__(self, client: Client, refused: list[str]) -> None:
        self.client, self.refused = client, refused

    async def settled(self) -> None:
        for _ in range(2):
            await self.client.flush()

    async def refused_to(self, verb: str, subject: str) -> bool:
        await self.settled()
        return any(f'violation for {verb} to "{subject.lower()}"' in known for known in self.refused)


@pytest.fixture
async def outsider(installation: NatsInstallation, run: RunBus, uid: str) -> AsyncIterator[Outsider]:
    refused: list[str] = []

    async def heard(error: Exception) -> None:
        refused.append(str(error))

    client = Client()
    login = Login(installation.url, ca_file=installation.ca_file, token_file=installation.token_file("o", f"token-{uid}"))
    await client.connect(installation.url, error_cb=heard, allow_reconnect=False, **login.options(client))
    yield Outsider(client, refused)
    await client.close()


FOREIGN = (
    "sympozium.run.OTHER.pod",
    "sympozium.run.OTHER.req.model",
    "sympozium.run.OTHER.req.model.x.y",
    "sympozium.run.OTHER.inbox.x",
    "sympozium.run.OWN.pod",
    "sympozium.run.OWN.gw",
    "sympozium.run.OWN.ctl",
    "sympozium.run.OWN.inbox.x",
    "sympozium.pod.other.hello",
    "sympozium.pod.other.inbox.x",
    "sympozium.revoked",
    "_INBOX.control.x",
    "$JS.API.INFO",
    "$JS.API.STREAM.PURGE.SYMPOZIUM_RUNS",
    "$JS.API.CONSUMER.CREATE.SYMPOZIUM_RUNS",
    "$JS.API.DIRECT.GET.SYMPOZIUM_RUNS",
    "$JS.ACK.SYMPOZIUM_RUNS.c.1.1.1.1.1",
    "$KV.x.y",
    "$O.SYMPOZIUM_ARTIFACTS.C.x",
    "$SYS.REQ.USER.INFO",
    "$SYS.REQ.USER.AUTH",
    "$SYS.REQ.SERVER.PING",
    "$SYS.REQ.SERVER.PING.CONNZ",
    "$SRV.PING",
    "anything",
)
LISTENING = (
    ">",
    "*",
    "sympozium.>",
    "sympozium.run.>",
    "sympozium.run.OWN.>",
    "sympozium.run.OWN.*",
    "sympozium.run.OWN.pod",
    "sympozium.run.OWN.gw",
    "sympozium.run.OWN.req.>",
    "sympozium.run.OTHER.ctl",
    "sympozium.run.*.ctl",
    "sympozium.run.OTHER.inbox.>",
    "sympozium.run.*.inbox.>",
    "sympozium.pod.other.inbox.>",
    "sympozium.pod.*.hello",
    "_INBOX.>",
    "_INBOX.control.>",
    "$JS.>",
    "$KV.>",
    "$O.>",
    "$SYS.>",
)


class TestWhatItMayNot:
    @pytest.mark.parametrize("subject", FOREIGN)
    async def test_publish(self, controller: JetStreamBus, outsider: Outsider, uid: str, subject: str) -> None:
        subject = subject.replace("OWN", uid).replace("OTHER", "run-2")
        await outsider.client.publish(subject, b"forged", reply=f"{subjects.run_inbox(uid)}.x")
        assert await outsider.refused_to("publish", subject)
        assert await stored(controller, "sympozium.run.>") == []

    @pytest.mark.parametrize("pattern", LISTENING)
    async def test_listen(self, outsider: Outsider, uid: str, pattern: str) -> None:
        pattern = pattern.replace("OWN", uid).replace("OTHER", "run-2")

        async def ignore(_: Any) -> None:
            raise AssertionError

        await outsider.client.subscribe(pattern, cb=ignore)
        assert await outsider.refused_to("subscription", pattern)

    async def test_join_the_queue_of_those_who_answer(self, outsider: Outsider, uid: str) -> None:
        subject = subjects.request(uid, "model")
        await outsider.client.subscribe(subject, queue="gateway")
        await outsider.settled()
        assert any("violation for subscription" in known for known in outsider.refused)

    @pytest.mark.parametrize(
        "reply", ["sympozium.run.run-2.gw", "sympozium.run.run-2.inbox.x", "$JS.API.STREAM.PURGE.SYMPOZIUM_RUNS"]
    )
    @pytest.mark.parametrize("what", ["append", "model", "start"])
    async def test_have_an_answer_sent_elsewhere(
        self, controller: JetStreamBus, gateway: JetStreamBus, outsider: Outsider, uid: str, what: str, reply: str
    ) -> None:
        """Who answers a run's user answers in that run's inbox alone: nothing else on the bus answers it at all."""
        listening = await controller.subscribe(reply)
        await controller.append(subjects.journal("run-2", "gw"), b"1")
        headers = {"Sympozium-Call": "x", "Sympozium-Index": "0", "Sympozium-Last": "1", "Sympozium-Timeout": "5"}
        data = b'{"expected": null, "id": "", "headers": {}}\nforged'
        await outsider.client.publish(subjects.request(uid, what), data, reply=reply, headers=headers)
        await outsider.settled()
        own = f"{subjects.run_inbox(uid)}.x"
        answered = await outsider.client.subscribe(own)
        await outsider.client.publish(
            subjects.request(uid, "append"), data, reply=own, headers={**headers, "Sympozium-Call": "y"}
        )
        assert ((await answered.next_msg(timeout=5)).headers or {})["Sympozium-Call"] == "y"
        if not subjects.is_stored(reply):
            await listening.close()
            assert [message async for message in listening] == []
        assert [message.data for message in await stored(controller, subjects.journal("run-2"))] == [b"1"]

    async def test_speak_into_the_call_of_another_run(self, outsider: Outsider, gateway: JetStreamBus, uid: str) -> None:
        await outsider.client.publish("sympozium.run.run-2.req.model.aaaa.bbbb", b"", headers={"Sympozium-Cancel": "1"})
        assert await outsider.refused_to("publish", "sympozium.run.run-2.req.model.aaaa.bbbb")

    async def test_learn_more_from_its_own_client(self, run: RunBus, uid: str) -> None:
        for attempt in (
            run.last(subjects.journal(uid, "pod")),
            run.consumer("c", subjects.journal(uid, "pod")),
            run.purge("x"),
        ):
            with pytest.raises(BusDenied):
                await attempt
        for publish in ("sympozium.run.run-2.req.model", "x", "_INBOX.control.x"):
            with pytest.raises(BusDenied):
                await run.publish(publish, b"x")
        with pytest.raises(BusDenied):
            await run.subscribe(">")
        with pytest.raises(BusDenied):
            await run.append(subjects.journal(uid, "gw"), b"x")
        with pytest.raises(BusDenied):
            await stored(run, subjects.journal(uid, "pod"))
