"""Contract checks on single objects: create, get, replace, status, names, dry run, Secrets, limits."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest

from sympozium_core.contracts.cluster import (
    AlreadyExists,
    ApiError,
    BadRequest,
    Cluster,
    Conflict,
    Invalid,
    NotFound,
    TooLarge,
)
from sympozium_core.testing.cluster_kinds import CONFIG_MAP, ROOT_WIDGET, SECRET, WIDGET, widget


class CreateChecks:
    async def test_create_returns_what_get_returns(self, cluster: Cluster, namespace: str) -> None:
        created = await cluster.create(WIDGET, widget(namespace, "one", spec={"deep": {"list": [1, 2.5, None, True, "x"]}}))
        assert await cluster.get(WIDGET, namespace, "one") == created
        assert created["spec"] == {"deep": {"list": [1, 2.5, None, True, "x"]}}

    async def test_server_owns_uid_time_generation_and_version(self, cluster: Cluster, namespace: str) -> None:
        forged: dict[str, Any] = {"uid": "mine", "creationTimestamp": "2001-01-01T00:00:00Z", "generation": 77}
        meta = (await cluster.create(WIDGET, widget(namespace, "one", **forged)))["metadata"]
        assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", meta["uid"])
        assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ", meta["creationTimestamp"])
        assert meta["creationTimestamp"] > "2020"
        assert meta["generation"] == 1
        assert int(meta["resourceVersion"]) > 0

    async def test_a_name_is_taken_once(self, cluster: Cluster, namespace: str) -> None:
        await cluster.create(WIDGET, widget(namespace, "one"))
        with pytest.raises(AlreadyExists) as refused:
            await cluster.create(WIDGET, widget(namespace, "one"))
        assert refused.value.code == 409
        assert "one" in str(refused.value)

    async def test_a_name_can_be_used_again_after_deletion(self, cluster: Cluster, namespace: str) -> None:
        first = await cluster.create(WIDGET, widget(namespace, "one"))
        await cluster.delete(WIDGET, namespace, "one")
        second = await cluster.create(WIDGET, widget(namespace, "one"))
        assert second["metadata"]["uid"] != first["metadata"]["uid"]
        assert int(second["metadata"]["resourceVersion"]) > int(first["metadata"]["resourceVersion"])

    async def test_the_same_name_lives_in_each_namespace_and_kind(
        self, cluster: Cluster, namespace: str, other_namespace: str
    ) -> None:
        here = await cluster.create(WIDGET, widget(namespace, "one", spec={"at": "here"}))
        there = await cluster.create(WIDGET, widget(other_namespace, "one", spec={"at": "there"}))
        await cluster.create(CONFIG_MAP, {"metadata": {"name": "one", "namespace": namespace}, "data": {"a": "b"}})
        assert (await cluster.get(WIDGET, namespace, "one"))["metadata"]["uid"] == here["metadata"]["uid"]
        assert (await cluster.get(WIDGET, other_namespace, "one"))["metadata"]["uid"] == there["metadata"]["uid"]

    async def test_create_refuses_a_resource_version(self, cluster: Cluster, namespace: str) -> None:
        with pytest.raises(ApiError, match="resourceVersion should not be set") as refused:
            await cluster.create(WIDGET, widget(namespace, "one", resourceVersion="1"))
        assert refused.value.code in (400, 500)  # a real API server takes it for a fault of its own

    async def test_generate_name_makes_names_that_differ(self, cluster: Cluster, namespace: str) -> None:
        wanted = widget(namespace, "", generateName="made-")
        del wanted["metadata"]["name"]
        made = {(await cluster.create(WIDGET, wanted))["metadata"]["name"] for _ in range(5)}
        assert len(made) == 5
        assert all(re.fullmatch(r"made-[a-z0-9]{5}", name) for name in made)

    async def test_generate_name_cuts_a_long_prefix(self, cluster: Cluster, namespace: str) -> None:
        wanted = widget(namespace, "", generateName="p" * 100)
        del wanted["metadata"]["name"]
        assert len((await cluster.create(WIDGET, wanted))["metadata"]["name"]) == 63

    async def test_name_wins_over_generate_name(self, cluster: Cluster, namespace: str) -> None:
        assert (await cluster.create(WIDGET, widget(namespace, "one", generateName="made-")))["metadata"]["name"] == "one"

    async def test_create_needs_a_name(self, cluster: Cluster, namespace: str) -> None:
        with pytest.raises(ApiError) as refused:
            await cluster.create(WIDGET, {"metadata": {"namespace": namespace}, "spec": {}})
        assert refused.value.code in (400, 422)

    @pytest.mark.parametrize("name", ["Upper", "under_score", "-first", "last-", "a..b", "x" * 254, "sp ace"])
    async def test_names_that_are_none_are_refused(self, cluster: Cluster, namespace: str, name: str) -> None:
        with pytest.raises(Invalid) as refused:
            await cluster.create(WIDGET, widget(namespace, name))
        assert [cause.field for cause in refused.value.causes] == ["metadata.name"]

    async def test_names_may_hold_dots_and_be_long(self, cluster: Cluster, namespace: str) -> None:
        name = "a.b-c." + "x" * 240
        await cluster.create(WIDGET, widget(namespace, name))
        assert (await cluster.get(WIDGET, namespace, name))["metadata"]["name"] == name

    @pytest.mark.parametrize("labels", [{"a b": "c"}, {"a": "b c"}, {"a": "x" * 64}, {"UPPER.domain/": "c"}])
    async def test_labels_that_are_none_are_refused(self, cluster: Cluster, namespace: str, labels: dict[str, str]) -> None:
        with pytest.raises(Invalid) as refused:
            await cluster.create(WIDGET, widget(namespace, "one", labels=labels))
        assert {cause.field for cause in refused.value.causes} == {"metadata.labels"}

    async def test_owner_reference_needs_a_uid(self, cluster: Cluster, namespace: str) -> None:
        owner = {"apiVersion": WIDGET.api_version, "kind": WIDGET.kind, "name": "x", "uid": ""}
        with pytest.raises(Invalid):
            await cluster.create(WIDGET, widget(namespace, "one", owners=[owner]))

    async def test_another_kind_is_refused(self, cluster: Cluster, namespace: str) -> None:
        with pytest.raises(Invalid) as refused:
            await cluster.create(WIDGET, widget(namespace, "one") | {"kind": "Gadget"})
        assert [cause.field for cause in refused.value.causes] == ["kind"]

    async def test_another_version_is_refused(self, cluster: Cluster, namespace: str) -> None:
        with pytest.raises(BadRequest):
            await cluster.create(WIDGET, widget(namespace, "one") | {"apiVersion": "contract.sympozium.ai/v2"})

    async def test_another_builtin_kind_is_refused(self, cluster: Cluster, namespace: str) -> None:
        with pytest.raises(BadRequest):
            await cluster.create(CONFIG_MAP, {"kind": "Secret", "metadata": {"name": "one", "namespace": namespace}})

    async def test_status_is_dropped_at_creation(self, cluster: Cluster, namespace: str) -> None:
        created = await cluster.create(WIDGET, widget(namespace, "one") | {"status": {"phase": "Forged"}})
        assert "status" not in created

    async def test_what_was_given_is_not_changed(self, cluster: Cluster, namespace: str) -> None:
        given = widget(namespace, "one", labels={"a": "b"})
        await cluster.create(WIDGET, given)
        assert given == widget(namespace, "one", labels={"a": "b"})

    async def test_what_comes_back_is_the_callers_own(self, cluster: Cluster, namespace: str) -> None:
        created = await cluster.create(WIDGET, widget(namespace, "one", spec={"list": [1]}))
        created["spec"]["list"].append(2)
        read = await cluster.get(WIDGET, namespace, "one")
        read["spec"]["list"].append(3)
        assert (await cluster.get(WIDGET, namespace, "one"))["spec"] == {"list": [1]}

    async def test_get_of_nothing(self, cluster: Cluster, namespace: str) -> None:
        with pytest.raises(NotFound) as missing:
            await cluster.get(WIDGET, namespace, "nobody")
        assert missing.value.code == 404
        assert "nobody" in str(missing.value)

    async def test_cluster_scoped_objects_have_no_namespace(self, cluster: Cluster, namespace: str) -> None:
        name = f"root-{namespace}"
        created = await cluster.create(ROOT_WIDGET, {"metadata": {"name": name}, "spec": {}})
        assert "namespace" not in created["metadata"]
        assert await cluster.get(ROOT_WIDGET, None, name) == created
        await cluster.delete(ROOT_WIDGET, None, name)

    async def test_unicode_comes_back_as_it_went(self, cluster: Cluster, namespace: str) -> None:
        text = 'Grüße, 世界 🦉 \u202e \u0000 \\ " / \u007f é e\u0301'
        await cluster.create(WIDGET, widget(namespace, "one", spec={text: text}, annotations={"note": text}))
        read = await cluster.get(WIDGET, namespace, "one")
        assert read["spec"] == {text: text}
        assert read["metadata"]["annotations"]["note"] == text

    async def test_whole_numbers_stay_whole(self, cluster: Cluster, namespace: str) -> None:
        spec = {"big": 2**62, "negative": -1, "zero": 0, "fraction": 0.1}
        read = await cluster.create(WIDGET, widget(namespace, "one", spec=spec))
        assert read["spec"] == spec
        assert isinstance(read["spec"]["big"], int)

    async def test_a_large_object_is_stored(self, cluster: Cluster, namespace: str) -> None:
        text = "x" * 1_000_000
        await cluster.create(WIDGET, widget(namespace, "one", spec={"text": text}))
        assert (await cluster.get(WIDGET, namespace, "one"))["spec"]["text"] == text

    async def test_a_larger_object_is_refused(self, cluster: Cluster, namespace: str) -> None:
        with pytest.raises(TooLarge):
            await cluster.create(WIDGET, widget(namespace, "one", spec={"text": "x" * 4_000_000}))
        with pytest.raises(NotFound):
            await cluster.get(WIDGET, namespace, "one")

    async def test_too_many_annotations_are_refused(self, cluster: Cluster, namespace: str) -> None:
        with pytest.raises(Invalid):
            await cluster.create(WIDGET, widget(namespace, "one", annotations={"note": "x" * 300_000}))

    async def test_dry_run_stores_nothing(self, cluster: Cluster, namespace: str) -> None:
        shown = await cluster.create(WIDGET, widget(namespace, "one"), dry_run=True)
        assert shown["spec"] == {"size": 1}
        with pytest.raises(NotFound):
            await cluster.get(WIDGET, namespace, "one")

    async def test_dry_run_says_what_a_write_would(self, cluster: Cluster, namespace: str) -> None:
        await cluster.create(WIDGET, widget(namespace, "one"))
        with pytest.raises(AlreadyExists):
            await cluster.create(WIDGET, widget(namespace, "one"), dry_run=True)


class ReplaceChecks:
    async def test_replace_stores_and_moves_the_version(self, cluster: Cluster, namespace: str) -> None:
        obj = await cluster.create(WIDGET, widget(namespace, "one"))
        obj["spec"] = {"size": 2}
        replaced = await cluster.replace(WIDGET, obj)
        assert replaced == await cluster.get(WIDGET, namespace, "one")
        assert replaced["spec"] == {"size": 2}
        assert int(replaced["metadata"]["resourceVersion"]) > int(obj["metadata"]["resourceVersion"])

    async def test_an_old_version_conflicts(self, cluster: Cluster, namespace: str) -> None:
        old = await cluster.create(WIDGET, widget(namespace, "one"))
        await cluster.replace(WIDGET, old | {"spec": {"size": 2}})
        with pytest.raises(Conflict) as refused:
            await cluster.replace(WIDGET, old | {"spec": {"size": 3}})
        assert refused.value.code == 409
        assert (await cluster.get(WIDGET, namespace, "one"))["spec"] == {"size": 2}

    async def test_another_uid_conflicts(self, cluster: Cluster, namespace: str) -> None:
        obj = await cluster.create(WIDGET, widget(namespace, "one"))
        obj["metadata"]["uid"] = "00000000-0000-4000-8000-000000000000"
        with pytest.raises(Conflict):
            await cluster.replace(WIDGET, obj)

    async def test_replace_of_nothing(self, cluster: Cluster, namespace: str) -> None:
        with pytest.raises(NotFound):
            await cluster.replace(WIDGET, widget(namespace, "nobody", resourceVersion="1"))

    async def test_replace_drops_what_is_left_out(self, cluster: Cluster, namespace: str) -> None:
        obj = await cluster.create(WIDGET, widget(namespace, "one", labels={"a": "b"}, spec={"a": 1, "b": 2}))
        del obj["metadata"]["labels"]
        replaced = await cluster.replace(WIDGET, obj | {"spec": {"a": 1}})
        assert "labels" not in replaced["metadata"]
        assert replaced["spec"] == {"a": 1}

    async def test_a_replace_that_changes_nothing_is_no_write(self, cluster: Cluster, namespace: str) -> None:
        obj = await cluster.create(WIDGET, widget(namespace, "one"))
        again = await cluster.replace(WIDGET, obj)
        assert again["metadata"]["resourceVersion"] == obj["metadata"]["resourceVersion"]

    async def test_generation_counts_changes_of_spec_only(self, cluster: Cluster, namespace: str) -> None:
        obj = await cluster.create(WIDGET, widget(namespace, "one"))
        obj["metadata"]["labels"] = {"a": "b"}
        obj = await cluster.replace(WIDGET, obj)
        assert obj["metadata"]["generation"] == 1
        obj = await cluster.replace(WIDGET, obj | {"status": {"phase": "Ready"}}, subresource="status")
        assert obj["metadata"]["generation"] == 1
        obj = await cluster.replace(WIDGET, obj | {"spec": {"size": 2}})
        assert obj["metadata"]["generation"] == 2

    async def test_server_fields_stay(self, cluster: Cluster, namespace: str) -> None:
        obj = await cluster.create(WIDGET, widget(namespace, "one"))
        before = dict(obj["metadata"])
        obj["metadata"] |= {"generation": 9}
        del obj["metadata"]["uid"]
        after = (await cluster.replace(WIDGET, obj | {"spec": {"size": 2}}))["metadata"]
        assert (after["uid"], after["creationTimestamp"], after["generation"]) == (
            before["uid"],
            before["creationTimestamp"],
            2,
        )

    async def test_a_main_write_leaves_status_alone(self, cluster: Cluster, namespace: str) -> None:
        obj = await cluster.create(WIDGET, widget(namespace, "one"))
        obj = await cluster.replace(WIDGET, obj | {"status": {"phase": "Ready"}}, subresource="status")
        obj = await cluster.replace(WIDGET, obj | {"spec": {"size": 2}, "status": {"phase": "Forged"}})
        assert obj["status"] == {"phase": "Ready"}
        del obj["status"]
        assert (await cluster.replace(WIDGET, obj | {"spec": {"size": 3}}))["status"] == {"phase": "Ready"}

    async def test_a_status_write_leaves_the_rest_alone(self, cluster: Cluster, namespace: str) -> None:
        obj = await cluster.create(WIDGET, widget(namespace, "one", labels={"a": "b"}))
        forged: dict[str, Any] = obj | {"spec": {"size": 9}, "status": {"phase": "Ready"}}
        forged["metadata"] = obj["metadata"] | {"labels": {"a": "forged"}}
        after = await cluster.replace(WIDGET, forged, subresource="status")
        assert (after["spec"], after["status"]) == ({"size": 1}, {"phase": "Ready"})
        assert after["metadata"]["labels"] == {"a": "b"}

    async def test_a_status_write_conflicts_too(self, cluster: Cluster, namespace: str) -> None:
        old = await cluster.create(WIDGET, widget(namespace, "one"))
        await cluster.replace(WIDGET, old | {"status": {"phase": "Ready"}}, subresource="status")
        with pytest.raises(Conflict):
            await cluster.replace(WIDGET, old | {"status": {"phase": "Late"}}, subresource="status")

    async def test_a_dry_run_replaces_nothing(self, cluster: Cluster, namespace: str) -> None:
        obj = await cluster.create(WIDGET, widget(namespace, "one"))
        shown = await cluster.replace(WIDGET, obj | {"spec": {"size": 2}}, dry_run=True)
        assert shown["spec"] == {"size": 2}
        assert await cluster.get(WIDGET, namespace, "one") == obj

    async def test_concurrent_writers_lose_nothing(self, cluster: Cluster, namespace: str) -> None:
        """Optimistic concurrency with retries counts exactly."""
        await cluster.create(WIDGET, widget(namespace, "counter", spec={"count": 0}))
        writers, each = 8, 10

        async def count() -> None:
            done = 0
            while done < each:
                obj = await cluster.get(WIDGET, namespace, "counter")
                obj["spec"]["count"] += 1
                try:
                    await cluster.replace(WIDGET, obj)
                except Conflict:
                    continue
                done += 1

        await asyncio.gather(*(count() for _ in range(writers)))
        final = await cluster.get(WIDGET, namespace, "counter")
        assert final["spec"]["count"] == writers * each
        assert final["metadata"]["generation"] == writers * each + 1

    async def test_one_of_many_creators_wins(self, cluster: Cluster, namespace: str) -> None:
        outcomes = await asyncio.gather(
            *(cluster.create(WIDGET, widget(namespace, "one", spec={"by": by})) for by in range(10)), return_exceptions=True
        )
        won = [outcome for outcome in outcomes if isinstance(outcome, dict)]
        assert len(won) == 1
        assert sum(isinstance(outcome, AlreadyExists) for outcome in outcomes) == 9
        assert await cluster.get(WIDGET, namespace, "one") == won[0]


class SecretChecks:
    async def test_string_data_becomes_data(self, cluster: Cluster, namespace: str) -> None:
        secret = {
            "metadata": {"name": "key", "namespace": namespace},
            "data": {"a": "YQ==", "b": "eA=="},
            "stringData": {"b": "ü"},
        }
        created = await cluster.create(SECRET, secret)
        assert created["data"] == {"a": "YQ==", "b": "w7w="}
        assert created["type"] == "Opaque"
        assert "stringData" not in await cluster.get(SECRET, namespace, "key")

    async def test_a_secret_is_patched_and_listed(self, cluster: Cluster, namespace: str) -> None:
        await cluster.create(SECRET, {"metadata": {"name": "key", "namespace": namespace}, "stringData": {"a": "1"}})
        await cluster.patch(SECRET, namespace, "key", {"stringData": {"b": "2"}})
        page = await cluster.list(SECRET, namespace, fields="metadata.name=key")
        assert [item["data"] for item in page.items] == [{"a": "MQ==", "b": "Mg=="}]

    async def test_data_must_be_base64(self, cluster: Cluster, namespace: str) -> None:
        with pytest.raises(ApiError) as refused:
            await cluster.create(SECRET, {"metadata": {"name": "key", "namespace": namespace}, "data": {"a": "not base64!"}})
        assert refused.value.code in (400, 422)
        assert "not base64!" not in str(refused.value)

    async def test_the_type_of_a_secret_stays(self, cluster: Cluster, namespace: str) -> None:
        created = await cluster.create(SECRET, {"metadata": {"name": "key", "namespace": namespace}, "stringData": {"a": "1"}})
        with pytest.raises(Invalid):
            await cluster.replace(SECRET, created | {"type": "example.com/other"})
