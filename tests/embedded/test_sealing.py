"""Secrets at rest: not in the clear in any file, bound to their object, and lost in words when the key is."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import apsw
import pytest

from sympozium_core.contracts.builtin_kinds import SECRET
from sympozium_core.contracts.cluster import ApiError, Cluster, Invalid, Unavailable, User
from sympozium_core.embedded.store import Store
from sympozium_core.resources.kinds import AGENT_RUN, ALL

VALUE = "sk-very-secret-8d2f71c4"
ME = User("local:tester")


def secret(name: str, value: str = VALUE, **more: Any) -> dict[str, Any]:
    return {"metadata": {"name": name, **more}, "stringData": {"apiKey": value}}


def files_hold(folder: Path, text: str) -> list[str]:
    forms = [text.encode(), base64.b64encode(text.encode()).rstrip(b"=")[:-2]]
    return [file.name for file in folder.iterdir() if any(form in file.read_bytes() for form in forms)]


async def test_no_file_holds_a_value(store: Store, cluster: Cluster, tmp_path: Path) -> None:
    applied = json.dumps({"stringData": {"apiKey": VALUE}})
    await cluster.create(SECRET, secret("one", annotations={"kubectl.kubernetes.io/last-applied-configuration": applied}))
    await cluster.patch(SECRET, "default", "one", {"stringData": {"other": VALUE + "2"}})
    await cluster.delete(SECRET, "default", "one")
    await cluster.create(AGENT_RUN, {"metadata": {"name": "marker-of-this-test"}})
    assert files_hold(tmp_path, "marker-of-this-test"), "the search itself must find what is in the clear"
    assert files_hold(tmp_path, VALUE) == []
    await store.close()
    assert files_hold(tmp_path, VALUE) == []


async def test_readers_get_it_in_the_clear(store: Store, cluster: Cluster, tmp_path: Path) -> None:
    created = await cluster.create(SECRET, secret("one", annotations={"a": "b"}, labels={"c": "d"}))
    assert base64.b64decode(created["data"]["apiKey"]).decode() == VALUE
    assert "sealed" not in created
    assert await cluster.get(SECRET, "default", "one") == created
    assert (await cluster.list(SECRET, labels="c=d", fields="type=Opaque")).items == [created]
    events: Any = cluster.watch(SECRET, resource_version="1")
    assert (await anext(events)).object == created
    await events.aclose()
    await store.close()
    again = await Store.open(tmp_path / "store.db", kinds=ALL)
    assert await again.as_user(ME).get(SECRET, "default", "one") == created
    await again.close()


async def test_the_key_is_nobody_elses(cluster: Cluster, tmp_path: Path) -> None:
    key = tmp_path / "store.key"
    assert not key.exists()
    await cluster.create(SECRET, secret("one"))
    assert key.stat().st_mode & 0o777 == 0o600
    assert len(key.read_bytes()) == 32


async def test_a_value_cannot_be_moved_to_another_object(store: Store, cluster: Cluster, tmp_path: Path) -> None:
    await cluster.create(SECRET, secret("mine"))
    await cluster.create(SECRET, secret("yours", "other"))
    await store.close()
    connection = apsw.Connection(str(tmp_path / "store.db"))
    rows = dict(connection.execute("SELECT name, data FROM objects WHERE resource = 'secrets'"))
    mine, yours = json.loads(rows["mine"]), json.loads(rows["yours"])
    yours["sealed"] = mine["sealed"]
    connection.execute("UPDATE objects SET data = ? WHERE name = 'yours'", (json.dumps(yours).encode(),))
    connection.close()
    again = await Store.open(tmp_path / "store.db", kinds=ALL)
    with pytest.raises(ApiError, match="cannot be opened") as refused:
        await again.as_user(ME).get(SECRET, "default", "yours")
    assert VALUE not in str(refused.value)
    assert await again.as_user(ME).get(SECRET, "default", "mine")
    await again.close()


@pytest.mark.parametrize("loss", ["missing", "another", "cut"])
async def test_without_the_key_it_says_so(store: Store, cluster: Cluster, tmp_path: Path, loss: str) -> None:
    await cluster.create(SECRET, secret("one"))
    await store.close()
    key = tmp_path / "store.key"
    if loss == "missing":
        key.unlink()
    else:
        key.write_bytes(b"x" * (32 if loss == "another" else 5))
    again = await Store.open(tmp_path / "store.db", kinds=ALL)
    with pytest.raises(ApiError, match=r"store\.key"):
        await again.as_user(ME).get(SECRET, "default", "one")
    if loss == "missing":  # a new key beside old Secrets would bury them
        with pytest.raises(Unavailable):
            await again.as_user(ME).create(SECRET, secret("two"))
        assert not key.exists()
    assert await again.as_user(ME).create(AGENT_RUN, {"metadata": {"name": "run"}})
    await again.close()


async def test_an_immutable_secret_stays(cluster: Cluster) -> None:
    await cluster.create(SECRET, {**secret("one"), "immutable": True})
    with pytest.raises(Invalid, match="immutable"):
        await cluster.patch(SECRET, "default", "one", {"stringData": {"apiKey": "other"}})
    await cluster.patch(SECRET, "default", "one", {"metadata": {"labels": {"a": "b"}}})


@pytest.mark.parametrize("data", [{"a/b": "eA=="}, {"a": 1}, {"a": "x"}, ["x"], {"a": "eA==" * 400_000}])
async def test_faults_are_told_without_values(cluster: Cluster, data: Any) -> None:
    with pytest.raises(ApiError) as refused:
        await cluster.create(SECRET, {"metadata": {"name": "one"}, "data": data})
    assert refused.value.code in (400, 413, 422)
    assert "eA==" not in str(refused.value)


def test_the_library_is_loaded_with_the_first_secret() -> None:
    program = """
import asyncio, sys, tempfile
from sympozium_core.contracts.cluster import User
from sympozium_core.embedded.store import Store
from sympozium_core.contracts.builtin_kinds import SECRET
from sympozium_core.resources.kinds import AGENT_RUN, ALL
async def main():
    with tempfile.TemporaryDirectory() as folder:
        store = await Store.open(folder + "/store.db", kinds=ALL)
        cluster = store.as_user(User("x"))
        await cluster.create(AGENT_RUN, {"metadata": {"name": "run"}})
        before = "cryptography" in sys.modules
        await cluster.create(SECRET, {"metadata": {"name": "s"}, "stringData": {"a": "b"}})
        print(before, "cryptography" in sys.modules)
        await store.close()
asyncio.run(main())
"""
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert told.stdout.split() == ["False", "True"]
