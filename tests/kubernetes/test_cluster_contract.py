"""The contract of the cluster port, on the client against a real kube-apiserver."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sympozium_core.cluster.client import ClusterClient
from sympozium_core.contracts.builtin_kinds import CUSTOM_RESOURCE_DEFINITION, NAMESPACE
from sympozium_core.contracts.cluster import Cluster
from sympozium_core.testing.cluster import CONTRACT_CRDS, ClusterContract
from sympozium_core.testing.cluster_kinds import until


async def served(client: ClusterClient) -> None:
    """The contract's kinds, accepted and served."""
    for crd in CONTRACT_CRDS:
        await client.apply(CUSTOM_RESOURCE_DEFINITION, crd, field_manager="contract", force=True)

    async def established() -> bool:
        found = [await client.get(CUSTOM_RESOURCE_DEFINITION, None, crd["metadata"]["name"]) for crd in CONTRACT_CRDS]
        conditions = [one for crd in found for one in (crd.get("status") or {}).get("conditions") or ()]
        ready = [one for one in conditions if one["type"] == "Established" and one["status"] == "True"]
        return len(ready) == len(CONTRACT_CRDS)

    await until(established, "the contract's kinds")


class TestRealServer(ClusterContract):
    bookmark_timeout = 4.0

    @pytest.fixture
    async def client(self, kubeconfig: Path) -> AsyncIterator[ClusterClient]:
        client = ClusterClient.from_kubeconfig(kubeconfig)
        await served(client)
        yield client
        await client.close()

    @pytest.fixture
    async def cluster(self, client: ClusterClient) -> Cluster:
        return client

    @pytest.fixture
    async def namespace(self, client: ClusterClient) -> AsyncIterator[str]:
        name = await made(client)
        yield name
        await client.delete(NAMESPACE, None, name)

    @pytest.fixture
    async def other_namespace(self, client: ClusterClient) -> AsyncIterator[str]:
        name = await made(client)
        yield name
        await client.delete(NAMESPACE, None, name)


async def made(client: ClusterClient) -> str:
    name = f"contract-{uuid.uuid4().hex[:10]}"
    await client.create(NAMESPACE, {"metadata": {"name": name}})
    return name
