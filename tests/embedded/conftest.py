"""Stores for the tests of this folder. The bus has its own fixtures."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from sympozium_core.contracts.cluster import Cluster, User
from sympozium_core.embedded.store import Store
from sympozium_core.resources.kinds import ALL


class HandClock:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.seconds = 1_790_000_000.0

    def now(self) -> float:
        return self.seconds

    def monotonic(self) -> float:
        return self.seconds


@pytest.fixture
def hand_clock() -> HandClock:
    return HandClock()


@pytest.fixture
def short_path() -> Iterator[Path]:
    """A folder with a short path: a socket's has an end."""
    with tempfile.TemporaryDirectory(prefix="sy-") as folder:
        yield Path(folder)


@pytest.fixture
async def store(tmp_path: Path, hand_clock: HandClock) -> AsyncIterator[Store]:
    store = await Store.open(tmp_path / "store.db", kinds=ALL, clock=hand_clock)
    yield store
    await store.close()


@pytest.fixture
def cluster(store: Store) -> Cluster:
    return store.as_user(User("local:tester"))
