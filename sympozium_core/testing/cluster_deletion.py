"""Contract checks on deletion: preconditions, finalizers, and garbage collection by owner references."""

from __future__ import annotations

import asyncio

import pytest

from sympozium_core.contracts.cluster import Cluster, Conflict, Invalid, NotFound, Object
from sympozium_core.testing.cluster_kinds import (
    ROOT_WIDGET,
    WIDGET,
    gone,
    names,
    owned_by,
    take,
    until,
    version_now,
    watching,
    widget,
)

FINALIZER = "contract.sympozium.ai/held"
NOBODY = "00000000-0000-4000-8000-000000000000"


class DeletionChecks:
    async def test_delete(self, cluster: Cluster, namespace: str) -> None:
        created = await cluster.create(WIDGET, widget(namespace, "one"))
        left = await cluster.delete(WIDGET, namespace, "one")
        assert (left["metadata"]["name"], left["metadata"]["uid"]) == ("one", created["metadata"]["uid"])
        assert "deletionTimestamp" not in left["metadata"]
        with pytest.raises(NotFound):
            await cluster.get(WIDGET, namespace, "one")

    async def test_delete_of_nothing(self, cluster: Cluster, namespace: str) -> None:
        with pytest.raises(NotFound):
            await cluster.delete(WIDGET, namespace, "nobody")

    async def test_uid_is_a_precondition(self, cluster: Cluster, namespace: str) -> None:
        created = await cluster.create(WIDGET, widget(namespace, "one"))
        with pytest.raises(Conflict):
            await cluster.delete(WIDGET, namespace, "one", uid=NOBODY)
        await cluster.delete(WIDGET, namespace, "one", uid=created["metadata"]["uid"])

    async def test_version_is_a_precondition(self, cluster: Cluster, namespace: str) -> None:
        created = await cluster.create(WIDGET, widget(namespace, "one"))
        changed = await cluster.patch(WIDGET, namespace, "one", {"spec": {"size": 2}})
        with pytest.raises(Conflict):
            await cluster.delete(WIDGET, namespace, "one", resource_version=created["metadata"]["resourceVersion"])
        await cluster.delete(WIDGET, namespace, "one", resource_version=changed["metadata"]["resourceVersion"])

    async def test_a_finalizer_holds_the_object(self, cluster: Cluster, namespace: str) -> None:
        await cluster.create(WIDGET, widget(namespace, "one", finalizers=[FINALIZER]))
        left = await cluster.delete(WIDGET, namespace, "one")
        assert left["metadata"]["deletionTimestamp"]
        assert left["metadata"]["finalizers"] == [FINALIZER]
        assert await cluster.get(WIDGET, namespace, "one") == left

    async def test_the_object_goes_with_its_last_finalizer(self, cluster: Cluster, namespace: str) -> None:
        await cluster.create(WIDGET, widget(namespace, "one", finalizers=[FINALIZER, FINALIZER + "2"]))
        held = await cluster.delete(WIDGET, namespace, "one")
        held["metadata"]["finalizers"] = [FINALIZER]
        held = await cluster.replace(WIDGET, held)
        async with watching(cluster, namespace, held["metadata"]["resourceVersion"]) as events:
            await cluster.patch(WIDGET, namespace, "one", {"metadata": {"finalizers": None}})
            (event,) = await take(events, 1)
        assert event.type == "DELETED"
        with pytest.raises(NotFound):
            await cluster.get(WIDGET, namespace, "one")

    async def test_a_second_delete_changes_nothing(self, cluster: Cluster, namespace: str) -> None:
        await cluster.create(WIDGET, widget(namespace, "one", finalizers=[FINALIZER]))
        first = await cluster.delete(WIDGET, namespace, "one")
        second = await cluster.delete(WIDGET, namespace, "one")
        assert second["metadata"]["deletionTimestamp"] == first["metadata"]["deletionTimestamp"]
        assert second["metadata"]["uid"] == first["metadata"]["uid"]

    async def test_no_new_finalizers_on_the_way_out(self, cluster: Cluster, namespace: str) -> None:
        await cluster.create(WIDGET, widget(namespace, "one", finalizers=[FINALIZER]))
        await cluster.delete(WIDGET, namespace, "one")
        with pytest.raises(Invalid):
            await cluster.patch(
                WIDGET, namespace, "one", {"metadata": {"finalizers": [FINALIZER, "contract.sympozium.ai/new"]}}
            )

    async def test_an_object_on_its_way_out_can_still_be_written(self, cluster: Cluster, namespace: str) -> None:
        await cluster.create(WIDGET, widget(namespace, "one", finalizers=[FINALIZER]))
        await cluster.delete(WIDGET, namespace, "one")
        changed = await cluster.patch(WIDGET, namespace, "one", {"spec": {"size": 5}})
        assert changed["spec"] == {"size": 5}
        await cluster.patch(WIDGET, namespace, "one", {"status": {"phase": "Ending"}}, subresource="status")

    async def test_nobody_revives_an_object(self, cluster: Cluster, namespace: str) -> None:
        await cluster.create(WIDGET, widget(namespace, "one", finalizers=[FINALIZER]))
        held = await cluster.delete(WIDGET, namespace, "one")
        await cluster.patch(WIDGET, namespace, "one", {"metadata": {"labels": {"a": "b"}, "deletionTimestamp": None}})
        assert (await cluster.get(WIDGET, namespace, "one"))["metadata"]["deletionTimestamp"] == held["metadata"][
            "deletionTimestamp"
        ]

    async def test_the_end_begins_a_generation(self, cluster: Cluster, namespace: str) -> None:
        await cluster.create(WIDGET, widget(namespace, "one", finalizers=[FINALIZER]))
        assert (await cluster.delete(WIDGET, namespace, "one"))["metadata"]["generation"] == 2

    async def test_a_writer_cannot_forge_a_deletion(self, cluster: Cluster, namespace: str) -> None:
        created = await cluster.create(WIDGET, widget(namespace, "one", deletionTimestamp="2026-01-01T00:00:00Z"))
        assert "deletionTimestamp" not in created["metadata"]


