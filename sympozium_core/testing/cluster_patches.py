"""Contract checks on patches: merge (RFC 7386) and JSON (RFC 6902)."""

from __future__ import annotations

import asyncio

import pytest

from sympozium_core.contracts.cluster import ApiError, BadRequest, Cluster, Conflict, Invalid, NotFound
from sympozium_core.testing.cluster_kinds import WIDGET, widget


class PatchChecks:
    async def test_merge_patch_sets_and_removes(self, cluster: Cluster, namespace: str) -> None:
        await cluster.create(
            WIDGET, widget(namespace, "one", spec={"keep": 1, "drop": 2, "deep": {"a": 1, "b": 2}, "list": [1, 2]})
        )
        change = {"spec": {"drop": None, "deep": {"b": 3, "c": 4}, "list": [9]}}
        patched = await cluster.patch(WIDGET, namespace, "one", change)
        assert patched["spec"] == {"keep": 1, "deep": {"a": 1, "b": 3, "c": 4}, "list": [9]}
        assert patched == await cluster.get(WIDGET, namespace, "one")

    async def test_merge_patch_of_labels(self, cluster: Cluster, namespace: str) -> None:
        await cluster.create(WIDGET, widget(namespace, "one", labels={"a": "1", "b": "2"}))
        patched = await cluster.patch(WIDGET, namespace, "one", {"metadata": {"labels": {"a": None, "c": "3"}}})
        assert patched["metadata"]["labels"] == {"b": "2", "c": "3"}
        assert patched["metadata"]["generation"] == 1

    async def test_a_version_in_a_merge_patch_is_a_precondition(self, cluster: Cluster, namespace: str) -> None:
        old = await cluster.create(WIDGET, widget(namespace, "one"))
        version = old["metadata"]["resourceVersion"]
        await cluster.patch(WIDGET, namespace, "one", {"metadata": {"resourceVersion": version}, "spec": {"size": 2}})
        with pytest.raises(Conflict):
            await cluster.patch(WIDGET, namespace, "one", {"metadata": {"resourceVersion": version}, "spec": {"size": 3}})
        assert (await cluster.get(WIDGET, namespace, "one"))["spec"] == {"size": 2}

    async def test_a_patch_gives_no_other_uid(self, cluster: Cluster, namespace: str) -> None:
        """In a replace it is a precondition, and a Conflict."""
        created = await cluster.create(WIDGET, widget(namespace, "one"))
        other = "00000000-0000-4000-8000-000000000000"
        with pytest.raises(Invalid) as refused:
            await cluster.patch(WIDGET, namespace, "one", {"metadata": {"uid": other}, "spec": {"size": 3}})
        assert [cause.field for cause in refused.value.causes] == ["metadata.uid"]
        same = {"metadata": {"uid": created["metadata"]["uid"]}, "spec": {"size": 3}}
        assert (await cluster.patch(WIDGET, namespace, "one", same))["spec"] == {"size": 3}

    async def test_a_patch_makes_no_other_kind(self, cluster: Cluster, namespace: str) -> None:
        await cluster.create(WIDGET, widget(namespace, "one"))
        with pytest.raises(Invalid):
            await cluster.patch(WIDGET, namespace, "one", {"kind": "Gadget"})

    async def test_json_patch_operations(self, cluster: Cluster, namespace: str) -> None:
        await cluster.create(WIDGET, widget(namespace, "one", spec={"a": 1, "b": [1, 2, 3], "c~d/e": 5}))
        operations = [
            {"op": "test", "path": "/spec/a", "value": 1},
            {"op": "replace", "path": "/spec/a", "value": 10},
            {"op": "remove", "path": "/spec/b/0"},
            {"op": "add", "path": "/spec/b/-", "value": 4},
            {"op": "add", "path": "/spec/b/0", "value": 0},
            {"op": "copy", "from": "/spec/b", "path": "/spec/copied"},
            {"op": "move", "from": "/spec/c~0d~1e", "path": "/spec/moved"},
        ]
        patched = await cluster.patch(WIDGET, namespace, "one", operations, type="json")
        assert patched["spec"] == {"a": 10, "b": [0, 2, 3, 4], "copied": [0, 2, 3, 4], "moved": 5}

    async def test_a_failed_test_changes_nothing(self, cluster: Cluster, namespace: str) -> None:
        old = await cluster.create(WIDGET, widget(namespace, "one"))
        operations = [{"op": "replace", "path": "/spec/size", "value": 5}, {"op": "test", "path": "/spec/size", "value": 6}]
        with pytest.raises(Invalid):
            await cluster.patch(WIDGET, namespace, "one", operations, type="json")
        assert await cluster.get(WIDGET, namespace, "one") == old

    async def test_a_path_that_is_not_there(self, cluster: Cluster, namespace: str) -> None:
        await cluster.create(WIDGET, widget(namespace, "one"))
        with pytest.raises(Invalid):
            await cluster.patch(WIDGET, namespace, "one", [{"op": "remove", "path": "/spec/nothing/here"}], type="json")

    async def test_what_is_no_json_patch(self, cluster: Cluster, namespace: str) -> None:
        await cluster.create(WIDGET, widget(namespace, "one"))
        with pytest.raises(ApiError) as refused:
            await cluster.patch(WIDGET, namespace, "one", {"spec": {}}, type="json")
        assert refused.value.code in (400, 422)

    async def test_status_patch_changes_status_alone(self, cluster: Cluster, namespace: str) -> None:
        await cluster.create(WIDGET, widget(namespace, "one"))
        change = {"spec": {"size": 9}, "status": {"phase": "Ready"}}
        patched = await cluster.patch(WIDGET, namespace, "one", change, subresource="status")
        assert (patched["spec"], patched["status"]) == ({"size": 1}, {"phase": "Ready"})
        assert patched["metadata"]["generation"] == 1

    async def test_main_patch_leaves_status_alone(self, cluster: Cluster, namespace: str) -> None:
        await cluster.create(WIDGET, widget(namespace, "one"))
        patched = await cluster.patch(WIDGET, namespace, "one", {"spec": {"size": 2}, "status": {"phase": "Forged"}})
        assert patched["spec"] == {"size": 2}
        assert "status" not in patched

    async def test_patch_of_nothing(self, cluster: Cluster, namespace: str) -> None:
        with pytest.raises(NotFound):
            await cluster.patch(WIDGET, namespace, "nobody", {"spec": {"size": 2}})

    async def test_a_patch_cannot_rename(self, cluster: Cluster, namespace: str) -> None:
        await cluster.create(WIDGET, widget(namespace, "one"))
        with pytest.raises(BadRequest):
            await cluster.patch(WIDGET, namespace, "one", {"metadata": {"name": "two"}})

    async def test_a_patch_is_checked_like_any_write(self, cluster: Cluster, namespace: str) -> None:
        await cluster.create(WIDGET, widget(namespace, "one"))
        with pytest.raises(Invalid):
            await cluster.patch(WIDGET, namespace, "one", {"metadata": {"labels": {"a": "b c"}}})

    async def test_an_empty_patch_is_no_write(self, cluster: Cluster, namespace: str) -> None:
        old = await cluster.create(WIDGET, widget(namespace, "one"))
        assert (await cluster.patch(WIDGET, namespace, "one", {}))["metadata"] == old["metadata"]

    async def test_a_dry_run_patches_nothing(self, cluster: Cluster, namespace: str) -> None:
        old = await cluster.create(WIDGET, widget(namespace, "one"))
        shown = await cluster.patch(WIDGET, namespace, "one", {"spec": {"size": 2}}, dry_run=True)
        assert shown["spec"] == {"size": 2}
        assert await cluster.get(WIDGET, namespace, "one") == old

    async def test_concurrent_patches_of_different_fields_all_hold(self, cluster: Cluster, namespace: str) -> None:
        await cluster.create(WIDGET, widget(namespace, "one", spec={}))
        await asyncio.gather(*(cluster.patch(WIDGET, namespace, "one", {"spec": {f"field{n}": n}}) for n in range(5)))
        assert (await cluster.get(WIDGET, namespace, "one"))["spec"] == {f"field{n}": n for n in range(5)}
