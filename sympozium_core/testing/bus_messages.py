"""Checks of the bus contract: messages that are not stored, and artifacts. Part of `testing.bus.BusContract`."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest

from sympozium_core.bus import subjects
from sympozium_core.contracts.bus import Bus, BusDenied, Message, PayloadTooLarge, Subscription


async def heard(subscription: Subscription, count: int) -> list[Message]:
    """So many messages; fails when they do not come."""
    async with asyncio.timeout(20):
        return [await anext(aiter(subscription)) for _ in range(count)]


async def silent(subscription: Subscription, seconds: float = 0.2) -> bool:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await anext(aiter(subscription))
            return False
    return True


class PublishChecks:
    async def test_everybody_who_listens_hears(self, bus: Bus, uid: str) -> None:
        listening = [
            await bus.subscribe(pattern) for pattern in (f"x.{uid}.a", f"x.{uid}.a", f"x.{uid}.*", f"x.{uid}.>", "x.>")
        ]
        deaf = await bus.subscribe(f"x.{uid}.b")
        await bus.publish(f"x.{uid}.a", b"hello", reply=f"_INBOX.control.{uid}", headers={"A": "b"})
        for subscription in listening:
            (message,) = await heard(subscription, 1)
            assert (message.subject, message.data, dict(message.headers)) == (f"x.{uid}.a", b"hello", {"A": "b"})
            assert (message.reply, message.sequence) == (f"_INBOX.control.{uid}", 0)
        assert await silent(deaf)
        for subscription in [*listening, deaf]:
            await subscription.close()

    async def test_messages_keep_their_order(self, bus: Bus, uid: str) -> None:
        subscription = await bus.subscribe(f"x.{uid}")
        for number in range(3000):
            await bus.publish(f"x.{uid}", b"%d" % number)
        assert [message.data for message in await heard(subscription, 3000)] == [b"%d" % number for number in range(3000)]
        await subscription.close()

    async def test_of_a_queue_one_hears_each_message(self, bus: Bus, uid: str) -> None:
        workers = [await bus.subscribe(f"x.{uid}", queue="workers") for _ in range(3)]
        others = [await bus.subscribe(f"x.{uid}", queue="others"), await bus.subscribe("x.>")]
        for number in range(60):
            await bus.publish(f"x.{uid}", b"%d" % number)
        for subscription in others:
            assert len(await heard(subscription, 60)) == 60
        shares: list[list[Message]] = [[], [], []]
        finished = asyncio.Event()

        async def collect(worker: Subscription, share: list[Message]) -> None:
            async for message in worker:
                share.append(message)
                if sum(map(len, shares)) == 60:
                    finished.set()

        tasks = [asyncio.create_task(collect(worker, share)) for worker, share in zip(workers, shares, strict=True)]
        await asyncio.wait_for(finished.wait(), 20)
        assert all(shares)
        assert len({message.data for share in shares for message in share}) == 60
        for subscription in [*workers, *others]:
            await subscription.close()
        await asyncio.gather(*tasks)

    async def test_a_queue_over_patterns_is_one_queue(self, bus: Bus, uid: str) -> None:
        exact, pattern = await bus.subscribe(f"x.{uid}.a", queue="q"), await bus.subscribe(f"x.{uid}.*", queue="q")
        watch = await bus.subscribe(f"x.{uid}.a")
        for _ in range(20):
            await bus.publish(f"x.{uid}.a", b"")
        await heard(watch, 20)
        counts = []
        for subscription in (exact, pattern):
            count = 0
            while not await silent(subscription, 0.1):
                count += 1
            counts.append(count)
            await subscription.close()
        assert sum(counts) == 20
        await watch.close()

    async def test_a_request_that_nobody_hears_is_answered_by_the_bus(self, bus: Bus, uid: str) -> None:
        inbox = f"x.{uid}.inbox"
        replies = await bus.subscribe(inbox)
        await bus.publish(f"x.{uid}", b"anybody?", reply=inbox)
        (message,) = await heard(replies, 1)
        assert (message.data, message.headers.get("Status")) == (b"", "503")
        await replies.close()

    async def test_after_close_nothing_is_heard(self, bus: Bus, uid: str) -> None:
        subscription = await bus.subscribe(f"x.{uid}")
        await subscription.close()
        await bus.publish(f"x.{uid}", b"x")
        assert [message async for message in subscription] == []

    async def test_closing_ends_the_iteration(self, bus: Bus, uid: str) -> None:
        subscription = await bus.subscribe(f"x.{uid}")

        async def collect() -> list[Message]:
            return [message async for message in subscription]

        task = asyncio.create_task(collect())
        await asyncio.sleep(0)
        await subscription.close()
        assert await asyncio.wait_for(task, 10) == []

    async def test_a_journal_subject_is_appended_to_not_published(self, bus: Bus, uid: str) -> None:
        with pytest.raises(BusDenied):
            await bus.publish(subjects.journal(uid, "pod"), b"x")
        assert await bus.last(subjects.journal(uid, "pod")) is None

    async def test_who_listens_to_a_journal_subject_hears_appends(self, bus: Bus, uid: str) -> None:
        subscription = await bus.subscribe(subjects.journal(uid, "ctl"))
        await bus.append(subjects.journal(uid, "ctl"), b"cancel", expected_last=0, message_id=f"{uid}.1", headers={"A": "b"})
        (message,) = await heard(subscription, 1)
        assert (message.data, dict(message.headers), message.reply) == (b"cancel", {"A": "b"}, "")
        await subscription.close()

    async def test_a_message_that_is_too_long_is_refused(self, bus: Bus, uid: str) -> None:
        with pytest.raises(PayloadTooLarge):
            await bus.publish(f"x.{uid}", bytes(bus.max_payload + 1))


class ArtifactChecks:
    async def test_an_artifact_comes_back_whole(self, bus: Bus, uid: str) -> None:
        data = hashlib.shake_256(uid.encode()).digest(3_000_001)
        name = f"{uid}/results/die Antwort.txt"
        assert await bus.put_object(name, chunks(data, 100_000)) == len(data)
        assert await whole(bus, name) == data
        await bus.delete_object(name)

    async def test_an_empty_artifact_is_one(self, bus: Bus, uid: str) -> None:
        assert await bus.put_object(uid, chunks(b"", 1)) == 0
        assert await whole(bus, uid) == b""

    async def test_a_name_is_the_newest_whole_artifact(self, bus: Bus, uid: str) -> None:
        await bus.put_object(uid, chunks(b"old" * 100_000, 50_000))
        await bus.put_object(uid, chunks(b"new", 2))
        assert await whole(bus, uid) == b"new"

    async def test_a_source_that_fails_leaves_the_old_one(self, bus: Bus, uid: str) -> None:
        async def broken() -> AsyncIterator[bytes]:
            yield b"half"
            raise RuntimeError("the source broke")

        await bus.put_object(uid, chunks(b"old", 3))
        with pytest.raises(RuntimeError, match="the source broke"):
            await bus.put_object(uid, broken())
        assert await whole(bus, uid) == b"old"

    async def test_an_artifact_that_is_not_there_is_a_key_error(self, bus: Bus, uid: str) -> None:
        with pytest.raises(KeyError):
            await whole(bus, uid)

    async def test_a_deleted_artifact_is_gone_and_may_be_deleted_again(self, bus: Bus, uid: str) -> None:
        await bus.put_object(uid, chunks(b"x", 1))
        await bus.delete_object(uid)
        await bus.delete_object(uid)
        with pytest.raises(KeyError):
            await whole(bus, uid)

    async def test_a_name_cannot_leave_its_place(self, bus: Bus, uid: str) -> None:
        name = f"../../{uid}"
        await bus.put_object(name, chunks(b"x", 1))
        assert await whole(bus, name) == b"x"


async def chunks(data: bytes, size: int) -> AsyncIterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


async def whole(bus: Bus, name: str) -> bytes:
    return b"".join([chunk async for chunk in bus.get_object(name)])
