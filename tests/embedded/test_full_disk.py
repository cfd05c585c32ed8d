"""A disk without room: each write that does not fit fails in words, nothing is half done, and the store goes on when there is room."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import pytest

from sympozium_core.contracts.cluster import Cluster, NotFound, Unavailable
from sympozium_core.embedded.store import Store
from sympozium_core.embedded.transactions import StoreTransactions
from sympozium_core.resources.kinds import AGENT_RUN

LIMITED = """
import asyncio, json, resource, sys
from sympozium_core.contracts.cluster import Unavailable, User
from sympozium_core.embedded.store import Store
from sympozium_core.embedded.transactions import StoreTransactions
from sympozium_core.resources.kinds import AGENT_RUN, ALL

def limit(size):
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))

async def main():
    store = await Store.open(sys.argv[1], kinds=ALL)
    cluster = store.as_user(User("writer"))
    done, failed = [], []

    async def write(name):
        try:
            await cluster.create(AGENT_RUN, {"metadata": {"name": name}, "spec": {"task": "x" * 20000}})
            done.append(name)
        except Unavailable as error:
            failed.append(str(error))

    limit(3_000_000)
    for batch in range(30):
        await asyncio.gather(*(write(f"r{batch}-{n}") for n in range(8)))
    listed = [item["metadata"]["name"] for item in (await cluster.list(AGENT_RUN)).items]
    limit(resource.RLIM_INFINITY)
    await write("after")
    await store.close()
    print(json.dumps({"done": done, "failed": failed, "listed": listed}))

asyncio.run(main())
"""


def test_a_file_that_may_not_grow(tmp_path: Path) -> None:
    finished = subprocess.run(
        [sys.executable, "-c", LIMITED, str(tmp_path / "store.db")], capture_output=True, timeout=50, check=True
    )
    told = json.loads(finished.stdout)
    assert told["failed"]
    assert "free space on the disk" in told["failed"][0]
    assert told["done"][-1] == "after"
    assert sorted(told["listed"]) == sorted(told["done"][:-1])
    read = "import sys, apsw; print(*[r[0] for r in apsw.Connection(sys.argv[1]).execute('SELECT name FROM objects')])"
    names = subprocess.run([sys.executable, "-c", read, str(tmp_path / "store.db")], capture_output=True, text=True, check=True)
    assert set(told["done"]) == set(names.stdout.split()) - {"default", "sympozium-system"}


async def test_a_database_that_is_full(store: Store, cluster: Cluster) -> None:
    """SQLite's own bound on pages stands in for the disk: large writes fail, small ones beside them do not."""
    transactions = store._writer._transactions
    assert isinstance(transactions, StoreTransactions)
    connection = transactions.connection
    pages = connection.pragma("page_count")
    connection.pragma("max_page_count", pages + 20)
    large = {"metadata": {"name": "large"}, "spec": {"task": "x" * 500_000}}
    small = [{"metadata": {"name": f"small{number}"}, "spec": {}} for number in range(3)]
    outcomes = await asyncio.gather(*(cluster.create(AGENT_RUN, obj) for obj in (large, *small)), return_exceptions=True)
    assert isinstance(outcomes[0], Unavailable)
    assert [isinstance(outcome, dict) for outcome in outcomes[1:]] == [True, True, True]
    with pytest.raises(NotFound):
        await cluster.get(AGENT_RUN, "default", "large")
    connection.pragma("max_page_count", 1_000_000)
    assert await cluster.create(AGENT_RUN, large) == await cluster.get(AGENT_RUN, "default", "large")