class GarbageChecks:
    async def test_background_takes_the_dependents_along(self, cluster: Cluster, namespace: str) -> None:
        owner = await cluster.create(WIDGET, widget(namespace, "owner"))
        child = await cluster.create(WIDGET, widget(namespace, "child", owners=[owned_by(owner)]))
        await cluster.create(WIDGET, widget(namespace, "grandchild", owners=[owned_by(child)]))
        await cluster.create(WIDGET, widget(namespace, "stranger"))
        await cluster.delete(WIDGET, namespace, "owner")
        await gone(cluster, WIDGET, namespace, "grandchild")
        assert names((await cluster.list(WIDGET, namespace)).items) == ["stranger"]

    async def test_many_dependents(self, cluster: Cluster, namespace: str) -> None:
        owner = await cluster.create(WIDGET, widget(namespace, "owner"))
        children = (widget(namespace, f"child{number}", owners=[owned_by(owner)]) for number in range(50))
        await asyncio.gather(*(cluster.create(WIDGET, child) for child in children))
        await cluster.delete(WIDGET, namespace, "owner")

        async def empty() -> bool:
            return not (await cluster.list(WIDGET, namespace)).items

        await until(empty, "the end of all dependents")

    async def test_orphan_leaves_the_dependents(self, cluster: Cluster, namespace: str) -> None:
        owner = await cluster.create(WIDGET, widget(namespace, "owner"))
        await cluster.create(WIDGET, widget(namespace, "child", owners=[owned_by(owner)]))
        await cluster.delete(WIDGET, namespace, "owner", propagation="Orphan")
        await gone(cluster, WIDGET, namespace, "owner")
        child = await cluster.get(WIDGET, namespace, "child")
        assert not child["metadata"].get("ownerReferences")
        assert "deletionTimestamp" not in child["metadata"]

    async def test_foreground_waits_for_those_that_block(self, cluster: Cluster, namespace: str) -> None:
        owner = await cluster.create(WIDGET, widget(namespace, "owner"))
        await cluster.create(
            WIDGET, widget(namespace, "child", owners=[owned_by(owner, blocking=True)], finalizers=[FINALIZER])
        )
        left = await cluster.delete(WIDGET, namespace, "owner", propagation="Foreground")
        assert left["metadata"]["finalizers"] == ["foregroundDeletion"]

        async def child_ends() -> Object | None:
            child = await cluster.get(WIDGET, namespace, "child")
            return child if "deletionTimestamp" in child["metadata"] else None

        await until(child_ends, "the deletion of the child")
        await cluster.get(WIDGET, namespace, "owner")
        await cluster.patch(WIDGET, namespace, "child", {"metadata": {"finalizers": None}})
        await gone(cluster, WIDGET, namespace, "owner")

    async def test_foreground_does_not_wait_for_others(self, cluster: Cluster, namespace: str) -> None:
        owner = await cluster.create(WIDGET, widget(namespace, "owner"))
        await cluster.create(WIDGET, widget(namespace, "child", owners=[owned_by(owner)], finalizers=[FINALIZER]))
        await cluster.delete(WIDGET, namespace, "owner", propagation="Foreground")
        await gone(cluster, WIDGET, namespace, "owner")

    async def test_foreground_goes_from_the_leaves_up(self, cluster: Cluster, namespace: str) -> None:
        start = await version_now(cluster, namespace)
        owner = await cluster.create(WIDGET, widget(namespace, "owner"))
        child = await cluster.create(WIDGET, widget(namespace, "child", owners=[owned_by(owner, blocking=True)]))
        await cluster.create(WIDGET, widget(namespace, "leaf", owners=[owned_by(child, blocking=True)]))
        await cluster.delete(WIDGET, namespace, "owner", propagation="Foreground")
        deleted: list[str] = []
        async with watching(cluster, namespace, start) as events:
            while len(deleted) < 3:
                deleted += [event.object["metadata"]["name"] for event in await take(events, 1) if event.type == "DELETED"]
        assert deleted == ["leaf", "child", "owner"]

    async def test_a_second_owner_keeps_the_dependent(self, cluster: Cluster, namespace: str) -> None:
        first = await cluster.create(WIDGET, widget(namespace, "first"))
        second = await cluster.create(WIDGET, widget(namespace, "second"))
        await cluster.create(WIDGET, widget(namespace, "child", owners=[owned_by(first), owned_by(second)]))
        await cluster.delete(WIDGET, namespace, "first")

        async def left() -> list[str]:
            owners = (await cluster.get(WIDGET, namespace, "child"))["metadata"]["ownerReferences"]
            return [owner["name"] for owner in owners] if len(owners) == 1 else []

        assert await until(left, "the end of the first reference") == ["second"]
        await cluster.delete(WIDGET, namespace, "second")
        await gone(cluster, WIDGET, namespace, "child")

    async def test_an_absent_owner_does_not_keep(self, cluster: Cluster, namespace: str) -> None:
        absent = {"apiVersion": WIDGET.api_version, "kind": WIDGET.kind, "name": "nobody", "uid": NOBODY}
        await cluster.create(WIDGET, widget(namespace, "child", owners=[absent]))
        await gone(cluster, WIDGET, namespace, "child")

    async def test_an_owner_is_known_by_its_uid(self, cluster: Cluster, namespace: str) -> None:
        """The name alone is not enough: another object may bear it by now."""
        owner = await cluster.create(WIDGET, widget(namespace, "owner"))
        await cluster.create(WIDGET, widget(namespace, "child", owners=[owned_by(owner, uid=NOBODY)]))
        await gone(cluster, WIDGET, namespace, "child")
        await cluster.get(WIDGET, namespace, "owner")

    async def test_an_owner_that_goes_while_the_dependent_comes(self, cluster: Cluster, namespace: str) -> None:
        owner = await cluster.create(WIDGET, widget(namespace, "owner"))
        child = widget(namespace, "child", owners=[owned_by(owner)])
        await asyncio.gather(cluster.create(WIDGET, child), cluster.delete(WIDGET, namespace, "owner"))
        await gone(cluster, WIDGET, namespace, "child")

    async def test_a_cluster_scoped_owner(self, cluster: Cluster, namespace: str) -> None:
        owner = await cluster.create(ROOT_WIDGET, {"metadata": {"name": f"root-{namespace}"}, "spec": {}})
        await cluster.create(WIDGET, widget(namespace, "child", owners=[owned_by(owner)]))
        await cluster.delete(ROOT_WIDGET, None, owner["metadata"]["name"])
        await gone(cluster, WIDGET, namespace, "child")

    async def test_a_dependent_with_a_finalizer_waits_for_it(self, cluster: Cluster, namespace: str) -> None:
        owner = await cluster.create(WIDGET, widget(namespace, "owner"))
        await cluster.create(WIDGET, widget(namespace, "child", owners=[owned_by(owner)], finalizers=[FINALIZER]))
        await cluster.delete(WIDGET, namespace, "owner")

        async def ending() -> bool:
            return "deletionTimestamp" in (await cluster.get(WIDGET, namespace, "child"))["metadata"]

        await until(ending, "the deletion of the child")
        await cluster.patch(WIDGET, namespace, "child", {"metadata": {"finalizers": []}})
        await gone(cluster, WIDGET, namespace, "child")

    async def test_two_that_own_each_other_both_go(self, cluster: Cluster, namespace: str) -> None:
        first = await cluster.create(WIDGET, widget(namespace, "first"))
        second = await cluster.create(WIDGET, widget(namespace, "second", owners=[owned_by(first, blocking=True)]))
        back = {"metadata": {"ownerReferences": [owned_by(second, blocking=True)]}}
        await cluster.patch(WIDGET, namespace, "first", back)
        await cluster.delete(WIDGET, namespace, "first", propagation="Foreground")
        await gone(cluster, WIDGET, namespace, "first")
        await gone(cluster, WIDGET, namespace, "second")
