"""The contract of the cluster port, on the client against a real kube-apiserver."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sympozium_core.cluster.client import ClusterClient
from sympozium_core.contracts.builtin_kinds import CUSTOM_RESOURCE_DEFINITION, NAMESPACE
from sympozium_core.contracts.cluster import Cluster
from sympozium_core.testing.cluster import CONTRACT_CRDS, ClusterContract
from sympozium_core.testing.cluster_kinds import ROOT_WIDGET, WIDGET, gone, owned_by, until, widget


async def served(client: ClusterClient) -> None:
    """The contract's kinds, accepted, served, and known to the garbage collector, which looks for new kinds every 30 s."""
    for crd in CONTRACT_CRDS:
        await client.apply(CUSTOM_RESOURCE_DEFINITION, crd, field_manager="contract", force=True)

    async def established() -> bool:
        found = [await client.get(CUSTOM_RESOURCE_DEFINITION, None, crd["metadata"]["name"]) for crd in CONTRACT_CRDS]
        conditions = [one for crd in found for one in (crd.get("status") or {}).get("conditions") or ()]
        ready = [one for one in conditions if one["type"] == "Established" and one["status"] == "True"]
        return len(ready) == len(CONTRACT_CRDS)

    await until(established, "the contract's kinds")
    name = f"owner-{uuid.uuid4().hex[:10]}"
    for kind, namespace in ((WIDGET, "default"), (ROOT_WIDGET, None)):
        meta = {"name": name} if namespace is None else {"name": name, "namespace": namespace}
        owner = await client.create(kind, {"metadata": meta, "spec": {}})
        child = widget("default", f"of-{kind.singular}-{name}", owners=[owned_by(owner)])
        await client.create(WIDGET, child)
        await client.delete(kind, namespace, name)
        for _ in range(5):  # each waits for a while
            with contextlib.suppress(AssertionError):
                await gone(client, WIDGET, "default", child["metadata"]["name"])
                break


@pytest.fixture(scope="module")
def kinds(kubeconfig: Path) -> None:
    async def serve() -> None:
        client = ClusterClient.from_kubeconfig(kubeconfig)
        await served(client)
        await client.close()

    asyncio.run(serve())


@pytest.mark.timeout(300)
class TestRealServer(ClusterContract):
    bookmark_timeout = 4.0

    @pytest.fixture
    async def client(self, kubeconfig: Path, kinds: None) -> AsyncIterator[ClusterClient]:
        client = ClusterClient.from_kubeconfig(kubeconfig)
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
