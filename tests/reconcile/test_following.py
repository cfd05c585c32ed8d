"""What a plugin follows: all that there is when it begins, every change after that, nothing of other labels, and a reason when it cannot begin."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from sympozium_core.contracts.builtin_kinds import CONFIG_MAP
from sympozium_core.contracts.cluster import Forbidden
from sympozium_core.errors import Temporary
from sympozium_core.reconcile.following import follower


class Told:
    def __init__(self) -> None:
        self.seen: list[tuple[str | None, str | None]] = []

    def __call__(self, old: Mapping[str, Any] | None, new: Mapping[str, Any] | None) -> None:
        self.seen.append((old["data"]["value"] if old else None, new["data"]["value"] if new else None))


def config(name: str, value: str, mine: str = "yes", namespace: str = "default") -> dict[str, Any]:
    meta = {"name": name, "namespace": namespace, "labels": {"mine": mine}}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {"value": value}}


async def test_tells_of_what_is_there_and_of_every_change(cluster: Any, until: Any) -> None:
    await cluster.create(CONFIG_MAP, config("one", "1"))
    await cluster.create(CONFIG_MAP, config("not-mine", "0", mine="no"))
    told = Told()
    async with follower(cluster)(CONFIG_MAP, told, labels="mine=yes"):
        assert told.seen == [(None, "1")]
        await cluster.create(CONFIG_MAP, config("two", "2", namespace="elsewhere"))
        await cluster.patch(CONFIG_MAP, "default", "one", {"data": {"value": "3"}})
        await cluster.delete(CONFIG_MAP, "default", "one")
        await until(lambda: len(told.seen) == 4)
    assert told.seen[1:] == [(None, "2"), ("1", "3"), ("3", None)]
    await cluster.create(CONFIG_MAP, config("three", "4"))
    assert len(told.seen) == 4


async def test_goes_on_after_a_cut(cluster: Any, line: Any, until: Any) -> None:
    await cluster.create(CONFIG_MAP, config("one", "1"))
    told = Told()
    async with follower(line)(CONFIG_MAP, told):
        line.cut()
        await cluster.delete(CONFIG_MAP, "default", "one")
        line.mend()
        await until(lambda: len(told.seen) == 2)
    assert told.seen == [(None, "1"), ("1", None)]


async def test_says_why_it_cannot_begin(line: Any) -> None:
    line.cut(Forbidden("configmaps is forbidden"))
    with pytest.raises(Temporary, match="cannot follow configmaps: configmaps is forbidden"):
        async with follower(line, first_list=0.2)(CONFIG_MAP, Told()):
            pytest.fail("it began")
