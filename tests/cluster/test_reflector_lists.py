"""Lists of many pages between which things happen, and failures that no API server answers, on a real store."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from sympozium_core.backoff import BackOff
from sympozium_core.cluster.reflector import Change, Reflector
from sympozium_core.contracts.cluster import Cluster, Gone, ListPage, ResourceType, Unavailable, User, metadata
from sympozium_core.embedded.store import Store, StoreOptions

WIDGET = ResourceType("example.com", "v1", "Widget", "widgets")
QUICK = BackOff(first=0.005, longest=0.02)


class NewerPages:
    """The real store, but each page is of the moment in which it is asked for, as a server does that has lost the older state.

    Tokens are the name that a page ended with. `before_next` runs before a page that is not the first.
    """

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self.before_next: Callable[[], Awaitable[None]] | None = None
        self.watched_from: list[str] = []
        self.refused: set[str] = set()

    async def list(self, kind: ResourceType, namespace: str | None, **options: Any) -> ListPage:
        token, limit = options.pop("continue_token"), options.pop("limit")
        if token and self.before_next is not None:
            await self.before_next()
        page = await self._cluster.list(kind, namespace, **options)
        left = [item for item in page.items if metadata(item)["name"] > token]
        more = metadata(left[limit - 1])["name"] if len(left) > limit else ""
        return ListPage(left[:limit], page.resource_version, more)

    def watch(self, *arguments: Any, **options: Any) -> Any:
        self.watched_from.append(options["resource_version"])
        if options["resource_version"] in self.refused:
            raise Unavailable("this version cannot be served")
        return self._cluster.watch(*arguments, **options)


@pytest.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[Cluster]:
    store = await Store.open(tmp_path / "store.db", kinds=[WIDGET], options=StoreOptions(bookmark_seconds=0.05))
    yield store.as_user(User("tester"))
    await store.close()


@pytest.fixture(autouse=True)
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sympozium_core.cluster.reflector.PAGE", 2)


def reflect(cluster: Any, **options: Any) -> Reflector:
    return Reflector(cluster, WIDGET, back_off=QUICK, **options)


async def create(cluster: Cluster, *names: str) -> None:
    for name in names:
        await cluster.create(WIDGET, {"metadata": {"name": name}, "spec": {}})


async def take(changes: Any, count: int) -> list[Change]:
    async with asyncio.timeout(10):
        return [await anext(changes) for _ in range(count)]


def short(changes: list[Change]) -> list[tuple[str, str]]:
    return [(change.type, metadata(change.object).get("name", "")) for change in changes]


async def test_what_happens_between_two_pages_is_told_once(cluster: Cluster) -> None:
    """`a` goes and `a2` is made behind the page that is fetched already; `d` changes before its own is."""
    await create(cluster, "a", "b", "c", "d")
    first = (await cluster.list(WIDGET)).resource_version
    pages = NewerPages(cluster)

    async def meanwhile() -> None:
        pages.before_next = None
        await cluster.delete(WIDGET, "default", "a")
        await create(cluster, "a2")
        await cluster.patch(WIDGET, "default", "d", {"spec": {"x": 1}})

    pages.before_next = meanwhile
    changes = reflect(pages).changes()
    listed = await take(changes, 5)
    assert short(listed) == [("ADDED", "a"), ("ADDED", "b"), ("ADDED", "c"), ("ADDED", "d"), ("SYNCED", "")]
    assert listed[3].object["spec"] == {"x": 1}
    assert listed[-1].version == first
    assert short(await take(changes, 2)) == [("DELETED", "a"), ("ADDED", "a2")]
    assert pages.watched_from == [first]
    await create(cluster, "e")
    assert short(await take(changes, 1)) == [("ADDED", "e")]  # the change of `d` that the watch repeats is none
    await changes.aclose()


async def test_what_was_made_again_between_two_pages_is_not_taken_for_the_one_before(cluster: Cluster) -> None:
    await create(cluster, "a", "b", "c")
    pages = NewerPages(cluster)

    async def meanwhile() -> None:
        pages.before_next = None
        await cluster.patch(WIDGET, "default", "c", {"spec": {"x": 1}})
        await cluster.delete(WIDGET, "default", "c")
        await create(cluster, "c")

    pages.before_next = meanwhile
    changes = reflect(pages).changes()
    listed = await take(changes, 4)
    assert listed[2].object["metadata"]["uid"] == (await cluster.get(WIDGET, "default", "c"))["metadata"]["uid"]
    await create(cluster, "d")
    assert short(await take(changes, 1)) == [("ADDED", "d")]
    await changes.aclose()


@pytest.mark.parametrize(
    ("error", "problem"),
    [
        (Unavailable("the server is away"), "the server is away"),
        (Gone("the continue token is too old"), "the continue token is too old"),
        (RuntimeError("a fault of the client"), "RuntimeError: a fault of the client"),
    ],
)
async def test_a_list_that_breaks_in_the_middle_changes_nothing(cluster: Cluster, error: Exception, problem: str) -> None:
    await create(cluster, "a", "b", "c")
    pages = NewerPages(cluster)
    broken = 0

    async def breaks() -> None:
        nonlocal broken
        broken += 1
        raise error

    pages.before_next = breaks
    reflector = reflect(pages)
    changes = reflector.changes()
    following = asyncio.ensure_future(anext(changes))
    async with asyncio.timeout(10):
        while broken < 3:  # noqa: ASYNC110 - it tries again and again
            await asyncio.sleep(0.001)
    assert not following.done()
    assert (reflector.lists, reflector.problem) == (0, problem)
    pages.before_next = None
    assert short([await following, *await take(changes, 3)]) == [("ADDED", "a"), ("ADDED", "b"), ("ADDED", "c"), ("SYNCED", "")]
    assert (reflector.lists, reflector.problem) == (1, "")
    await changes.aclose()


async def test_a_version_that_the_server_never_serves_is_given_up_for_a_new_list(cluster: Cluster) -> None:
    await create(cluster, "a")
    pages = NewerPages(cluster)
    pages.refused.add((await cluster.list(WIDGET)).resource_version)
    reflector = reflect(pages)
    changes = reflector.changes()
    assert short(await take(changes, 2)) == [("ADDED", "a"), ("SYNCED", "")]
    await create(cluster, "b")
    assert short(await take(changes, 2)) == [("ADDED", "b"), ("SYNCED", "")]
    assert reflector.lists == 2
    await changes.aclose()


async def test_bookmarks_tell_how_far_the_stream_is(cluster: Cluster) -> None:
    """With a selection, a write that it leaves out is seen at the next bookmark."""
    changes = reflect(cluster, labels="mine=yes", bookmarks=True).changes()
    assert short(await take(changes, 1)) == [("SYNCED", "")]
    await create(cluster, "other")
    written = (await cluster.get(WIDGET, "default", "other"))["metadata"]["resourceVersion"]
    async with asyncio.timeout(10):
        async for change in changes:
            assert change.type == "BOOKMARK"
            if int(change.version) >= int(written):
                break
    await changes.aclose()
