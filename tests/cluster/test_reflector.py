"""The reflector on a real store behind a real socket, through everything that can happen to a watch."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from sympozium_core.cluster.client import ClusterClient
from sympozium_core.cluster.reflector import Change, Reflector
from sympozium_core.contracts.cluster import Cluster, ResourceType, User
from sympozium_core.embedded.rest import make_app, serve_unix
from sympozium_core.embedded.store import Store, StoreOptions

WIDGET = ResourceType("example.com", "v1", "Widget", "widgets")


class Site:
    """A store and its socket, which the test can stop and start."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.socket = folder / "api.sock"
        self.store: Store
        self.cluster: Cluster
        self._stack = AsyncExitStack()

    async def start(self) -> None:
        self.store = await Store.open(
            self.folder / "store.db", kinds=[WIDGET], options=StoreOptions(log_window=20, bookmark_seconds=0.1)
        )
        self.cluster = self.store.as_user(User("tester"))
        self._stack.push_async_callback(self.store.close)
        await self._stack.enter_async_context(serve_unix(make_app(self.store), self.socket))

    async def stop(self) -> None:
        await self._stack.aclose()

    async def create(self, name: str, **labels: str) -> None:
        await self.cluster.create(WIDGET, {"metadata": {"name": name, "labels": labels}, "spec": {}})


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    with tempfile.TemporaryDirectory(prefix="sy-") as folder:
        site = Site(Path(folder))
        await site.start()
        yield site
        await site.stop()


@pytest.fixture
async def client(site: Site) -> AsyncIterator[ClusterClient]:
    client = ClusterClient.over_socket(site.socket)
    yield client
    await client.close()


async def told(changes: Any, count: int) -> list[tuple[str, str]]:
    async with asyncio.timeout(15):
        return [short(await anext(changes)) for _ in range(count)]


def short(change: Change) -> tuple[str, str]:
    return change.type, change.object.get("metadata", {}).get("name", "")


async def test_what_is_there_then_a_mark_then_what_comes(site: Site, client: ClusterClient) -> None:
    await site.create("a")
    await site.create("b")
    changes = Reflector(client, WIDGET).changes()
    assert await told(changes, 3) == [("ADDED", "a"), ("ADDED", "b"), ("SYNCED", "")]
    await site.create("c")
    await site.cluster.patch(WIDGET, "default", "a", {"spec": {"x": 1}})
    await site.cluster.delete(WIDGET, "default", "b")
    assert await told(changes, 3) == [("ADDED", "c"), ("MODIFIED", "a"), ("DELETED", "b")]
    await changes.aclose()


async def test_more_than_one_page(site: Site, client: ClusterClient) -> None:
    names = [f"w{number:04}" for number in range(1101)]
    await asyncio.gather(*(site.create(name) for name in names))
    changes = Reflector(client, WIDGET).changes()
    assert await told(changes, 1102) == [*(("ADDED", name) for name in names), ("SYNCED", "")]
    await changes.aclose()


async def test_a_selection(site: Site, client: ClusterClient) -> None:
    await site.create("a", mine="yes")
    await site.create("b", mine="no")
    changes = Reflector(client, WIDGET, "default", labels="mine=yes").changes()
    assert await told(changes, 2) == [("ADDED", "a"), ("SYNCED", "")]
    await site.cluster.patch(WIDGET, "default", "b", {"metadata": {"labels": {"mine": "yes"}}})
    await site.cluster.patch(WIDGET, "default", "a", {"metadata": {"labels": {"mine": None}}})
    assert await told(changes, 2) == [("ADDED", "b"), ("DELETED", "a")]
    await changes.aclose()


async def test_a_server_that_comes_back(site: Site, client: ClusterClient) -> None:
    await site.create("a")
    reflector = Reflector(client, WIDGET)
    changes = reflector.changes()
    assert await told(changes, 2) == [("ADDED", "a"), ("SYNCED", "")]
    following = asyncio.ensure_future(told(changes, 1))
    await site.stop()
    async with asyncio.timeout(10):
        while not reflector.problem:  # noqa: ASYNC110 - it must have noticed
            await asyncio.sleep(0.01)
    await site.start()
    await site.create("b")
    assert await following == [("ADDED", "b")]
    assert reflector.problem == ""
    await changes.aclose()


async def test_what_happened_beyond_the_log_is_found_by_a_list(site: Site, client: ClusterClient) -> None:
    """While nobody looked: one went, one changed, one was made again under its name, and the log was compacted."""
    for name in ("gone", "kept", "again", "same"):
        await site.create(name)
    changes = Reflector(client, WIDGET).changes()
    assert (await told(changes, 5))[-1] == ("SYNCED", "")
    following = asyncio.ensure_future(told(changes, 5))
    await asyncio.sleep(0)
    await site.stop()

    alone = await Store.open(site.folder / "store.db", kinds=[WIDGET], options=StoreOptions(log_window=20))
    cluster = alone.as_user(User("tester"))
    await cluster.delete(WIDGET, "default", "gone")
    await cluster.delete(WIDGET, "default", "again")
    await cluster.create(WIDGET, {"metadata": {"name": "again"}, "spec": {}})
    for number in range(560):
        await cluster.patch(WIDGET, "default", "kept", {"spec": {"number": number}})
    await alone.close()
    await site.start()

    assert sorted(await following) == [
        ("ADDED", "again"),
        ("DELETED", "again"),
        ("DELETED", "gone"),
        ("MODIFIED", "kept"),
        ("SYNCED", ""),
    ]
    await changes.aclose()


async def test_nothing_is_told_twice_under_load(site: Site, client: ClusterClient) -> None:
    """Many writers, a log far shorter than what they write, and a reader that stops now and then."""
    changes = Reflector(client, WIDGET).changes()
    assert await told(changes, 1) == [("SYNCED", "")]
    names = iter([f"w{number:04}" for number in range(1500)])

    async def write() -> None:
        for name in names:
            await site.create(name)
            if name.endswith("7"):
                await site.cluster.delete(WIDGET, "default", name)

    writers = asyncio.gather(*(write() for _ in range(16)))
    held: dict[str, str] = {}
    async with asyncio.timeout(30):
        while len(held) < 1350 or any(name.endswith("7") for name in held) or not writers.done():
            change = await anext(changes)
            type, name = short(change)
            if type == "ADDED":
                assert name not in held
                held[name] = change.object["metadata"]["uid"]
            elif type == "DELETED":
                assert held.pop(name) == change.object["metadata"]["uid"]
            if len(held) % 100 == 99:
                await asyncio.sleep(0.02)
    await writers
    listed = {item["metadata"]["name"]: item["metadata"]["uid"] for item in (await site.cluster.list(WIDGET)).items}
    assert held == listed
    await changes.aclose()
