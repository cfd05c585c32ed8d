"""The client and the reflector against a real kube-apiserver: who we are, what is beyond the port, and what is followed."""

from __future__ import annotations

import asyncio
import base64
import json
import secrets
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from sympozium_core.cluster import reflector
from sympozium_core.cluster.client import ClusterClient
from sympozium_core.cluster.in_cluster import account_transport
from sympozium_core.cluster.reflector import Change, Reflector
from sympozium_core.contracts.builtin_kinds import (
    CONFIG_MAP,
    CUSTOM_RESOURCE_DEFINITION,
    POD,
    ROLE,
    ROLE_BINDING,
    SECRET,
    SERVICE_ACCOUNT,
)
from sympozium_core.contracts.cluster import Conflict, Forbidden, Gone, ListPage, NotFound, Object, ResourceType, Unauthorized
from sympozium_core.testing.cluster_kinds import crd
from tests.kubernetes.kubectl import Kubectl

SELF_REVIEW = ResourceType("authentication.k8s.io", "v1", "SelfSubjectReview", "selfsubjectreviews", False)
DEADLINE = 30.0


@pytest.fixture
async def client(kubeconfig: Path) -> AsyncIterator[ClusterClient]:
    client = ClusterClient.from_kubeconfig(kubeconfig)
    yield client
    await client.close()


async def who(client: ClusterClient) -> dict[str, Any]:
    found: dict[str, Any] = (await client.create(SELF_REVIEW, {}))["status"]["userInfo"]
    return found


async def token_of(client: ClusterClient, namespace: str, account: str) -> str:
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 600}}
    answer = await client.create_subresource(SERVICE_ACCOUNT, namespace, account, "token", request)
    return str(answer["status"]["token"])


async def account(client: ClusterClient, namespace: str, name: str) -> str:
    await client.create(SERVICE_ACCOUNT, {"metadata": {"name": name, "namespace": namespace}})
    return await token_of(client, namespace, name)


def config_map(namespace: str, name: str, **data: str) -> Object:
    return {"metadata": {"name": name, "namespace": namespace}, "data": data}


async def test_paths_outside_of_the_kinds(client: ClusterClient) -> None:
    assert json.loads(await client.get_path("/version"))["major"] == "1"
    assert await client.get_path("/readyz") == b"ok"
    groups = json.loads(await client.get_path("/apis"))["groups"]
    assert "apps" in {group["name"] for group in groups}
    with pytest.raises(NotFound):
        await client.get_path("/apis/nothing.example.com")


async def test_somebody_else_on_the_same_connection(client: ClusterClient, namespace: str) -> None:
    jane = client.impersonating("jane", ["dev"], uid="7", extra={"example.com/scope": ["a", "b"]})
    seen = await who(jane)
    assert (seen["username"], seen["uid"], seen["groups"]) == ("jane", "7", ["dev", "system:authenticated"])
    assert seen["extra"] == {"example.com/scope": ["a", "b"]}
    with pytest.raises(Forbidden, match='User "jane" cannot list resource "secrets"'):
        await jane.list(SECRET, namespace)
    await jane.close()
    assert await client.list(SECRET, namespace)


async def test_an_escalation_is_found_by_a_dry_run_as_somebody_else(client: ClusterClient, namespace: str) -> None:
    rules = [{"apiGroups": ["rbac.authorization.k8s.io"], "resources": ["roles"], "verbs": ["create"]}]
    await client.create(ROLE, {"metadata": {"name": "maker", "namespace": namespace}, "rules": rules})
    binding = {
        "metadata": {"name": "maker", "namespace": namespace},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "maker"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "jane"}],
    }
    await client.create(ROLE_BINDING, binding)
    jane = client.impersonating("jane")
    wanted = [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}]

    async def try_it(rules: list[dict[str, Any]]) -> Object:
        while True:  # until the authorizer has seen the binding
            try:
                return await jane.create(
                    ROLE, {"metadata": {"name": "x", "namespace": namespace}, "rules": rules}, dry_run=True
                )
            except Forbidden as error:
                if "attempting to grant" in str(error):
                    raise
                await asyncio.sleep(0.05)

    async with asyncio.timeout(DEADLINE):
        await try_it(rules)
        with pytest.raises(Forbidden, match="attempting to grant"):
            await try_it(wanted)


async def test_server_side_apply(client: ClusterClient, namespace: str) -> None:
    wanted = config_map(namespace, "one", a="1", b="2")
    first = await client.apply(CONFIG_MAP, wanted, field_manager="me", dry_run=True)
    assert first["data"] == {"a": "1", "b": "2"}
    with pytest.raises(NotFound):
        await client.get(CONFIG_MAP, namespace, "one")
    made = await client.apply(CONFIG_MAP, wanted, field_manager="me")
    again = await client.apply(CONFIG_MAP, wanted, field_manager="me")
    assert again["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"]
    with pytest.raises(Conflict) as refused:
        await client.apply(CONFIG_MAP, config_map(namespace, "one", a="other"), field_manager="you")
    assert [cause.field for cause in refused.value.causes] == [".data.a"]
    forced = await client.apply(CONFIG_MAP, config_map(namespace, "one", a="other"), field_manager="you", force=True)
    assert forced["data"] == {"a": "other", "b": "2"}
    left = await client.apply(CONFIG_MAP, config_map(namespace, "one", c="3"), field_manager="me")
    assert left["data"] == {"a": "other", "c": "3"}, "what a manager leaves out, and nobody else has, goes"


