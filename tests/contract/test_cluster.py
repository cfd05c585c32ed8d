"""The contract of the cluster port, on the store in process and on the client against the store's REST face."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sympozium_core.cluster.client import ClusterClient
from sympozium_core.contracts.cluster import Cluster, User
from sympozium_core.embedded.rest import make_app, serve_unix
from sympozium_core.embedded.store import Store
from sympozium_core.testing.cluster import CONTRACT_KINDS, ClusterContract


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    store = await Store.open(tmp_path / "store.db", kinds=CONTRACT_KINDS)
    yield store
    await store.close()


class TestStore(ClusterContract):
    @pytest.fixture
    async def cluster(self, store: Store) -> Cluster:
        return store.as_user(User("contract"))


class TestClient(ClusterContract):
    @pytest.fixture
    async def cluster(self, store: Store) -> AsyncIterator[Cluster]:
        with tempfile.TemporaryDirectory(prefix="contract-") as folder:  # a short path: a socket's has an end
            socket = Path(folder) / "api.sock"
            async with serve_unix(make_app(store), socket):
                client = ClusterClient.over_socket(socket)
                yield client
                await client.close()
