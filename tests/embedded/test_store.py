"""What the store does beyond the contract of the port: lasting, admission, namespaces, compaction, slow readers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import apsw
import pytest

from sympozium_core.contracts.builtin_kinds import CONFIG_MAP, EVENT, NAMESPACE
from sympozium_core.contracts.cluster import (
    BadRequest,
    Cluster,
    Forbidden,
    Gone,
    Invalid,
    NotFound,
    Object,
    ResourceType,
    Review,
    Unavailable,
    User,
    Verdict,
    Warnings,
)
from sympozium_core.embedded import watches
from sympozium_core.embedded.store import Store, StoreOptions
from sympozium_core.errors import Cause
from sympozium_core.resources.kinds import AGENT_RUN, ALL

ME = User("local:tester")


def run(name: str, namespace: str = "default", **meta: Any) -> Object:
    return {"metadata": {"name": name, "namespace": namespace, **meta}, "spec": {"task": "x"}}


class Judge:
    """An admission that answers as the test says, and keeps what it was asked."""

    def __init__(self, answer: Callable[[Review], Verdict]) -> None:
        self.answer = answer
        self.asked: list[Review] = []

    async def review(self, review: Review) -> Verdict:
        if review.kind == NAMESPACE:
            return Verdict()
        self.asked.append(review)
        return self.answer(review)


async def until_equal(read: Callable[[], Any], wanted: Any) -> None:
    async with asyncio.timeout(10):
        while read() != wanted:  # noqa: ASYNC110 - the store has no event for it
            await asyncio.sleep(0.005)


class TestLasting:
    async def test_everything_is_there_after_a_restart(self, tmp_path: Path) -> None:
        store = await Store.open(tmp_path / "store.db", kinds=ALL)
        cluster = store.as_user(ME)
        await cluster.create(AGENT_RUN, run("gone"))
        kept = await cluster.create(AGENT_RUN, run("kept", labels={"a": "b"}))
        kept = await cluster.patch(AGENT_RUN, "default", "kept", {"status": {"phase": "Running"}}, subresource="status")
        await cluster.delete(AGENT_RUN, "default", "gone")
        version = store.revision
        await store.close()

        store = await Store.open(tmp_path / "store.db", kinds=ALL)
        cluster = store.as_user(ME)
        assert store.revision == version
        assert (await cluster.list(AGENT_RUN, labels="a=b", fields="status.phase=Running")).items == [kept]
        after = await cluster.create(AGENT_RUN, run("after"))
        assert int(after["metadata"]["resourceVersion"]) == version + 1
        await store.close()

    async def test_a_watch_resumes_over_a_restart(self, tmp_path: Path) -> None:
        store = await Store.open(tmp_path / "store.db", kinds=ALL)
        start = str(store.revision)
        for number in range(5):
            await store.as_user(ME).create(AGENT_RUN, run(f"r{number}"))
        await store.close()
        store = await Store.open(tmp_path / "store.db", kinds=ALL)
        events = store.as_user(ME).watch(AGENT_RUN, resource_version=start)
        assert [(await anext(events)).object["metadata"]["name"] for _ in range(5)] == [f"r{number}" for number in range(5)]
        await events.aclose()
        await store.close()

    async def test_collection_goes_on_after_a_restart(self, tmp_path: Path) -> None:
        """The owner went while nobody collected."""
        store = await Store.open(tmp_path / "store.db", kinds=ALL)
        cluster = store.as_user(ME)
        await store._garbage.close()
        owner = await cluster.create(AGENT_RUN, run("owner"))
        reference = {"apiVersion": AGENT_RUN.api_version, "kind": "AgentRun", "name": "owner", "uid": owner["metadata"]["uid"]}
        await cluster.create(AGENT_RUN, run("child", ownerReferences=[reference]))
        await cluster.delete(AGENT_RUN, "default", "owner")
        assert len((await cluster.list(AGENT_RUN)).items) == 1
        await store.close()
        store = await Store.open(tmp_path / "store.db", kinds=ALL)
        await until_equal(lambda: len(store.cache.entries(AGENT_RUN.resource)), 0)
        await store.close()

    async def test_kinds_that_are_not_served_stay_in_the_file(self, tmp_path: Path) -> None:
        store = await Store.open(tmp_path / "store.db", kinds=ALL)
        await store.as_user(ME).create(AGENT_RUN, run("one"))
        await store.close()
        store = await Store.open(tmp_path / "store.db", kinds=[CONFIG_MAP])
        with pytest.raises(NotFound, match="agentruns"):
            await store.as_user(ME).get(AGENT_RUN, "default", "one")
        await store.close()
        store = await Store.open(tmp_path / "store.db", kinds=ALL)
        assert await store.as_user(ME).get(AGENT_RUN, "default", "one")
        await store.close()

    async def test_the_file_is_nobody_elses(self, store: Store, cluster: Cluster, tmp_path: Path) -> None:
        await cluster.create(AGENT_RUN, run("one"))
        files = list(tmp_path.glob("store.db*"))
        assert len(files) == 3
        assert {file.stat().st_mode & 0o777 for file in files} == {0o600}

    async def test_a_file_of_a_newer_release_is_refused(self, tmp_path: Path) -> None:
        connection = apsw.Connection(str(tmp_path / "store.db"))
        connection.pragma("user_version", 99)
        connection.close()
        with pytest.raises(Unavailable, match="format 99"):
            await Store.open(tmp_path / "store.db", kinds=ALL)

    async def test_a_file_that_is_no_store_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "store.db").write_bytes(b"this is no database at all" * 100)
        with pytest.raises(Unavailable):
            await Store.open(tmp_path / "store.db", kinds=ALL)

    async def test_a_closed_store_takes_nothing(self, tmp_path: Path) -> None:
        store = await Store.open(tmp_path / "store.db", kinds=ALL)
        await store.close()
        with pytest.raises(Unavailable, match="closed"):
            await store.as_user(ME).create(AGENT_RUN, run("one"))

    async def test_watches_end_with_the_store(self, tmp_path: Path) -> None:
        store = await Store.open(tmp_path / "store.db", kinds=ALL)
        events = store.as_user(ME).watch(AGENT_RUN, resource_version=str(store.revision))
        waiting = asyncio.ensure_future(anext(events, None))
        await asyncio.sleep(0)
        await store.close()
        async with asyncio.timeout(5):
            assert await waiting is None


class TestAdmission:
    async def test_what_admission_makes_is_stored(self, store: Store, cluster: Cluster) -> None:
        def answer(review: Review) -> Verdict:
            assert review.object is not None
            review.object["spec"]["extra"] = review.user.name
            return Verdict(review.object, warnings=("mind the gap",))

        judge = Judge(answer)
        store.use_admission(judge)
        warnings = Warnings()
        created = await store.as_user(User("ada"), warnings.texts.append).create(AGENT_RUN, run("one"))
        assert created["spec"] == {"task": "x", "extra": "ada"}
        assert await cluster.get(AGENT_RUN, "default", "one") == created
        assert warnings.texts == ["mind the gap"]
        review = judge.asked[0]
        assert (review.operation, review.namespace, review.name, review.subresource) == ("CREATE", "default", "one", "")

    async def test_admission_cannot_forge_what_is_the_servers(self, store: Store, cluster: Cluster) -> None:
        def answer(review: Review) -> Verdict:
            assert review.object is not None
            review.object["metadata"] |= {"uid": "forged", "generation": 9}
            return Verdict(review.object | {"status": {"phase": "Forged"}})

        store.use_admission(Judge(answer))
        created = await cluster.create(AGENT_RUN, run("one"))
        assert (created["metadata"]["generation"], "status" in created) == (1, False)
        assert created["metadata"]["uid"] != "forged"

    @pytest.mark.parametrize(("invalid", "error"), [(True, Invalid), (False, Forbidden)])
    async def test_a_refusal_carries_every_cause(
        self, store: Store, cluster: Cluster, invalid: bool, error: type[Exception]
    ) -> None:
        causes = (Cause("spec.a", "is wrong"), Cause("spec.b", "is worse", "mend it"))
        store.use_admission(Judge(lambda review: Verdict(causes=causes, invalid=invalid)))
        with pytest.raises(error, match=r"spec\.a: is wrong; spec\.b: is worse \(mend it\)") as refused:
            await cluster.create(AGENT_RUN, run("one"))
        assert refused.value.causes == causes  # type: ignore[attr-defined]
        assert (await cluster.list(AGENT_RUN)).items == []

    async def test_each_write_is_reviewed(self, store: Store, cluster: Cluster) -> None:
        judge = Judge(lambda review: Verdict())
        store.use_admission(judge)
        await cluster.create(AGENT_RUN, run("one"))
        await cluster.patch(AGENT_RUN, "default", "one", {"spec": {"task": "y"}}, dry_run=True)
        await cluster.patch(AGENT_RUN, "default", "one", {"status": {"phase": "Running"}}, subresource="status")
        await cluster.delete(AGENT_RUN, "default", "one")
        assert [(one.operation, one.subresource, one.dry_run) for one in judge.asked] == [
            ("CREATE", "", False),
            ("UPDATE", "", True),
            ("UPDATE", "status", False),
            ("DELETE", "", False),
        ]
        deletion = judge.asked[3]
        assert deletion.object is None
        assert deletion.old_object is not None
        assert deletion.old_object["status"] == {"phase": "Running"}

    async def test_admission_may_read_the_store(self, store: Store, cluster: Cluster) -> None:
        class Reader:
            async def review(self, review: Review) -> Verdict:
                await cluster.list(AGENT_RUN)
                return Verdict()

        store.use_admission(Reader())
        await cluster.create(AGENT_RUN, run("one"))


class TestNamespaces:
    async def test_two_are_always_there(self, cluster: Cluster) -> None:
        assert [item["metadata"]["name"] for item in (await cluster.list(NAMESPACE)).items] == ["default", "sympozium-system"]

    async def test_one_comes_to_be_with_its_first_object(self, cluster: Cluster) -> None:
        await asyncio.gather(*(cluster.create(AGENT_RUN, run(f"r{number}", "team-a")) for number in range(5)))
        found = await cluster.get(NAMESPACE, None, "team-a")
        assert found["metadata"]["labels"] == {"kubernetes.io/metadata.name": "team-a"}

    async def test_a_name_that_is_none_is_refused(self, cluster: Cluster) -> None:
        with pytest.raises(Invalid, match=r"metadata\.namespace"):
            await cluster.create(AGENT_RUN, run("one", "Team A"))

    async def test_what_is_in_it_goes_with_it(self, store: Store, cluster: Cluster) -> None:
        await cluster.create(AGENT_RUN, run("free", "team-a"))
        await cluster.create(AGENT_RUN, run("held", "team-a", finalizers=["example.com/held"]))
        left = await cluster.delete(NAMESPACE, None, "team-a")
        assert left["status"] == {"phase": "Terminating"}
        await until_equal(lambda: [entry.key.name for entry in store.cache.in_namespace("team-a")], ["held"])
        with pytest.raises(Forbidden, match="terminated"):
            await cluster.create(AGENT_RUN, run("late", "team-a"))
        await cluster.patch(AGENT_RUN, "team-a", "held", {"metadata": {"finalizers": None}})
        await until_equal(lambda: len(store.cache.entries("namespaces")), 2)

    async def test_those_two_cannot_be_deleted(self, cluster: Cluster) -> None:
        with pytest.raises(Forbidden):
            await cluster.delete(NAMESPACE, None, "sympozium-system")


class TestWatchLog:
    async def test_a_version_behind_the_window_is_gone(self, tmp_path: Path) -> None:
        store = await Store.open(tmp_path / "store.db", kinds=ALL, options=StoreOptions(log_window=50))
        cluster = store.as_user(ME)
        start = store.revision
        await asyncio.gather(*(cluster.create(AGENT_RUN, run(f"r{number}")) for number in range(700)))
        await cluster.create(AGENT_RUN, run("last"))
        with pytest.raises(Gone) as refused:
            await anext(cluster.watch(AGENT_RUN, resource_version=str(start)))
        assert refused.value.code == 410
        page = await cluster.list(AGENT_RUN)
        assert len(page.items) == 701
        events = cluster.watch(AGENT_RUN, resource_version=str(store.revision - 20))
        assert int((await anext(events)).object["metadata"]["resourceVersion"]) == store.revision - 19
        await events.aclose()
        await store.close()
        store = await Store.open(tmp_path / "store.db", kinds=ALL)
        with pytest.raises(Gone):
            await anext(store.as_user(ME).watch(AGENT_RUN, resource_version=str(start)))
        await store.close()

    async def test_a_version_of_another_store_is_gone(self, store: Store, cluster: Cluster) -> None:
        with pytest.raises(Gone):
            await anext(cluster.watch(AGENT_RUN, resource_version=str(store.revision + 1000)))

    async def test_a_slow_reader_misses_nothing(self, store: Store, cluster: Cluster) -> None:
        """Its queue overflows again and again while it does not read."""
        count = watches.BACKLOG * 2 + 100
        events: Any = cluster.watch(AGENT_RUN, resource_version=str(store.revision))
        await cluster.create(AGENT_RUN, run("first"))
        assert (await anext(events)).object["metadata"]["name"] == "first"
        names = iter(range(count))

        async def write() -> None:
            for number in names:
                await cluster.create(AGENT_RUN, run(f"r{number:05}"))

        await asyncio.gather(*(write() for _ in range(32)))
        seen = [await anext(events) for _ in range(count)]
        versions = [int(event.object["metadata"]["resourceVersion"]) for event in seen]
        assert versions == sorted(set(versions))
        assert {event.object["metadata"]["name"] for event in seen} == {f"r{number:05}" for number in range(count)}
        await cluster.delete(AGENT_RUN, "default", "first")
        assert (await anext(events)).type == "DELETED"
        await events.aclose()

    async def test_a_quiet_watch_says_how_far_it_is(self, tmp_path: Path) -> None:
        store = await Store.open(tmp_path / "store.db", kinds=ALL, options=StoreOptions(bookmark_seconds=0.05))
        cluster = store.as_user(ME)
        events = cluster.watch(AGENT_RUN, resource_version=str(store.revision))
        await cluster.create(CONFIG_MAP, {"metadata": {"name": "other"}})
        async with asyncio.timeout(5):
            event = await anext(events)
        assert (event.type, event.object["metadata"]) == ("BOOKMARK", {"resourceVersion": str(store.revision)})
        await events.aclose()
        await store.close()


class TestWrites:
    async def test_a_cancelled_writer_leaves_no_half_write(self, store: Store, cluster: Cluster) -> None:
        """Whether the cancelled write came through or not: the next writer works on what is really there."""
        await cluster.create(AGENT_RUN, {**run("one"), "spec": {}})
        for number in range(50):
            change = {"spec": {f"field{number}": number}}
            task = asyncio.ensure_future(cluster.patch(AGENT_RUN, "default", "one", change))
            for _ in range(number % 4):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await cluster.patch(AGENT_RUN, "default", "one", {"spec": {"last": number}})
        final = await cluster.get(AGENT_RUN, "default", "one")
        events: Any = cluster.watch(AGENT_RUN, resource_version="1")
        last: Object = {}
        while last.get("metadata", {}).get("resourceVersion") != final["metadata"]["resourceVersion"]:
            before, last = last, (await anext(events)).object
            assert set(before.get("spec", {})) <= set(last["spec"]), "a write undid another"
        await events.aclose()
        assert last == final

    @pytest.mark.parametrize("spec", [{"a": float("nan")}, {"a": {1, 2}}, {"a": b"x"}, {"a": "\ud800"}])
    async def test_what_is_no_json_is_refused(self, cluster: Cluster, spec: Any) -> None:
        with pytest.raises(BadRequest, match="no JSON value"):
            await cluster.create(AGENT_RUN, {**run("one"), "spec": spec})
        await cluster.create(AGENT_RUN, run("one"))

    async def test_every_fault_of_metadata_is_told_at_once(self, cluster: Cluster) -> None:
        wrong = run("UPPER", "default", labels={"a b": "c"}, finalizers=["x/y/z"], annotations={"n": 1})
        with pytest.raises(Invalid) as refused:
            await cluster.create(AGENT_RUN, wrong)
        fields = [cause.field for cause in refused.value.causes]
        assert fields == ["metadata.name", "metadata.labels", "metadata.annotations", "metadata.finalizers[0]"]

    @pytest.mark.parametrize("meta", [[], {"labels": []}, {"name": 3}, {"ownerReferences": {}}, {"finalizers": "x"}])
    async def test_metadata_of_another_shape(self, cluster: Cluster, meta: Any) -> None:
        with pytest.raises(BadRequest, match="metadata"):
            await cluster.create(AGENT_RUN, {"metadata": meta})

    async def test_a_custom_resource_is_not_replaced_blindly(self, cluster: Cluster) -> None:
        await cluster.create(AGENT_RUN, run("one"))
        with pytest.raises(Invalid, match="resourceVersion"):
            await cluster.replace(AGENT_RUN, run("one"))

    async def test_a_page_token_ends(self, store: Store, cluster: Cluster, hand_clock: Any) -> None:
        for number in range(3):
            await cluster.create(AGENT_RUN, run(f"r{number}"))
        page = await cluster.list(AGENT_RUN, limit=1)
        with pytest.raises(BadRequest, match="other parameters"):
            await cluster.list(AGENT_RUN, "default", limit=1, continue_token=page.continue_token)
        hand_clock.seconds += 301
        with pytest.raises(Gone):
            await cluster.list(AGENT_RUN, limit=1, continue_token=page.continue_token)

    async def test_another_version_of_a_kind_is_not_served(self, cluster: Cluster) -> None:
        other = ResourceType(AGENT_RUN.group, "v2", "AgentRun", "agentruns")
        with pytest.raises(NotFound):
            await cluster.list(other)


class TestEvents:
    async def test_old_ones_are_dropped(self, store: Store, cluster: Cluster, hand_clock: Any) -> None:
        await cluster.create(EVENT, {"metadata": {"name": "old"}, "reason": "Started"})
        hand_clock.seconds += 1800
        await cluster.create(EVENT, {"metadata": {"name": "new"}, "reason": "Ended"})
        await cluster.create(AGENT_RUN, run("one"))
        hand_clock.seconds += 1801
        assert await store.expiry.sweep() == 1
        assert [item["metadata"]["name"] for item in (await cluster.list(EVENT)).items] == ["new"]
        assert await cluster.get(AGENT_RUN, "default", "one")

    async def test_they_are_found_by_what_they_are_about(self, cluster: Cluster) -> None:
        for name in ("a", "b"):
            event = {
                "metadata": {"name": f"event-{name}"},
                "involvedObject": {"kind": "AgentRun", "name": name},
                "reason": "Started",
            }
            await cluster.create(EVENT, event)
        page = await cluster.list(EVENT, fields="involvedObject.kind=AgentRun,involvedObject.name=b")
        assert [item["metadata"]["name"] for item in page.items] == ["event-b"]
