"""A real embedded store, and a way to cut the line to it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from sympozium_core.contracts.builtin_kinds import CONFIG_MAP, EVENT, LEASE
from sympozium_core.contracts.cluster import ApiError, Cluster, Unavailable, User, WatchEvent
from sympozium_core.embedded.store import Store, StoreOptions
from sympozium_core.resources.kinds import SYMPOZIUM_SCHEDULE

KINDS = (CONFIG_MAP, EVENT, LEASE, SYMPOZIUM_SCHEDULE)


class Line:
    """Passes every call on to a real cluster until it is cut: then calls fail and watches end with `error`."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._cuts: set[asyncio.Event] = set()
        self.error: ApiError | None = None
        self.calls: list[str] = []

    def cut(self, error: ApiError | None = None) -> None:
        self.error = error or Unavailable("the line is cut")
        for each in self._cuts:
            each.set()

    def mend(self) -> None:
        self.error = None

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._cluster, name)

        async def passed_on(*arguments: Any, **options: Any) -> Any:
            self.calls.append(name)
            if self.error is not None:
                raise self.error
            return await call(*arguments, **options)

        return passed_on

    async def watch(self, *arguments: Any, **options: Any) -> AsyncIterator[WatchEvent]:
        self.calls.append("watch")
        if self.error is not None:
            raise self.error
        cut = asyncio.Event()
        self._cuts.add(cut)
        stream: Any = self._cluster.watch(*arguments, **options)
        broken = asyncio.ensure_future(cut.wait())
        following: asyncio.Future[Any] = broken
        try:
            while True:
                following = asyncio.ensure_future(anext(stream, None))
                await asyncio.wait((following, broken), return_when=asyncio.FIRST_COMPLETED)
                if self.error is not None:
                    raise self.error
                event = following.result()
                if event is None:
                    return
                yield event
        finally:
            self._cuts.discard(cut)
            broken.cancel()
            following.cancel()
            await asyncio.wait((broken, following))
            await stream.aclose()


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    opened = await Store.open(tmp_path / "store.db", kinds=KINDS, options=StoreOptions(log_window=50, bookmark_seconds=0.05))
    yield opened
    await opened.close()


@pytest.fixture
def cluster(store: Store) -> Cluster:
    return store.as_user(User("test"))


@pytest.fixture
def line(cluster: Cluster) -> Line:
    return Line(cluster)


@pytest.fixture
def make_line() -> Callable[[Cluster], Line]:
    return Line


async def _until(condition: Callable[[], object], seconds: float = 10.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - any condition, not only one that has an event
            await asyncio.sleep(0.001)


@pytest.fixture
def until() -> Any:
    """Waits for a condition, with a deadline."""
    return _until


@pytest.fixture
async def background() -> AsyncIterator[Callable[[Any], asyncio.Task[Any]]]:
    """Runs coroutines beside the test and ends them with it."""
    tasks: list[asyncio.Task[Any]] = []

    def start(coroutine: Any) -> asyncio.Task[Any]:
        tasks.append(asyncio.ensure_future(coroutine))
        return tasks[-1]

    yield start
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
