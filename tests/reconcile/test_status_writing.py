"""Conditions, minimal patches, finalizers and owners: the functions, and what the store makes of them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sympozium_core.cluster.patches import merge_patch
from sympozium_core.contracts.builtin_kinds import CONFIG_MAP, NAMESPACE
from sympozium_core.contracts.cluster import Conflict, NotFound, metadata
from sympozium_core.reconcile.conditions import get_condition, is_true, with_condition, without_condition
from sympozium_core.reconcile.finalizers import add_finalizer, has_finalizer, is_deleting, remove_finalizer
from sympozium_core.reconcile.key import Key, key_of
from sympozium_core.reconcile.owner import controller_of, is_owned_by, owner_keys, owner_reference
from sympozium_core.reconcile.patching import merge_patch_between, patch_status
from sympozium_core.resources.kinds import SYMPOZIUM_SCHEDULE

MARCH = 1_774_947_600.0
FINALIZER = "sympozium.ai/test"


def schedule(name: str = "s") -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": "default"}, "spec": {}}


def test_a_condition_keeps_its_transition_time_until_its_value_changes() -> None:
    status = with_condition({"phase": "Running"}, "Ready", False, reason="Starting", message="soon", generation=1, now=MARCH)
    assert status == {
        "phase": "Running",
        "conditions": [
            {
                "type": "Ready",
                "status": "False",
                "reason": "Starting",
                "message": "soon",
                "observedGeneration": 1,
                "lastTransitionTime": "2026-03-31T09:00:00Z",
            }
        ],
    }
    same = with_condition(status, "Ready", False, reason="Starting", message="soon", generation=1, now=MARCH + 60)
    assert same == status
    other = with_condition(status, "Ready", "False", reason="Waiting", generation=2, now=MARCH + 60)
    assert other["conditions"][0]["lastTransitionTime"] == "2026-03-31T09:00:00Z"
    assert other["conditions"][0]["observedGeneration"] == 2
    ready = with_condition(other, "Ready", True, reason="Up", now=MARCH + 60)
    assert ready["conditions"][0]["lastTransitionTime"] == "2026-03-31T09:01:00Z"
    assert is_true(ready, "Ready")
    assert not is_true(status, "Ready")
    assert status["conditions"][0]["reason"] == "Starting"


def test_conditions_keep_their_order_and_go_alone() -> None:
    status: dict[str, Any] = {}
    for type in ("A", "B", "C"):
        status = with_condition(status, type, "Unknown", reason="New", now=MARCH)
    status = with_condition(status, "B", True, reason="Done", now=MARCH)
    assert [each["type"] for each in status["conditions"]] == ["A", "B", "C"]
    assert [each["type"] for each in without_condition(status, "A")["conditions"]] == ["B", "C"]
    assert without_condition(status, "X") == status
    assert get_condition({"conditions": None}, "A") is None


JSON = st.recursive(
    st.booleans() | st.integers(-3, 3) | st.sampled_from(("", "x")) | st.lists(st.integers(0, 2), max_size=2),
    lambda inner: st.dictionaries(st.sampled_from("abcd"), inner, max_size=4),
    max_leaves=12,
)
OBJECTS = st.dictionaries(st.sampled_from("abcd"), JSON, max_size=4)


@given(old=OBJECTS, new=OBJECTS)
def test_the_patch_between_two_objects_makes_the_one_of_the_other(old: dict[str, Any], new: dict[str, Any]) -> None:
    patch = merge_patch_between(old, new)
    assert merge_patch(old, patch) == new
    assert merge_patch_between(new, new) == {}
    assert merge_patch_between(old, merge_patch(old, patch)) == patch


def test_only_what_changed_is_in_the_patch_and_none_is_absent() -> None:
    old = {"a": 1, "b": {"c": 1, "d": 2}, "gone": 1, "flag": 1}
    new = {"a": 1, "b": {"c": 1, "d": 3}, "flag": True, "new": {"x": None, "y": 1}, "none": None}
    assert merge_patch_between(old, new) == {"b": {"d": 3}, "gone": None, "flag": True, "new": {"y": 1}}


async def test_a_status_is_written_only_when_it_changes(cluster: Any) -> None:
    obj = await cluster.create(SYMPOZIUM_SCHEDULE, schedule())
    status = with_condition({"active": 1}, "Ready", True, reason="Up", now=MARCH)
    written = await patch_status(cluster, SYMPOZIUM_SCHEDULE, obj, status)
    assert written is not None
    assert written["status"] == status
    assert await patch_status(cluster, SYMPOZIUM_SCHEDULE, written, status) is None
    assert (await cluster.get(SYMPOZIUM_SCHEDULE, "default", "s"))["metadata"]["resourceVersion"] == metadata(written)[
        "resourceVersion"
    ]
    with pytest.raises(Conflict):
        await patch_status(cluster, SYMPOZIUM_SCHEDULE, obj, {"active": 2})
    forced = await patch_status(cluster, SYMPOZIUM_SCHEDULE, obj, {"active": 2}, unconditional=True)
    assert forced is not None
    assert forced["status"]["active"] == 2


async def test_a_finalizer_holds_an_object_until_it_is_taken_off(cluster: Any) -> None:
    obj = await cluster.create(SYMPOZIUM_SCHEDULE, schedule())
    held = await add_finalizer(cluster, SYMPOZIUM_SCHEDULE, obj, FINALIZER)
    assert held is not None
    assert has_finalizer(held, FINALIZER)
    assert await add_finalizer(cluster, SYMPOZIUM_SCHEDULE, held, FINALIZER) is None
    with pytest.raises(Conflict):
        await add_finalizer(cluster, SYMPOZIUM_SCHEDULE, obj, "sympozium.ai/other")
    deleting = await cluster.delete(SYMPOZIUM_SCHEDULE, "default", "s")
    assert is_deleting(deleting)
    assert await add_finalizer(cluster, SYMPOZIUM_SCHEDULE, deleting, "sympozium.ai/late") is None
    await remove_finalizer(cluster, SYMPOZIUM_SCHEDULE, deleting, FINALIZER)
    with pytest.raises(NotFound):
        await cluster.get(SYMPOZIUM_SCHEDULE, "default", "s")
    assert await remove_finalizer(cluster, SYMPOZIUM_SCHEDULE, deleting, FINALIZER) is None
    assert await remove_finalizer(cluster, SYMPOZIUM_SCHEDULE, obj, FINALIZER) is None


async def test_what_is_owned_knows_its_owner(cluster: Any) -> None:
    owner = await cluster.create(SYMPOZIUM_SCHEDULE, schedule())
    reference = owner_reference(SYMPOZIUM_SCHEDULE, owner)
    obj = {"metadata": {"name": "c", "namespace": "default", "ownerReferences": [reference]}}
    owned = await cluster.create(CONFIG_MAP, obj)
    assert controller_of(owned) == reference
    assert is_owned_by(owned, owner)
    assert not is_owned_by(owned, {"metadata": {"uid": "other"}})
    assert not is_owned_by(owned, {})
    assert owner_keys(SYMPOZIUM_SCHEDULE)(owned) == [Key("default", "s")]
    assert owner_keys(CONFIG_MAP)(owned) == []
    assert owner_keys(NAMESPACE)(
        {"metadata": {"ownerReferences": [{"apiVersion": "v1", "kind": "Namespace", "name": "n"}]}}
    ) == [Key("", "n")]
    loose = owner_reference(SYMPOZIUM_SCHEDULE, owner, controller=False, block=False)
    assert controller_of({"metadata": {"ownerReferences": [loose]}}) is None
    assert str(key_of(owned)) == "default/c"
