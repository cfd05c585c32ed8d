"""Part of `sandbox.SandboxContract`: how a pod is stopped and removed, and that nothing of it is left."""

from __future__ import annotations

import asyncio
import os
import time
import uuid
from pathlib import Path

from sympozium_core.contracts.plan import PodPlan
from sympozium_core.testing.sandbox_bench import Bench, agent, container, eventually, marked, shell

_UP = 'echo up >"$ipc/tools/.up" && mv "$ipc/tools/.up" "$ipc/tools/up"; '
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


def _daemon(seconds: float, sign: str) -> tuple[str, ...]:
    return ("python3", "-S", "-c", _DAEMON, str(seconds), sign)


class Ends:
    async def test_stop_asks_first(self, bench: Bench) -> None:
        script = f"trap 'echo bye >\"$workspace/bye\"; exit 5' TERM; {_UP}{_WAIT}"
        pod_id = await bench.start(agent(script))
        await bench.file(bench.volume(pod_id) / "tools/up")
        begun = time.monotonic()
        await bench.sandbox.stop(pod_id, grace=10)
        assert time.monotonic() - begun < 8
        status = await bench.sandbox.observe(pod_id)
        assert (status.state, status.containers["agent"].exit_code) == ("ended", 5)
        assert (bench.workspace(pod_id) / "bye").read_text() == "bye\n"
        assert marked(pod_id) == 0

    async def test_stop_kills_what_does_not_listen(self, bench: Bench) -> None:
        pod_id = await bench.start(agent(f"trap '' TERM; {_UP}{_WAIT}"))
        await bench.file(bench.volume(pod_id) / "tools/up")
        begun = time.monotonic()
        await bench.sandbox.stop(pod_id, grace=0.3)
        assert 0.25 < time.monotonic() - begun < 5
        status = await bench.sandbox.observe(pod_id)
        assert (status.state, status.containers["agent"].exit_code) == ("ended", -9)
        assert not status.containers["agent"].out_of_memory
        assert marked(pod_id) == 0

    async def test_the_bridge_is_asked_after_the_others(self, bench: Bench) -> None:
        note = 'date +%s%N >"$SYMPOZIUM_VOLUMES/agent/output/bridge"; exit 0'
        up = '>"$SYMPOZIUM_VOLUMES/agent/input/up"; '
        bridge = container("bridge", shell(f"trap '{note}' TERM; {up}{_WAIT}"))
        other = container("agent", shell(f"trap 'sleep 0.3; date +%s%N >\"$ipc/output/agent\"; exit 0' TERM; {_UP}{_WAIT}"))
        pod_id = await bench.start(PodPlan((bridge, other)))
        await bench.file(bench.volume(pod_id) / "tools/up")
        await bench.file(bench.volume(pod_id) / "input/up")
        await bench.sandbox.stop(pod_id, grace=10)
        output = bench.volume(pod_id) / "output"
        assert int((output / "agent").read_text()) < int((output / "bridge").read_text())

    async def test_a_removal_does_not_wait_for_a_grace(self, bench: Bench) -> None:
        pod_id = await bench.start(agent(f"trap '' TERM; {_UP}{_WAIT}"))
        await bench.file(bench.volume(pod_id) / "tools/up")
        begun = time.monotonic()
        stopping = asyncio.create_task(bench.sandbox.stop(pod_id, grace=60))
        await asyncio.sleep(0)
        await bench.sandbox.remove(pod_id)
        await stopping
        assert time.monotonic() - begun < 10
        assert (await bench.sandbox.observe(pod_id)).state == "absent"

    async def test_a_detached_process_ends_with_its_container(self, bench: Bench) -> None:
        sign = uuid.uuid4().hex
        pod_id = await bench.start(PodPlan((container("agent", _daemon(0.3, sign)),)))
        await eventually(lambda: _left(sign), "the detached process does not come up")
        status = await bench.until(pod_id, lambda status: status.state == "ended")
        assert status.containers["agent"].exit_code == 0
        assert not _left(sign)

    async def test_a_detached_process_ends_with_a_stop(self, bench: Bench) -> None:
        sign = uuid.uuid4().hex
        pod_id = await bench.start(PodPlan((container("agent", _daemon(60, sign)),)))
        await eventually(lambda: _left(sign), "the detached process does not come up")
        await bench.sandbox.stop(pod_id, grace=0)
        assert not _left(sign)

    async def test_one_containers_end_spares_the_others(self, bench: Bench) -> None:
        script = f"(setsid sh -c '{_WAIT}' &) ; {_UP}{_WAIT}"
        pod_id = await bench.start(agent("sleep 0.2", container("skill-one", shell(script))))
        await bench.until(pod_id, lambda status: status.containers["agent"].state == "ended")
        assert (await bench.sandbox.observe(pod_id)).containers["skill-one"].state == "running"
        assert marked(pod_id) >= 2

    async def test_removed_is_gone(self, bench: Bench) -> None:
        pod_id = await bench.start(agent(f"{_UP}{_WAIT}"))
        await bench.file(bench.volume(pod_id) / "tools/up")
        await bench.sandbox.remove(pod_id)
        assert marked(pod_id) == 0
        assert not bench.folder(pod_id).exists()
        assert (await bench.sandbox.observe(pod_id)).state == "absent"
        await bench.sandbox.remove(pod_id)

    async def test_a_workspace_goes_on_in_the_next_pod(self, bench: Bench) -> None:
        first, _ = await bench.run(agent('mkdir "$workspace/d"; echo kept >"$workspace/d/file"'))
        await bench.sandbox.remove(first, keep_workspace=True)
        assert await bench.sandbox.pods() == [first]
        second = await bench.start(agent('cat "$workspace/d/file" >"$workspace/seen"'), workspace_of=first)
        await bench.until(second, lambda status: status.state == "ended")
        assert (bench.workspace(second) / "seen").read_text() == "kept\n"
        await bench.sandbox.remove(second)
        await bench.sandbox.remove(first)
        assert await bench.sandbox.pods() == []

    async def test_a_workspace_is_taken_from_a_pod_that_runs(self, bench: Bench) -> None:
        first = await bench.start(agent(f'echo kept >"$workspace/file"; {_UP}{_WAIT}'))
        await bench.file(bench.volume(first) / "tools/up")
        second = await bench.start(agent('cat "$workspace/file"'), workspace_of=first)
        status = await bench.until(second, lambda status: status.state == "ended")
        assert status.worst() is None
        assert marked(first) == 0
        assert (await bench.sandbox.observe(first)).state == "ended"

    async def test_an_earlier_pod_without_a_workspace_gives_an_empty_one(self, bench: Bench) -> None:
        pod_id = await bench.start(agent('[ -z "$(ls -A "$workspace")" ]'), workspace_of=bench.new_id())
        status = await bench.until(pod_id, lambda status: status.state == "ended")
        assert status.worst() is None

    async def test_a_hostile_tree_is_removed_and_nothing_else(self, bench: Bench, tmp_path: Path) -> None:
        outside = tmp_path / "outside"
        outside.mkdir()
        (outside / "precious").write_text("stays")
        make = "import os\nfor _ in range(1500):\n os.mkdir('deep-folder'); os.chdir('deep-folder')"
        script = f"""cd "$workspace"; python3 -S -c "{make}"; mkdir locked; >locked/file; mkfifo pipe
            ln -s {outside} link; ln -s {outside} locked/link; ln -s / root; chmod 0 locked; chmod 0 "$ipc/output"; exit 0"""
        pod_id, status = await bench.run(agent(script))
        assert status.worst() is None
        await bench.sandbox.remove(pod_id)
        assert not bench.folder(pod_id).exists()
        assert (outside / "precious").read_text() == "stays"


def _left(sign: str) -> bool:
    """Whether the process that `_DAEMON` leaves is there: it carries no marker, so only its command line tells."""
    wanted = f"sh\0-c\0sleep 300; : {sign}\0".encode()
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            if Path("/proc", name, "cmdline").read_bytes() == wanted:
                return True
        except OSError:
            continue
    return False
