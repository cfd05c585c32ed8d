"""Part of `sandbox.SandboxContract`: how a pod is stopped and removed, and that none of its processes is left."""

from __future__ import annotations

import asyncio
import os
import time
import uuid
from pathlib import Path

from sympozium_core.contracts.plan import PodPlan
from sympozium_core.testing.sandbox_bench import UP, Bench, agent, container, eventually, marked, shell, sign

_WAIT = "while :; do sleep 0.05; done"
_DAEMON = """
import os, sys, time
if os.fork():
    time.sleep(float(sys.argv[1]))
    os._exit(0)
os.setsid()
if os.fork():
    os._exit(0)
os.execve("/bin/sh", ["sh", "-c", "sleep 300; : " + sys.argv[2]], {})
"""
"""Leaves its parent, its session and its environment, as a process does that means to stay."""


def _daemon(seconds: float, mark: str) -> tuple[str, ...]:
    return ("python3", "-S", "-c", _DAEMON, str(seconds), mark)


class Ends:
    async def test_stop_asks_first(self, bench: Bench) -> None:
        pod_id = await bench.start(agent(f"trap 'echo bye >&2; exit 5' TERM; {UP}{_WAIT}", sign()))
        await bench.up(pod_id)
        begun = time.monotonic()
        await bench.sandbox.stop(pod_id, grace=30)
        assert time.monotonic() - begun < 20
        status = await bench.sandbox.observe(pod_id)
        assert (status.state, status.containers["agent"].exit_code) == ("ended", 5)
        assert status.containers["agent"].message == "bye\n"
        assert not status.lost
        assert marked(pod_id) == 0

    async def test_stop_kills_what_does_not_listen(self, bench: Bench) -> None:
        pod_id = await bench.start(agent(f"trap '' TERM; {UP}{_WAIT}", sign()))
        await bench.up(pod_id)
        begun = time.monotonic()
        await bench.sandbox.stop(pod_id, grace=0.3)
        assert 0.25 < time.monotonic() - begun < bench.haste
        status = await bench.sandbox.observe(pod_id)
        assert (status.state, status.containers["agent"].exit_code) == ("ended", -9)
        assert not status.containers["agent"].out_of_memory
        assert not status.lost
        assert marked(pod_id) == 0

    async def test_the_bridge_is_asked_after_the_others(self, bench: Bench) -> None:
        last = '[ -e "$SYMPOZIUM_VOLUMES/agent/gone" ] && exit 42; exit 41'
        bridge = container("bridge", shell(f"trap '{last}' TERM; >\"$SYMPOZIUM_VOLUMES/agent/bridge-up\"; {_WAIT}"))
        wait = 'until [ -e "$ipc/bridge-up" ]; do sleep 0.05; done; '
        other = container("agent", shell(f"trap 'sleep 0.3; >\"$ipc/gone\"; exit 0' TERM; {wait}{UP}{_WAIT}"))
        pod_id = await bench.start(PodPlan((bridge, other, sign())))
        await bench.up(pod_id)
        await bench.sandbox.stop(pod_id, grace=30)
        assert (await bench.sandbox.observe(pod_id)).containers["bridge"].exit_code == 42

    async def test_a_removal_does_not_wait_for_a_grace(self, bench: Bench) -> None:
        pod_id = await bench.start(agent(f"trap '' TERM; {UP}{_WAIT}", sign()))
        await bench.up(pod_id)
        begun = time.monotonic()
        stopping = asyncio.create_task(bench.sandbox.stop(pod_id, grace=60))
        await asyncio.sleep(0)
        await bench.sandbox.remove(pod_id)
        await stopping
        assert time.monotonic() - begun < 20
        assert (await bench.sandbox.observe(pod_id)).state == "absent"

    async def test_a_detached_process_ends_with_its_container(self, bench: Bench) -> None:
        mark = uuid.uuid4().hex
        pod_id = await bench.start(PodPlan((container("agent", _daemon(1, mark)),)))
        await eventually(lambda: _left(mark), "the detached process does not come up", within=bench.patience)
        status = await bench.until(pod_id, lambda status: status.state == "ended")
        assert status.containers["agent"].exit_code == 0
        assert not _left(mark)

    async def test_a_detached_process_ends_with_a_stop(self, bench: Bench) -> None:
        mark = uuid.uuid4().hex
        pod_id = await bench.start(PodPlan((container("agent", _daemon(60, mark)),)))
        await eventually(lambda: _left(mark), "the detached process does not come up", within=bench.patience)
        await bench.sandbox.stop(pod_id, grace=0)
        assert not _left(mark)

    async def test_removed_is_gone(self, bench: Bench) -> None:
        pod_id = await bench.start(agent(f"{UP}{_WAIT}", sign()))
        await bench.up(pod_id)
        assert marked(pod_id) > 0
        await bench.sandbox.remove(pod_id)
        assert (await bench.sandbox.observe(pod_id)).state == "absent"
        assert await bench.pods() == []
        await eventually(lambda: marked(pod_id) == 0, "its processes live on", within=bench.haste)
        await bench.sandbox.remove(pod_id)


def _left(mark: str) -> bool:
    """Whether the process that `_DAEMON` leaves is there: it carries no marker, so only its command line tells."""
    wanted = f"sh\0-c\0sleep 300; : {mark}\0".encode()
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            if Path("/proc", name, "cmdline").read_bytes() == wanted:
                return True
        except OSError:
            continue
    return False