async def test_eviction(client: ClusterClient, kubectl: Kubectl, namespace: str) -> None:
    container = {"name": "one", "image": "nothing.example.com/none"}
    await client.create(POD, {"metadata": {"name": "one", "namespace": namespace}, "spec": {"containers": [container]}})
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "one", "namespace": namespace}}
    await client.create_subresource(POD, namespace, "one", "eviction", eviction)
    kubectl.within(namespace).wait("delete", "pod/one")


class Clock:
    def __init__(self) -> None:
        self.time = 1_000_000.0

    def now(self) -> float:
        return self.time

    def monotonic(self) -> float:
        return self.time


class Mount:
    """The folder that kubelet mounts into a pod, and the variables beside it."""

    def __init__(self, folder: Path, kubectl: Kubectl) -> None:
        (described,) = json.loads(kubectl("config", "view", "--raw", "--minify", "-o", "json"))["clusters"]
        server = urlsplit(described["cluster"]["server"])
        self.folder = folder
        self.environment = {"KUBERNETES_SERVICE_HOST": str(server.hostname), "KUBERNETES_SERVICE_PORT": str(server.port)}
        self.clock = Clock()
        (folder / "ca.crt").write_bytes(base64.b64decode(described["cluster"]["certificate-authority-data"]))

    def put(self, token: str, namespace: str) -> None:
        (self.folder / "token").write_text(token)
        (self.folder / "namespace").write_text(namespace)

    def client(self) -> ClusterClient:
        return ClusterClient(account_transport(self.folder, self.environment, clock=self.clock))


@pytest.fixture
def mount(tmp_path: Path, kubectl: Kubectl) -> Mount:
    return Mount(tmp_path, kubectl)


async def test_in_a_pod_with_a_token_that_is_replaced(client: ClusterClient, mount: Mount, namespace: str) -> None:
    mount.put(await account(client, namespace, "one"), namespace)
    pod = mount.client()
    assert pod.namespace == namespace
    assert (await who(pod))["username"] == f"system:serviceaccount:{namespace}:one"
    mount.put(await account(client, namespace, "two"), namespace)
    assert (await who(pod))["username"].endswith(":one")
    mount.clock.time += 61
    assert (await who(pod))["username"].endswith(":two")
    await pod.close()


async def refusal(pod: ClusterClient, clock: Clock) -> Unauthorized:
    """A server remembers a token for some seconds."""
    async with asyncio.timeout(DEADLINE):
        while True:
            clock.time += 6
            try:
                await who(pod)
            except Unauthorized as error:
                return error
            await asyncio.sleep(0.2)


async def test_a_token_that_the_server_no_longer_takes(client: ClusterClient, mount: Mount, namespace: str) -> None:
    mount.put(await account(client, namespace, "one"), namespace)
    pod = mount.client()
    await who(pod)
    await client.delete(SERVICE_ACCOUNT, namespace, "one")
    assert f"the pod's ServiceAccount in namespace {namespace}" in str(await refusal(pod, mount.clock))
    mount.put(await account(client, namespace, "two"), namespace)
    mount.clock.time += 6
    assert (await who(pod))["username"].endswith(":two"), "read again because of the refusal, long before its time"
    await pod.close()


class Watched:
    """What a reflector has told so far, and the cache that its changes make."""

    def __init__(self, changes: AsyncGenerator[Change, None]) -> None:
        self.objects: dict[str, Object] = {}
        self.told: list[tuple[str, str]] = []
        self._changes = changes

    async def until(self, *wanted: tuple[str, str]) -> None:
        async with asyncio.timeout(DEADLINE):
            while not set(wanted) <= set(self.told):
                change = await anext(self._changes)
                name = change.object["metadata"]["name"] if change.object else ""
                self.told.append((change.type, name))
                if change.type == "DELETED":
                    del self.objects[name]
                elif change.object:
                    self.objects[name] = change.object


async def fill(client: ClusterClient, namespace: str, count: int) -> list[str]:
    names = [f"m{number:03}" for number in range(count)]
    for name in names:
        await client.create(CONFIG_MAP, config_map(namespace, name, a="1"))
    return names


async def test_a_list_of_many_pages_and_what_follows(
    client: ClusterClient, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reflector, "PAGE", 5)
    names = await fill(client, namespace, 23)
    async with aclosing(Reflector(client, CONFIG_MAP, namespace).changes()) as changes:
        watched = Watched(changes)
        await watched.until(("SYNCED", ""))
        assert set(names) <= set(watched.objects)
        assert watched.objects["m000"]["kind"] == "ConfigMap"
        await client.patch(CONFIG_MAP, namespace, "m003", {"data": {"a": "2"}})
        await client.delete(CONFIG_MAP, namespace, "m004")
        await client.create(CONFIG_MAP, config_map(namespace, "new"))
        await watched.until(("MODIFIED", "m003"), ("DELETED", "m004"), ("ADDED", "new"))
    assert watched.objects["m003"]["data"] == {"a": "2"}
    assert len(watched.told) == len(set(watched.told)), "nothing is told twice"


