"""Checks of the bus contract: durable consumers. Part of `testing.bus.BusContract`."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress

import pytest

from sympozium_core.bus import subjects
from sympozium_core.contracts.bus import Bus, Consumer, Delivery
from sympozium_core.errors import Permanent


async def take(consumer: Consumer, count: int) -> list[Delivery]:
    """So many deliveries; fails when they do not come."""
    async with asyncio.timeout(20):
        return [await anext(aiter(consumer)) for _ in range(count)]


async def nothing_comes(consumer: Consumer, seconds: float) -> bool:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await anext(aiter(consumer))
            return False
    return True


async def appended(bus: Bus, uid: str, count: int) -> list[bytes]:
    data = [b"%d" % number for number in range(count)]
    for item in data:
        await bus.append(subjects.journal(uid, "pod"), item)
    return data


class ConsumerChecks:
    async def test_a_new_consumer_begins_at_the_beginning_and_goes_on(self, bus: Bus, uid: str) -> None:
        data = await appended(bus, uid, 3)
        consumer = await bus.consumer(f"c-{uid}", subjects.journal(uid, "pod"))
        found = await take(consumer, 3)
        await bus.append(subjects.journal(uid, "pod"), b"live")
        found += await take(consumer, 1)
        assert [delivery.message.data for delivery in found] == [*data, b"live"]
        assert [delivery.deliveries for delivery in found] == [1, 1, 1, 1]
        assert found[0].message.sequence > 0
        await consumer.close()

    async def test_messages_that_waited_to_be_taken_are_given_back(self, bus: Bus, uid: str) -> None:
        data = await appended(bus, uid, 20)
        consumer = await bus.consumer(f"c-{uid}", subjects.journal(uid, "pod"), ahead=8)
        for delivery in await take(consumer, 3):
            await delivery.ack()
        await consumer.close()
        again = await bus.consumer(f"c-{uid}", subjects.journal(uid, "pod"), ahead=8)
        left = await take(again, 17)
        assert sorted(int(delivery.message.data) for delivery in left) == sorted(int(item) for item in data[3:])
        for delivery in left:
            await delivery.ack()
        await again.close()
        last = await bus.consumer(f"c-{uid}", subjects.journal(uid, "pod"), ahead=8)
        assert await nothing_comes(last, 0.5)
        await last.close()

    async def test_what_was_acknowledged_never_comes_again(self, bus: Bus, uid: str) -> None:
        await appended(bus, uid, 3)
        consumer = await bus.consumer(f"c-{uid}", subjects.journal(uid, "pod"), ack_wait=0.3)
        for delivery in await take(consumer, 2):
            await delivery.ack()
        await consumer.close()
        again = await bus.consumer(f"c-{uid}", subjects.journal(uid, "pod"), ack_wait=0.3)
        (delivery,) = await take(again, 1)
        assert delivery.message.data == b"2"
        await delivery.ack()
        assert await nothing_comes(again, 0.8)
        await again.close()

    async def test_what_was_not_acknowledged_comes_again_after_ack_wait(self, bus: Bus, uid: str) -> None:
        await appended(bus, uid, 1)
        consumer = await bus.consumer(f"c-{uid}", subjects.journal(uid, "pod"), ack_wait=0.4)
        (once,) = await take(consumer, 1)
        began = time.monotonic()
        (again,) = await take(consumer, 1)
        assert time.monotonic() - began >= 0.3
        assert (again.message.sequence, again.deliveries) == (once.message.sequence, 2)
        await again.ack()
        await consumer.close()

    async def test_whoever_opens_the_name_next_gets_what_was_not_acknowledged(self, bus: Bus, uid: str) -> None:
        data = await appended(bus, uid, 3)
        consumer = await bus.consumer(f"c-{uid}", subjects.journal(uid, "pod"))
        (held, done, _) = await take(consumer, 3)
        await done.ack()
        await consumer.close()
        again = await bus.consumer(f"c-{uid}", subjects.journal(uid, "pod"))
        found = await take(again, 2)
        assert sorted(delivery.message.data for delivery in found) == [data[0], data[2]]
        assert [delivery.deliveries for delivery in found] == [2, 2]
        assert held.deliveries == 1
        await again.close()

    async def test_nak_brings_it_back_at_once(self, bus: Bus, uid: str) -> None:
        await appended(bus, uid, 1)
        consumer = await bus.consumer(f"c-{uid}", subjects.journal(uid, "pod"))
        (once,) = await take(consumer, 1)
        await once.nak()
        (again,) = await take(consumer, 1)
        assert again.deliveries == 2
        await consumer.close()

    async def test_nak_brings_it_back_after_the_time_and_others_go_first(self, bus: Bus, uid: str) -> None:
        await appended(bus, uid, 2)
        consumer = await bus.consumer(f"c-{uid}", subjects.journal(uid, "pod"))
        (once,) = await take(consumer, 1)
        began = time.monotonic()
        await once.nak(0.4)
        found = await take(consumer, 2)
        assert [delivery.message.data for delivery in found] == [b"1", b"0"]
        assert time.monotonic() - began >= 0.3
        await consumer.close()

    async def test_no_more_than_max_pending_are_out(self, bus: Bus, uid: str) -> None:
        await appended(bus, uid, 4)
        consumer = await bus.consumer(f"c-{uid}", subjects.journal(uid, "pod"), max_pending=2)
        found = await take(consumer, 2)
        assert await nothing_comes(consumer, 0.3)
        await found[0].ack()
        assert [delivery.message.data for delivery in await take(consumer, 1)] == [b"2"]
        await consumer.close()

    async def test_two_who_open_one_name_share(self, bus: Bus, uid: str) -> None:
        one = await bus.consumer(f"c-{uid}", subjects.journal(uid, "pod"))
        two = await bus.consumer(f"c-{uid}", subjects.journal(uid, "pod"))
        taken: list[bytes] = []
        finished = asyncio.Event()

        async def work(consumer: Consumer) -> None:
            async for delivery in consumer:
                taken.append(delivery.message.data)
                await delivery.ack()
                if len(taken) == 60:
                    finished.set()

        workers = [asyncio.create_task(work(consumer)) for consumer in (one, two)]
        data = await appended(bus, uid, 60)
        await asyncio.wait_for(finished.wait(), 20)
        await one.close()
        await two.close()
        await asyncio.wait_for(asyncio.gather(*workers), 10)
        assert sorted(taken) == sorted(data)

    async def test_a_consumer_sees_its_filter_alone(self, bus: Bus, uid: str) -> None:
        for who in ("gw", "pod", "ctl", "pod"):
            await bus.append(subjects.journal(uid, who), who.encode())
            await bus.append(subjects.journal(f"{uid}x", who), b"another run")
        consumer = await bus.consumer(f"c-{uid}", subjects.journal(uid))
        assert [delivery.message.data for delivery in await take(consumer, 4)] == [b"gw", b"pod", b"ctl", b"pod"]
        await consumer.close()

    async def test_consumers_of_different_names_do_not_know_each_other(self, bus: Bus, uid: str) -> None:
        await appended(bus, uid, 1)
        for name in (f"a-{uid}", f"b-{uid}"):
            consumer = await bus.consumer(name, subjects.journal(uid, "pod"))
            (delivery,) = await take(consumer, 1)
            await delivery.ack()
            await consumer.close()

    async def test_a_name_stays_on_its_subject(self, bus: Bus, uid: str) -> None:
        await (await bus.consumer(f"c-{uid}", subjects.journal(uid, "pod"))).close()
        with pytest.raises(Permanent):
            await bus.consumer(f"c-{uid}", subjects.journal(uid, "gw"))

    async def test_closing_ends_the_iteration(self, bus: Bus, uid: str) -> None:
        consumer = await bus.consumer(f"c-{uid}", subjects.journal(uid, "pod"))

        async def collect() -> list[Delivery]:
            return [delivery async for delivery in consumer]

        task = asyncio.create_task(collect())
        await asyncio.sleep(0)
        await consumer.close()
        assert await asyncio.wait_for(task, 10) == []

    async def test_a_waiting_take_that_is_cancelled_loses_nothing(self, bus: Bus, uid: str) -> None:
        consumer = await bus.consumer(f"c-{uid}", subjects.journal(uid, "pod"), ack_wait=20)
        assert await nothing_comes(consumer, 0.05)
        data = await appended(bus, uid, 2)
        assert [delivery.message.data for delivery in await take(consumer, 2)] == data
        await consumer.close()

    async def test_a_purged_message_does_not_come_again(self, bus: Bus, uid: str) -> None:
        await appended(bus, uid, 2)
        consumer = await bus.consumer(f"c-{uid}", subjects.journal(uid, "pod"), ack_wait=0.2)
        await take(consumer, 1)
        await bus.purge(subjects.journal(uid))
        await bus.append(subjects.journal(uid, "pod"), b"new")
        (delivery,) = await take(consumer, 1)
        assert delivery.message.data == b"new"
        await delivery.ack()
        await consumer.close()
