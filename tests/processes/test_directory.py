"""What is looked up about a run: each thing as it is when it is asked for, whatever it was last time."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

import pytest

from sympozium_core.contracts.cluster import Cluster, ListPage, NotFound, Object, ResourceType, Unavailable, User
from sympozium_core.contracts.skill import Skill
from sympozium_core.embedded.store import Store
from sympozium_core.names import SYSTEM_NAMESPACE
from sympozium_core.planning.inputs import SandboxFacts
from sympozium_core.processes.directory import Directory
from sympozium_core.reconcile.informer import Informer
from sympozium_core.registry.drivers import Drivers
from sympozium_core.registry.relay import load_relay
from sympozium_core.resources.kinds import SYMPOZIUM_INSTANCE, SYMPOZIUM_POLICY
from tests.reconcile.conftest import Line

KINDS = (SYMPOZIUM_INSTANCE, SYMPOZIUM_POLICY)


class Shelf:
    """Objects by kind, namespace and name; each read takes a moment."""

    def __init__(self) -> None:
        self.objects: dict[tuple[str, str | None, str], Object] = {}
        self.reads: list[str] = []
        self.at_once = self._under_way = 0

    def put(self, kind: str, name: str, **spec: Any) -> None:
        api = "sympozium.ai/v1alpha1"
        self.objects[kind, "team", name] = {
            "apiVersion": api,
            "kind": kind,
            "metadata": {"name": name, "namespace": "team"},
            "spec": spec,
        }

    def label(self, **labels: str) -> None:
        """The namespace."""
        found = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "team", "labels": labels}}
        self.objects["Namespace", None, "team"] = found

    def demand(self, name: str, selector: dict[str, Any], **spec: Any) -> None:
        """A policy that is mandatory in the namespaces that it selects."""
        metadata = {"name": name, "namespace": SYSTEM_NAMESPACE}
        spec["mandatory"] = {"namespaceSelector": selector}
        api = "sympozium.ai/v1alpha1"
        policy = {"apiVersion": api, "kind": "SympoziumPolicy", "metadata": metadata, "spec": spec}
        self.objects["SympoziumPolicy", SYSTEM_NAMESPACE, name] = policy

    async def list(self, kind: ResourceType, namespace: str | None = None) -> ListPage:
        self.reads.append(f"{kind.kind} {namespace}/*")
        return ListPage([obj for (k, place, _), obj in self.objects.items() if (k, place) == (kind.kind, namespace)], "1")

    async def get(self, kind: ResourceType, namespace: str | None, name: str) -> Object:
        self.reads.append(f"{kind.kind} {namespace}/{name}")
        self._under_way += 1
        self.at_once = max(self.at_once, self._under_way)
        await asyncio.sleep(0.01)
        self._under_way -= 1
        try:
            return self.objects[kind.kind, namespace, name]
        except KeyError:
            raise NotFound(f"{kind.kind} {name} is not there") from None


@pytest.fixture
def shelf() -> Shelf:
    shelf = Shelf()
    shelf.put("SympoziumInstance", "agent", policyRef="wide", provider={"name": "openai", "model": "m"})
    shelf.put("SympoziumPolicy", "wide", subagentPolicy={"maxConcurrent": 7})
    shelf.put("SympoziumPolicy", "narrow", subagentPolicy={"maxConcurrent": 1})
    return shelf


@pytest.fixture
def directory(shelf: Shelf) -> Directory:
    async def facts() -> SandboxFacts:
        raise NotImplementedError

    return Directory(shelf, cast("Drivers[Skill]", None), facts, load_relay([]), {})


async def limit(directory: Directory) -> tuple[str, int | None]:
    found = await directory.governed("team", "agent")
    assert found is not None
    return found.policy_name, found.policy.max_concurrent if found.policy else None


async def test_an_instance_and_its_policy_are_read_at_once_the_second_time(shelf: Shelf, directory: Directory) -> None:
    assert await limit(directory) == ("wide", 7)
    shelf.at_once = 0
    assert await limit(directory) == ("wide", 7)
    assert shelf.at_once == 3, "the instance, and the policy in either place"
    assert len(shelf.reads) == 8, "nothing is remembered but a name; what is mandatory is asked for each time"


async def test_a_policy_that_was_changed_holds_at_once(shelf: Shelf, directory: Directory) -> None:
    await limit(directory)
    shelf.put("SympoziumPolicy", "wide", subagentPolicy={"maxConcurrent": 3})
    assert await limit(directory) == ("wide", 3)


async def test_an_instance_that_names_another_policy_now(shelf: Shelf, directory: Directory) -> None:
    await limit(directory)
    shelf.put("SympoziumInstance", "agent", policyRef="narrow", provider={"name": "openai", "model": "m"})
    assert await limit(directory) == ("narrow", 1)
    del shelf.objects["SympoziumPolicy", "team", "narrow"]
    assert await limit(directory) == ("narrow", None)


async def test_an_instance_that_is_gone(shelf: Shelf, directory: Directory) -> None:
    await limit(directory)
    del shelf.objects["SympoziumInstance", "team", "agent"]
    assert await directory.governed("team", "agent") is None


def under_way(policy: str, namespace: str | None) -> dict[str, Any]:
    """A run that was admitted under this policy, found there; None: a built-in one."""
    return {"metadata": {"namespace": "team"}, "status": {"effectivePolicy": {"name": policy, "namespace": namespace}}}


@pytest.mark.parametrize(
    ("began_with", "there", "binding"),
    [
        ("team", ["team", SYSTEM_NAMESPACE], "team"),
        ("team", [SYSTEM_NAMESPACE], None),
        ("team", [], None),
        (SYSTEM_NAMESPACE, ["team", SYSTEM_NAMESPACE], "team"),
        (SYSTEM_NAMESPACE, [SYSTEM_NAMESPACE], SYSTEM_NAMESPACE),
        (SYSTEM_NAMESPACE, [], None),
        (None, ["team"], "team"),
        (None, [SYSTEM_NAMESPACE], SYSTEM_NAMESPACE),
        (None, [], None),
    ],
)
async def test_what_is_further_away_does_not_take_the_place_of_a_runs_policy(
    shelf: Shelf, directory: Directory, began_with: str | None, there: list[str], binding: str | None
) -> None:
    shelf.put("SympoziumPolicy", "default")
    one = shelf.objects.pop(("SympoziumPolicy", "team", "default"))
    for place in there:
        shelf.objects["SympoziumPolicy", place, "default"] = {**one, "metadata": {"name": "default", "namespace": place}}
    shelf.demand("always", {})
    found = await directory.binding(under_way("default", began_with))
    assert [policy.name for policy in found] == (["default", "always"] if binding else ["always"])
    assert binding is None or found[0].namespace == binding


STRICT = {"subagentPolicy": {"maxConcurrent": 2}}


@pytest.mark.parametrize(
    ("selector", "selected"),
    [
        ({}, True),
        ({"matchLabels": {"kubernetes.io/metadata.name": "team"}}, True),
        ({"matchLabels": {"kubernetes.io/metadata.name": "other"}}, False),
        ({"matchLabels": {"stage": "production"}}, True),
        ({"matchLabels": {"stage": "production", "tier": "1"}}, False),
        ({"matchExpressions": [{"key": "stage", "operator": "In", "values": ["test", "production"]}]}, True),
        ({"matchExpressions": [{"key": "stage", "operator": "In", "values": ["test"]}]}, False),
        ({"matchExpressions": [{"key": "stage", "operator": "NotIn", "values": ["production"]}]}, False),
        ({"matchExpressions": [{"key": "tier", "operator": "NotIn", "values": ["1"]}]}, True),
        ({"matchExpressions": [{"key": "stage", "operator": "Exists"}]}, True),
        ({"matchExpressions": [{"key": "tier", "operator": "Exists"}]}, False),
        ({"matchExpressions": [{"key": "tier", "operator": "DoesNotExist"}]}, True),
        ({"matchExpressions": [{"key": "stage", "operator": "DoesNotExist"}]}, False),
    ],
)
async def test_a_mandatory_policy_holds_where_it_selects(
    shelf: Shelf, directory: Directory, selector: dict[str, Any], selected: bool
) -> None:
    shelf.label(stage="production")
    shelf.demand("everywhere", selector, **STRICT)
    assert await limit(directory) == ("wide", 2 if selected else 7)


async def test_a_mandatory_policy_is_not_shadowed_by_one_of_its_name_and_does_not_widen(
    shelf: Shelf, directory: Directory
) -> None:
    shelf.demand("wide", {}, **STRICT)
    assert await limit(directory) == ("wide", 2)
    shelf.put("SympoziumInstance", "agent", policyRef="narrow", provider={"name": "openai", "model": "m"})
    assert await limit(directory) == ("narrow", 1)


async def test_a_namespace_is_looked_at_only_where_something_is_mandatory(shelf: Shelf, directory: Directory) -> None:
    shelf.put("SympoziumPolicy", "wide", mandatory={"namespaceSelector": {}}, subagentPolicy={"maxConcurrent": 7})
    await limit(directory)
    assert not any(read.startswith("Namespace") for read in shelf.reads), "one of a tenant's own is not"
    shelf.demand("everywhere", {}, **STRICT)
    await limit(directory)
    assert "Namespace None/team" in shelf.reads


class Followed:
    """A directory that follows a real store, whose line can be cut."""

    def __init__(self, store: Store) -> None:
        self.cluster = store.as_user(User("test"))
        self.line = Line(self.cluster)
        self.informers = {kind: Informer(cast("Cluster", self.line), kind) for kind in KINDS}

        async def facts() -> SandboxFacts:
            raise NotImplementedError

        self.directory = Directory(cast("Cluster", self.line), cast("Drivers[Skill]", None), facts, load_relay([]), {})
        self.directory.follow(self.informers)

    async def put(self, shelf: Shelf, kind: ResourceType, name: str) -> Object:
        found = copy.deepcopy(shelf.objects[kind.kind, "team", name])
        written = await self.cluster.create(kind, found)
        if self.informers[kind].synced.is_set():
            await self.informers[kind].wait_until(written["metadata"]["resourceVersion"])
        return written

    async def narrow(self) -> Object:
        return await self.cluster.patch(SYMPOZIUM_POLICY, "team", "wide", {"spec": {"subagentPolicy": {"maxConcurrent": 3}}})

    def reads(self) -> int:
        return self.line.calls.count("get")


@pytest.fixture
async def followed(shelf: Shelf, tmp_path: Path) -> AsyncIterator[Followed]:
    store = await Store.open(tmp_path / "store.db", kinds=KINDS)
    try:
        found = Followed(store)
        tasks = [asyncio.create_task(informer.run()) for informer in found.informers.values()]
        await asyncio.gather(*(informer.synced.wait() for informer in found.informers.values()))
        yield found
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    finally:
        await store.close()


async def test_what_is_followed_costs_no_read_and_a_change_holds_when_it_is_seen(shelf: Shelf, followed: Followed) -> None:
    await followed.put(shelf, SYMPOZIUM_INSTANCE, "agent")
    await followed.put(shelf, SYMPOZIUM_POLICY, "wide")
    assert await limit(followed.directory) == ("wide", 7)
    changed = await followed.narrow()
    await followed.informers[SYMPOZIUM_POLICY].wait_until(changed["metadata"]["resourceVersion"])
    assert await limit(followed.directory) == ("wide", 3)
    assert followed.reads() == 0


async def test_what_is_not_there_is_asked_for_before_that_is_believed(shelf: Shelf, followed: Followed) -> None:
    """Its first moment: it is there, and the watch has not told."""
    followed.directory.follow({**followed.informers, SYMPOZIUM_POLICY: empty(SYMPOZIUM_POLICY)})
    await followed.put(shelf, SYMPOZIUM_INSTANCE, "agent")
    await followed.put(shelf, SYMPOZIUM_POLICY, "wide")
    assert await limit(followed.directory) == ("wide", 7)
    followed.directory.follow({SYMPOZIUM_INSTANCE: empty(SYMPOZIUM_INSTANCE)})
    assert await limit(followed.directory) == ("wide", 7)
    assert await followed.directory.governed("team", "nobody") is None


async def test_a_built_in_policy_is_taken_without_asking_whether_there_is_one_of_its_name(followed: Followed) -> None:
    found = await followed.directory.policy("team", "restrictive")
    assert found is not None
    assert (found.template, followed.reads()) == ("Restrictive", 0)


async def test_a_cache_that_is_known_to_be_behind_is_not_used(shelf: Shelf, followed: Followed) -> None:
    await followed.put(shelf, SYMPOZIUM_INSTANCE, "agent")
    await followed.put(shelf, SYMPOZIUM_POLICY, "wide")
    followed.line.cut()
    async with asyncio.timeout(10):
        while not all(informer.problem for informer in followed.informers.values()):  # noqa: ASYNC110 - it has no event
            await asyncio.sleep(0.01)
    await followed.narrow()
    with pytest.raises(Unavailable):
        await limit(followed.directory)
    followed.line.mend()
    assert await limit(followed.directory) == ("wide", 3)


def empty(kind: ResourceType) -> Informer:
    informer = Informer(cast("Cluster", None), kind)
    informer.synced.set()
    return informer


async def test_servers_are_looked_at_where_some_policy_opens_it_and_no_mandatory_one_closes_it(
    shelf: Shelf, directory: Directory
) -> None:
    assert await directory.mcp_private("team") == ()
    shelf.put("SympoziumPolicy", "one", mcpPolicy={"allowedPrivate": ["10.1.0.0/16"]})
    shelf.put("SympoziumPolicy", "other", mcpPolicy={"allowedPrivate": ["192.168.1.0/24"]})
    assert await directory.mcp_private("team") == ("10.1.0.0/16", "192.168.1.0/24")
    shelf.label()
    shelf.demand("says-nothing-of-it", {}, subagentPolicy={"maxConcurrent": 3})
    assert len(await directory.mcp_private("team")) == 2
    shelf.demand("strict", {}, mcpPolicy={"allowedPrivate": ["10.1.2.0/24"]})
    assert await directory.mcp_private("team") == ("10.1.2.0/24",)
    shelf.demand("stricter", {}, mcpPolicy={"allowedPrivate": []})
    assert await directory.mcp_private("team") == ()