async def test_selectors(client: ClusterClient, namespace: str) -> None:
    await fill(client, namespace, 3)
    labelled = Reflector(client, CONFIG_MAP, namespace, labels="in=yes")
    named = Reflector(client, CONFIG_MAP, namespace, fields="metadata.name=m001")
    async with aclosing(labelled.changes()) as labelled_changes, aclosing(named.changes()) as named_changes:
        by_label, by_name = Watched(labelled_changes), Watched(named_changes)
        await by_label.until(("SYNCED", ""))
        await by_name.until(("SYNCED", ""))
        assert (list(by_label.objects), list(by_name.objects)) == ([], ["m001"])
        for value in ("yes", "no"):
            for name in ("m000", "m001"):
                await client.patch(CONFIG_MAP, namespace, name, {"metadata": {"labels": {"in": value}}})
        await by_label.until(("ADDED", "m000"), ("ADDED", "m001"), ("DELETED", "m000"), ("DELETED", "m001"))
        await by_name.until(("MODIFIED", "m001"))
    assert {name for _, name in by_name.told} == {"m001", ""}


class Recorded:
    """The cluster, with a record of what a reflector asks of it. Its first list may be of a time that the server has forgotten."""

    def __init__(self, client: ClusterClient, *, forgetful: bool = False) -> None:
        self._client = client
        self._forgetful = forgetful
        self.lists = 0
        self.watches = 0
        self.another = asyncio.Event()
        self.gone: list[str] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    async def list(self, *arguments: Any, **options: Any) -> ListPage:
        page = await self._client.list(*arguments, **options)
        self.lists += 1
        return ListPage(page.items, "1", "") if self._forgetful and self.lists == 1 else page

    async def watch(self, *arguments: Any, **options: Any) -> AsyncGenerator[Any, None]:
        self.watches += 1
        self.another.set()
        try:
            async with aclosing(self._client.watch(*arguments, **options)) as events:
                async for event in events:
                    yield event
        except Gone as error:
            self.gone.append(str(error))
            raise


@pytest.fixture
async def young_kind(client: ClusterClient) -> AsyncIterator[ResourceType]:
    """A kind that the server has known for a moment only: of the time before, its watches have forgotten all."""
    plural = f"things{secrets.token_hex(4)}"
    kind = ResourceType("contract.sympozium.ai", "v1", plural.capitalize(), plural, singular=plural.removesuffix("s"))
    definition = await client.create(CUSTOM_RESOURCE_DEFINITION, crd(kind))
    name = definition["metadata"]["name"]
    async with asyncio.timeout(DEADLINE):
        async with aclosing(
            client.watch(CUSTOM_RESOURCE_DEFINITION, resource_version="", fields=f"metadata.name={name}")
        ) as events:
            async for event in events:
                conditions = (event.object.get("status") or {}).get("conditions") or ()
                if any(one["type"] == "Established" and one["status"] == "True" for one in conditions):
                    break
    yield kind
    await client.delete(CUSTOM_RESOURCE_DEFINITION, None, name)


async def test_a_version_that_is_too_old_is_listed_again(
    client: ClusterClient, namespace: str, young_kind: ResourceType
) -> None:
    def thing(name: str) -> Object:
        return {"metadata": {"name": name, "namespace": namespace}, "spec": {}}

    async with asyncio.timeout(DEADLINE):
        while True:
            try:
                await client.create(young_kind, thing("one"))
                break
            except NotFound:  # established, and served a moment later
                await asyncio.sleep(0.05)
    recorded = Recorded(client, forgetful=True)
    async with aclosing(Reflector(recorded, young_kind, namespace).changes()) as changes:
        watched = Watched(changes)
        await watched.until(("SYNCED", ""))
        await client.create(young_kind, thing("two"))
        await watched.until(("ADDED", "two"))
    assert "too old resource version: 1" in recorded.gone[0]
    assert recorded.lists == 2
    assert watched.told.count(("ADDED", "one")) == 1


async def test_a_watch_that_the_server_ends_goes_on(client: ClusterClient, namespace: str) -> None:
    recorded = Recorded(client)
    async with aclosing(Reflector(recorded, CONFIG_MAP, namespace, watch_seconds=0.5).changes()) as changes:
        watched = Watched(changes)
        await watched.until(("SYNCED", ""))
        for number in range(3):
            before = recorded.watches
            following = asyncio.ensure_future(watched.until(("ADDED", f"later{number}")))
            async with asyncio.timeout(DEADLINE):
                while recorded.watches < before + 2:  # the one that was there has ended, and another came
                    recorded.another.clear()
                    await recorded.another.wait()
            await client.create(CONFIG_MAP, config_map(namespace, f"later{number}"))
            await following
    assert recorded.lists == 1
