"""Contract checks on watches: order, resume, selectors, bookmarks, versions that are too old."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from sympozium_core.contracts.cluster import ApiError, BadRequest, Cluster, ListPage, WatchEvent
from sympozium_core.testing.cluster_kinds import DEADLINE, ROOT_WIDGET, WIDGET, take, until, version_now, watching, widget


def told(events: list[WatchEvent]) -> list[tuple[str, str]]:
    return [(event.type, event.object["metadata"]["name"]) for event in events]


class WatchChecks:
    bookmark_timeout = 1.0
    """Seconds of a watch that is long enough for the server to send a bookmark before its end, most of the time."""

    async def test_a_watch_tells_the_life_of_an_object(self, cluster: Cluster, namespace: str) -> None:
        async with watching(cluster, namespace, await version_now(cluster, namespace)) as events:
            created = await cluster.create(WIDGET, widget(namespace, "one"))
            changed = await cluster.patch(WIDGET, namespace, "one", {"spec": {"size": 2}})
            ready = await cluster.patch(WIDGET, namespace, "one", {"status": {"phase": "Ready"}}, subresource="status")
            await cluster.delete(WIDGET, namespace, "one")
            got = await take(events, 4)
        assert told(got) == [("ADDED", "one"), ("MODIFIED", "one"), ("MODIFIED", "one"), ("DELETED", "one")]
        assert [event.object for event in got[:3]] == [created, changed, ready]
        assert got[3].object["status"] == {"phase": "Ready"}

    async def test_a_deletion_has_a_version_of_its_own(self, cluster: Cluster, namespace: str) -> None:
        created = await cluster.create(WIDGET, widget(namespace, "one"))
        async with watching(cluster, namespace, created["metadata"]["resourceVersion"]) as events:
            await cluster.delete(WIDGET, namespace, "one")
            (deleted,) = await take(events, 1)
        assert int(deleted.object["metadata"]["resourceVersion"]) > int(created["metadata"]["resourceVersion"])

    async def test_versions_rise(self, cluster: Cluster, namespace: str) -> None:
        async with watching(cluster, namespace, await version_now(cluster, namespace)) as events:
            await asyncio.gather(*(cluster.create(WIDGET, widget(namespace, f"w{number}")) for number in range(20)))
            versions = [int(event.object["metadata"]["resourceVersion"]) for event in await take(events, 20)]
        assert versions == sorted(set(versions))

    async def test_a_watch_that_resumes_misses_and_repeats_nothing(self, cluster: Cluster, namespace: str) -> None:
        start = await version_now(cluster, namespace)
        for number in range(12):
            await cluster.create(WIDGET, widget(namespace, f"w{number:02}"))
        seen: list[str] = []
        version = start
        while len(seen) < 12:
            async with watching(cluster, namespace, version) as events:
                for event in await take(events, 5 if len(seen) < 10 else 2):
                    seen.append(event.object["metadata"]["name"])
                    version = event.object["metadata"]["resourceVersion"]
        assert seen == [f"w{number:02}" for number in range(12)]

    async def test_a_watch_from_a_list_goes_on_where_it_ended(self, cluster: Cluster, namespace: str) -> None:
        """Writers run through list and watch; together the two see each object exactly once."""
        count = 200

        async def write() -> None:
            for number in range(count):
                await cluster.create(WIDGET, widget(namespace, f"w{number:03}"))

        writer = asyncio.create_task(write())

        async def some() -> ListPage | None:
            page = await cluster.list(WIDGET, namespace)
            return page if len(page.items) >= 5 else None

        page = await until(some, "the first writes")
        assert page is not None
        async with watching(cluster, namespace, page.resource_version) as events:
            later = await take(events, count - len(page.items))
        await writer
        listed = [item["metadata"]["name"] for item in page.items]
        assert listed + [event.object["metadata"]["name"] for event in later] == [f"w{number:03}" for number in range(count)]

    async def test_without_a_version_the_present_comes_first(self, cluster: Cluster, namespace: str) -> None:
        await cluster.create(WIDGET, widget(namespace, "b"))
        await cluster.create(WIDGET, widget(namespace, "a"))
        async with watching(cluster, namespace, "") as events:
            present = await take(events, 2)
            await cluster.create(WIDGET, widget(namespace, "c"))
            assert told(await take(events, 1)) == [("ADDED", "c")]
        assert sorted(told(present)) == [("ADDED", "a"), ("ADDED", "b")]

    async def test_a_watch_keeps_to_its_namespace(self, cluster: Cluster, namespace: str, other_namespace: str) -> None:
        async with watching(cluster, namespace, await version_now(cluster, namespace)) as events:
            await cluster.create(WIDGET, widget(other_namespace, "there"))
            await cluster.create(WIDGET, widget(namespace, "here"))
            assert told(await take(events, 1)) == [("ADDED", "here")]

    async def test_a_watch_of_all_namespaces(self, cluster: Cluster, namespace: str, other_namespace: str) -> None:
        async with watching(cluster, None, await version_now(cluster, namespace)) as events:
            await cluster.create(WIDGET, widget(other_namespace, f"there-{namespace}"))
            await cluster.create(WIDGET, widget(namespace, f"here-{namespace}"))
            mine: list[tuple[str, str]] = []
            while len(mine) < 2:
                mine += [one for one in told(await take(events, 1)) if one[1].endswith(namespace)]
        assert mine == [("ADDED", f"there-{namespace}"), ("ADDED", f"here-{namespace}")]

    async def test_a_watch_of_a_cluster_scoped_kind(self, cluster: Cluster, namespace: str) -> None:
        name = f"root-{namespace}"
        version = (await cluster.list(ROOT_WIDGET, limit=1)).resource_version
        events: Any = cluster.watch(ROOT_WIDGET, resource_version=version, fields=f"metadata.name={name}")
        await cluster.create(ROOT_WIDGET, {"metadata": {"name": name}, "spec": {}})
        await cluster.delete(ROOT_WIDGET, None, name)
        got = await take(events, 2)
        await events.aclose()
        assert told(got) == [("ADDED", name), ("DELETED", name)]

    async def test_a_selector_turns_changes_into_arrivals_and_departures(self, cluster: Cluster, namespace: str) -> None:
        async with watching(cluster, namespace, await version_now(cluster, namespace), labels="in=yes") as events:
            await cluster.create(WIDGET, widget(namespace, "one", labels={"in": "no"}))
            for labels in ({"in": "yes"}, {"more": "x"}, {"in": "no"}, {"in": "yes"}):
                await cluster.patch(WIDGET, namespace, "one", {"metadata": {"labels": labels}})
            await cluster.delete(WIDGET, namespace, "one")
            got = await take(events, 5)
        assert [event.type for event in got] == ["ADDED", "MODIFIED", "DELETED", "ADDED", "DELETED"]

    async def test_the_same_from_the_log(self, cluster: Cluster, namespace: str) -> None:
        """A watch that resumes from the past tells the same story as one that was there."""
        start = await version_now(cluster, namespace)
        await cluster.create(WIDGET, widget(namespace, "one", labels={"in": "no"}))
        for labels in ({"in": "yes"}, {"more": "x"}, {"in": "no"}, {"in": "yes"}):
            await cluster.patch(WIDGET, namespace, "one", {"metadata": {"labels": labels}})
        await cluster.delete(WIDGET, namespace, "one")
        async with watching(cluster, namespace, start, labels="in=yes") as events:
            got = await take(events, 5)
        assert [event.type for event in got] == ["ADDED", "MODIFIED", "DELETED", "ADDED", "DELETED"]

    async def test_a_field_selector(self, cluster: Cluster, namespace: str) -> None:
        async with watching(cluster, namespace, await version_now(cluster, namespace), fields="status.phase=Ready") as events:
            await cluster.create(WIDGET, widget(namespace, "one"))
            await cluster.create(WIDGET, widget(namespace, "two"))
            await cluster.patch(WIDGET, namespace, "two", {"status": {"phase": "Ready"}}, subresource="status")
            await cluster.patch(WIDGET, namespace, "two", {"status": {"phase": "Done"}}, subresource="status")
            assert told(await take(events, 2)) == [("ADDED", "two"), ("DELETED", "two")]

    async def test_a_write_that_changes_nothing_is_not_told(self, cluster: Cluster, namespace: str) -> None:
        created = await cluster.create(WIDGET, widget(namespace, "one"))
        async with watching(cluster, namespace, created["metadata"]["resourceVersion"]) as events:
            await cluster.replace(WIDGET, created)
            await cluster.create(WIDGET, widget(namespace, "two"), dry_run=True)
            await cluster.create(WIDGET, widget(namespace, "three"))
            assert told(await take(events, 1)) == [("ADDED", "three")]

    async def test_every_watcher_is_told(self, cluster: Cluster, namespace: str) -> None:
        start = await version_now(cluster, namespace)

        async def follow() -> list[tuple[str, str]]:
            async with watching(cluster, namespace, start) as events:
                return told(await take(events, 10))

        followers = [asyncio.create_task(follow()) for _ in range(10)]
        for number in range(10):
            await cluster.create(WIDGET, widget(namespace, f"w{number}"))
        assert await asyncio.gather(*followers) == [[("ADDED", f"w{number}") for number in range(10)]] * 10

    async def test_a_watch_ends_after_its_time(self, cluster: Cluster, namespace: str) -> None:
        version = (await cluster.create(WIDGET, widget(namespace, "one")))["metadata"]["resourceVersion"]
        async with asyncio.timeout(DEADLINE):
            events = [event async for event in cluster.watch(WIDGET, namespace, resource_version=version, timeout=1.0)]
        assert {event.type for event in events} <= {"BOOKMARK"}

    async def test_a_bookmark_is_a_place_to_resume(self, cluster: Cluster, namespace: str, other_namespace: str) -> None:
        """It says how far the stream is when nothing that it tells of happens, but other things do."""
        version = await version_now(cluster, namespace)
        elsewhere = await cluster.create(WIDGET, widget(other_namespace, "elsewhere"))
        meta = await self._bookmark(cluster, namespace, version)
        assert int(meta["resourceVersion"]) >= int(elsewhere["metadata"]["resourceVersion"])
        assert not {"name", "uid", "labels"} & {key for key, value in meta.items() if value}
        await cluster.create(WIDGET, widget(namespace, "one"))
        async with watching(cluster, namespace, meta["resourceVersion"]) as later:
            assert told(await take(later, 1)) == [("ADDED", "one")]

    async def _bookmark(self, cluster: Cluster, namespace: str, version: str) -> dict[str, Any]:
        """Metadata of the first one. A server need not send any before a watch ends, and one that is busy may be late for it."""
        for _ in range(10):
            async for event in cluster.watch(WIDGET, namespace, resource_version=version, timeout=self.bookmark_timeout):
                assert event.type == "BOOKMARK"
                return dict(event.object["metadata"])
        raise AssertionError("no bookmark came")

    async def test_a_version_that_is_none(self, cluster: Cluster, namespace: str) -> None:
        with pytest.raises(ApiError, match="yesterday") as refused:
            async with watching(cluster, namespace, "yesterday") as events:
                await take(events, 1)
        assert refused.value.code in (400, 500)  # a real API server takes it for a fault of its own

    async def test_a_selector_that_is_none(self, cluster: Cluster, namespace: str) -> None:
        with pytest.raises(BadRequest):
            async with watching(cluster, namespace, "", labels="a in b") as events:
                await take(events, 1)
