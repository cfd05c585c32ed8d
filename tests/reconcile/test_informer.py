"""The informer on a real store: it follows, survives cuts, and never loses a deletion."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from sympozium_core.backoff import BackOff
from sympozium_core.contracts.builtin_kinds import CONFIG_MAP
from sympozium_core.contracts.cluster import Forbidden, Gone, User, metadata
from sympozium_core.embedded.store import Store, StoreOptions
from sympozium_core.errors import Temporary
from sympozium_core.reconcile.cache import Cache
from sympozium_core.reconcile.informer import Informer
from sympozium_core.reconcile.informers import Informers
from sympozium_core.reconcile.key import Key
from sympozium_core.resources.kinds import SYMPOZIUM_SCHEDULE

QUICK = BackOff(first=0.005, longest=0.02)


def config(name: str, value: str = "", namespace: str = "default", labels: dict[str, str] | None = None) -> dict[str, Any]:
    meta = {"name": name, "namespace": namespace, "labels": labels or {}}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {"value": value}}


def values(informer: Informer) -> dict[str, str]:
    return {metadata(obj)["name"]: obj["data"]["value"] for obj in informer.cache.all()}


class Changes:
    """What a handler was told: (name, old value, new value)."""

    def __init__(self, informer: Informer) -> None:
        self.seen: list[tuple[str, str | None, str | None]] = []
        self.remove = informer.on_change(self._changed)

    def _changed(self, old: Mapping[str, Any] | None, new: Mapping[str, Any] | None) -> None:
        name = metadata(new if new is not None else old or {})["name"]
        self.seen.append((name, old["data"]["value"] if old else None, new["data"]["value"] if new else None))


async def test_lists_then_follows(cluster: Any, background: Any, until: Any) -> None:
    for number in range(3):
        await cluster.create(CONFIG_MAP, config(f"c{number}", "1"))
    informer = Informer(cluster, CONFIG_MAP)
    changes = Changes(informer)
    background(informer.run())
    await asyncio.wait_for(informer.synced.wait(), 5)
    assert changes.seen == [(f"c{number}", None, "1") for number in range(3)]
    changes.seen.clear()
    await cluster.create(CONFIG_MAP, config("new", "a"))
    await cluster.patch(CONFIG_MAP, "default", "c0", {"data": {"value": "2"}})
    deleted = await cluster.delete(CONFIG_MAP, "default", "c1")
    await until(lambda: len(changes.seen) == 3)
    assert changes.seen == [("new", None, "a"), ("c0", "1", "2"), ("c1", "1", None)]
    assert values(informer) == {"c0": "2", "c2": "1", "new": "a"}
    assert deleted is not None
    assert informer.cache.get(Key("default", "c1")) is None
    obj = informer.cache.get(Key("default", "c0"))
    assert obj is not None
    assert (obj["kind"], obj["apiVersion"]) == ("ConfigMap", "v1")


async def test_a_handler_added_late_is_told_what_is_known_and_one_removed_nothing(
    cluster: Any, background: Any, until: Any
) -> None:
    informer = Informer(cluster, CONFIG_MAP)
    background(informer.run())
    await cluster.create(CONFIG_MAP, config("a", "1"))
    await until(lambda: len(informer.cache) == 1)
    late, early = Changes(informer), Changes(informer)
    assert late.seen == [("a", None, "1")]
    early.remove()
    await cluster.delete(CONFIG_MAP, "default", "a")
    await until(lambda: len(late.seen) == 2)
    assert len(early.seen) == 1


async def test_a_deletion_during_a_cut_is_told_when_the_log_still_has_it(
    cluster: Any, line: Any, background: Any, until: Any
) -> None:
    informer = Informer(line, CONFIG_MAP, back_off=QUICK)
    changes = Changes(informer)
    await cluster.create(CONFIG_MAP, config("a", "1"))
    background(informer.run())
    await informer.synced.wait()
    line.cut()
    await until(lambda: informer.problem)
    assert "the line is cut" in informer.problem
    await cluster.delete(CONFIG_MAP, "default", "a")
    line.mend()
    await until(lambda: ("a", "1", None) in changes.seen)
    await cluster.create(CONFIG_MAP, config("b", "1"))
    await until(lambda: values(informer) == {"b": "1"})
    assert informer.problem == ""


async def test_a_deletion_is_told_after_the_log_has_forgotten_it(cluster: Any, line: Any, background: Any, until: Any) -> None:
    informer = Informer(line, CONFIG_MAP, back_off=QUICK)
    changes = Changes(informer)
    for name in ("gone", "same", "changed", "reborn"):
        await cluster.create(CONFIG_MAP, config(name, "1"))
    background(informer.run())
    await informer.synced.wait()
    line.cut(Gone("too old resource version"))
    await until(lambda: line.calls.count("list") >= 2)
    changes.seen.clear()
    await cluster.delete(CONFIG_MAP, "default", "gone")
    await cluster.delete(CONFIG_MAP, "default", "reborn")
    await cluster.create(CONFIG_MAP, config("reborn", "2"))
    await cluster.patch(CONFIG_MAP, "default", "changed", {"data": {"value": "2"}})
    line.mend()
    await until(lambda: informer.lists == 2)
    assert sorted(changes.seen, key=str) == sorted(
        [("gone", "1", None), ("reborn", "1", None), ("reborn", None, "2"), ("changed", "1", "2")], key=str
    )
    assert values(informer) == {"same": "1", "changed": "2", "reborn": "2"}


async def test_is_right_after_many_cuts_under_load(cluster: Any, line: Any, background: Any, until: Any) -> None:
    informer = Informer(line, CONFIG_MAP, back_off=QUICK)
    following: dict[str, str] = {}

    def follow(old: Mapping[str, Any] | None, new: Mapping[str, Any] | None) -> None:
        if new is None:
            del following[metadata(old or {})["name"]]
        else:
            assert (old is None) is (metadata(new)["name"] not in following)
            following[metadata(new)["name"]] = new["data"]["value"]

    informer.on_change(follow)
    background(informer.run())
    for number in range(300):
        name = f"c{number % 7}"
        if number % 40 == 13:
            line.cut()
        if number % 40 == 39:
            line.mend()
        present = (await cluster.list(CONFIG_MAP, "default", fields=f"metadata.name={name}")).items
        if not present:
            await cluster.create(CONFIG_MAP, config(name, str(number)))
        elif number % 3:
            await cluster.delete(CONFIG_MAP, "default", name)
        else:
            await cluster.patch(CONFIG_MAP, "default", name, {"data": {"value": str(number)}})
        await asyncio.sleep(0)
    line.mend()
    page = await cluster.list(CONFIG_MAP)
    await informer.wait_until(page.resource_version)
    truth = {metadata(obj)["name"]: obj["data"]["value"] for obj in page.items}
    assert values(informer) == truth
    assert following == truth


async def test_pages_are_put_together(cluster: Any, background: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sympozium_core.cluster.reflector.PAGE", 4)
    for number in range(10):
        await cluster.create(CONFIG_MAP, config(f"c{number}"))
    informer = Informer(cluster, CONFIG_MAP)
    background(informer.run())
    await asyncio.wait_for(informer.synced.wait(), 5)
    assert len(informer.cache) == 10


async def test_waits_until_it_has_seen_a_write(cluster: Any, background: Any) -> None:
    informer = Informer(cluster, CONFIG_MAP)
    background(informer.run())
    for number in range(20):
        written = await cluster.create(CONFIG_MAP, config(f"c{number}"))
        await informer.wait_until(metadata(written)["resourceVersion"], timeout=5)
        assert informer.cache.get(Key("default", f"c{number}")) is not None


async def test_waiting_for_what_does_not_come_is_temporary_and_says_how_far_it_is(
    line: Any, background: Any, until: Any
) -> None:
    informer = Informer(line, CONFIG_MAP, back_off=QUICK)
    line.cut(Forbidden("configmaps is forbidden"))
    background(informer.run())
    await until(lambda: informer.problem)
    with pytest.raises(Temporary, match=r"configmaps has seen version 0, not 999, after 0.01 s: configmaps is forbidden"):
        await informer.wait_until("999", timeout=0.01)


async def test_a_watch_that_ends_at_once_again_and_again_does_not_spin(line: Any, background: Any, until: Any) -> None:
    informer = Informer(line, CONFIG_MAP, back_off=BackOff(first=0.01, longest=10, jitter=0), watch_seconds=0.0001)
    background(informer.run())
    await until(lambda: line.calls.count("watch") >= 3)
    loop = asyncio.get_running_loop()
    began, calls = loop.time(), len(line.calls)
    await until(lambda: loop.time() - began > 0.1)
    assert len(line.calls) - calls <= 5


async def test_a_quiet_watch_that_lasts_is_no_problem_any_more(
    tmp_path: Path, make_line: Any, background: Any, until: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sympozium_core.cluster.reflector.SHORTEST_WATCH", 0.05)
    store = await Store.open(tmp_path / "quiet.db", kinds=[CONFIG_MAP], options=StoreOptions(bookmark_seconds=600))
    line = make_line(store.as_user(User("test")))
    informer = Informer(line, CONFIG_MAP, back_off=QUICK)
    running = background(informer.run())
    await informer.synced.wait()
    line.cut()
    await until(lambda: informer.problem)
    line.mend()
    await until(lambda: not informer.problem)
    running.cancel()
    await asyncio.wait((running,))
    await store.close()


async def test_only_what_the_selector_and_namespace_take(cluster: Any, background: Any, until: Any) -> None:
    informer = Informer(cluster, CONFIG_MAP, "default", labels="app=a")
    changes = Changes(informer)
    background(informer.run())
    await informer.synced.wait()
    await cluster.create(CONFIG_MAP, config("a", "1", labels={"app": "a"}))
    await cluster.create(CONFIG_MAP, config("b", "1", labels={"app": "b"}))
    await until(lambda: len(informer.cache) == 1)
    await cluster.patch(CONFIG_MAP, "default", "a", {"metadata": {"labels": {"app": "b"}}})
    await until(lambda: len(informer.cache) == 0)
    assert [(name, new is None) for name, _, new in changes.seen] == [("a", False), ("a", True)]


async def test_a_handler_that_fails_stops_nobody(cluster: Any, background: Any, until: Any) -> None:
    informer = Informer(cluster, CONFIG_MAP)
    informer.on_change(lambda old, new: 1 / 0)  # type: ignore[arg-type]
    changes = Changes(informer)
    background(informer.run())
    await cluster.create(CONFIG_MAP, config("a"))
    await until(lambda: changes.seen)


async def test_informers_are_shared_and_say_what_is_not_in_step(cluster: Any, line: Any, background: Any) -> None:
    informers = Informers(line)
    first = informers.of(CONFIG_MAP, indexes={"value": lambda obj: [obj["data"]["value"]]})
    assert informers.of(CONFIG_MAP) is first
    assert informers.of(CONFIG_MAP, "default") is not first
    running = background(informers.run())
    await informers.wait_synced(5)
    later = informers.of(SYMPOZIUM_SCHEDULE)
    await informers.wait_synced(5)
    assert later.synced.is_set()
    assert informers.problems() == []
    running.cancel()
    await asyncio.wait((running,))
    cold = Informers(line)
    cold.of(CONFIG_MAP)
    with pytest.raises(Temporary, match="not yet in step with the cluster: configmaps: first list is not done"):
        await cold.wait_synced(0.01)


def test_indexes_follow_the_objects() -> None:
    cache = Cache({"label": lambda obj: obj["metadata"]["labels"].values()})
    cache.put(config("a", labels={"x": "1", "y": "2", "z": "2"}))
    cache.put(config("b", labels={"x": "1"}))

    def names(value: str) -> list[str]:
        return [metadata(obj)["name"] for obj in cache.by_index("label", value)]

    assert (names("1"), names("2"), names("3")) == (["a", "b"], ["a"], [])
    cache.put(config("a", labels={"x": "3"}))
    assert (names("1"), names("2"), names("3")) == (["b"], [], ["a"])
    cache.remove(Key("default", "b"))
    assert cache.index_values("label") == ["3"]
    cache.add_index("value", lambda obj: [obj["data"]["value"]])
    assert len(cache.by_index("value", "")) == 1
    broken = config("c")
    del broken["metadata"]["labels"]
    cache.put(broken)
    assert len(cache) == 2
    with pytest.raises(KeyError):
        cache.by_index("nothing", "")
    with pytest.raises(ValueError, match="index 'value' exists"):
        cache.add_index("value", lambda obj: [])


def test_a_copy_is_ones_own() -> None:
    cache = Cache()
    cache.put(config("a", "1"))
    copied = cache.copy(Key("default", "a"))
    assert copied is not None
    copied["data"]["value"] = "2"
    assert cache.all()[0]["data"]["value"] == "1"
    assert cache.copy(Key("default", "b")) is None
