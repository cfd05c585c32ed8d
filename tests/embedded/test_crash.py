"""A store whose process is killed at any moment: what was acknowledged is there, and log and objects tell the same."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import threading
from pathlib import Path

import apsw

from sympozium_core.contracts.cluster import User
from sympozium_core.embedded.store import Store
from sympozium_core.resources.kinds import AGENT_RUN, ALL

ROUNDS = 12

WRITE = """
import asyncio, sys
from sympozium_core.contracts.cluster import User
from sympozium_core.embedded.store import Store, StoreOptions
from sympozium_core.resources.kinds import AGENT_RUN, ALL

async def write(cluster, prefix):
    number = 0
    while True:
        name = f"{prefix}-{number}"
        made = await cluster.create(AGENT_RUN, {"metadata": {"name": name}, "spec": {"task": "x" * 500}})
        print("create", name, made["metadata"]["uid"], flush=True)
        if number % 3 == 1:
            await cluster.patch(AGENT_RUN, "default", name, {"spec": {"changed": True}})
            print("change", name, made["metadata"]["uid"], flush=True)
        if number % 3 == 2:
            await cluster.delete(AGENT_RUN, "default", name)
            print("delete", name, made["metadata"]["uid"], flush=True)
        number += 1

async def main():
    store = await Store.open(sys.argv[1], kinds=ALL, options=StoreOptions(log_window=1000))
    cluster = store.as_user(User("writer"))
    await asyncio.gather(*(write(cluster, f"{sys.argv[2]}-{writer}") for writer in range(8)))

asyncio.run(main())
"""


def killed_writer(path: Path, round: int, lines: int) -> list[list[str]]:
    """What a writer acknowledged before it was killed, `lines` acknowledgements after its start."""
    process = subprocess.Popen(
        [sys.executable, "-c", WRITE, str(path), f"round{round}"], stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    assert process.stdout is not None
    deadline = threading.Timer(30, process.kill)
    deadline.start()
    heard = []
    with process.stdout:
        for line in process.stdout:
            heard.append(line)
            if len(heard) == lines:
                process.send_signal(signal.SIGKILL)
    deadline.cancel()
    assert process.wait() == -signal.SIGKILL
    assert len(heard) >= lines
    return [line.split() for line in heard if line.endswith("\n")]


def check_file(path: Path) -> None:
    """The database is sound, and replaying the log gives exactly the objects."""
    connection = apsw.Connection(str(path))
    assert connection.pragma("integrity_check") == "ok"
    newest = connection.execute(
        "SELECT change, resource, namespace, name, data FROM revisions r WHERE number ="
        " (SELECT max(number) FROM revisions s WHERE s.resource = r.resource AND s.namespace = r.namespace AND s.name = r.name)"
    ).fetchall()
    stored = {tuple(row[:3]): row[3] for row in connection.execute("SELECT resource, namespace, name, data FROM objects")}
    for change, *key, data in newest:
        assert stored.get(tuple(key)) == (None if change == "DELETED" else data)
    for data in stored.values():
        assert json.loads(data)["metadata"]["uid"]
    connection.close()


async def test_nothing_acknowledged_is_lost(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    chance = random.Random(7)
    expected: dict[str, tuple[str, str]] = {}
    for round in range(ROUNDS):
        for what, name, uid in killed_writer(path, round, chance.randint(1, 400)):
            expected[name] = (what, uid)
        check_file(path)
    store = await Store.open(path, kinds=ALL)
    found = {item["metadata"]["name"]: item for item in (await store.as_user(User("reader")).list(AGENT_RUN)).items}
    for name, (what, uid) in expected.items():
        if what == "delete":
            assert name not in found
        elif name in found:
            assert found[name]["metadata"]["uid"] == uid
            assert what == "create" or found[name]["spec"]["changed"] is True
        else:
            # every third is deleted right after its creation: that write may have come through unacknowledged
            assert what == "create"
            assert int(name.rsplit("-", 1)[1]) % 3 == 2
    assert len(expected) > ROUNDS
    await store.close()
