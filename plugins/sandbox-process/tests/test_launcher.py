"""The launcher: killed, flooded, out of room."""

from __future__ import annotations

import asyncio
import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest
from sympozium_sandbox_process.driver import ProcessSandbox
from sympozium_sandbox_process.logs import FILE_BYTES

from sympozium_core.contracts.plan import PodPlan, Resources
from sympozium_core.errors import Permanent, Temporary
from sympozium_core.testing.sandbox_bench import Bench, agent, container, eventually, marked, shell

_LIVE = '(setsid sleep 300 &); >"$ipc/tools/up"; while :; do sleep 0.05; done'


def launcher_of(bench: Bench) -> int:
    """By its parent and command line, as an administrator would find it."""
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            parent = int(Path("/proc", name, "stat").read_bytes().rpartition(b")")[2].split()[1])
            command = Path("/proc", name, "cmdline").read_bytes()
        except OSError:
            continue
        if parent == os.getpid() and b"sympozium_sandbox_process.launcher" in command:
            return int(name)
    raise AssertionError("no launcher")


async def test_a_killed_launcher_takes_its_pods_along_and_is_replaced(bench: Bench) -> None:
    pods = [await bench.start(agent(_LIVE)) for _ in range(2)]
    for pod_id in pods:
        await bench.file(bench.volume(pod_id) / "tools/up")
    ended, _ = await bench.run(agent("exit 3"))
    os.kill(launcher_of(bench), signal.SIGKILL)
    for pod_id in pods:
        status = await bench.until(pod_id, lambda status: status.state == "ended")
        assert status.containers["agent"].exit_code == -9
        assert "launcher" in status.containers["agent"].message
        await eventually(lambda pod_id=pod_id: marked(pod_id) == 0, "processes live on")  # type: ignore[misc]
    assert (await bench.sandbox.observe(ended)).containers["agent"].exit_code == 3
    _, status = await bench.run(agent("exit 4"))
    assert status.containers["agent"].exit_code == 4
    await bench.sandbox.start(pods[0], agent("exit 0"))
    assert (await bench.sandbox.observe(pods[0])).containers["agent"].exit_code == -9


async def test_a_stop_during_which_the_launcher_is_killed_comes_to_an_end(bench: Bench) -> None:
    pod_id = await bench.start(agent(f"trap '' TERM; {_LIVE}"))
    await bench.file(bench.volume(pod_id) / "tools/up")
    stopping = asyncio.create_task(bench.sandbox.stop(pod_id, grace=60))
    await asyncio.sleep(0.02)
    os.kill(launcher_of(bench), signal.SIGKILL)
    await asyncio.wait_for(stopping, 10)
    assert (await bench.sandbox.observe(pod_id)).state == "ended"
    assert marked(pod_id) == 0


async def test_calls_while_the_launcher_is_replaced_share_the_new_one(bench: Bench) -> None:
    await bench.run(agent("exit 0"))
    os.kill(launcher_of(bench), signal.SIGKILL)

    async def persist() -> None:
        while True:
            try:
                await bench.run(agent("exit 0"))
            except Temporary:
                continue
            return

    await asyncio.gather(*(persist() for _ in range(5)))
    launcher_of(bench)


async def test_output_is_kept_within_bounds(bench: Bench) -> None:
    script = "head -c 3500000 /dev/zero | tr '\\0' 'x'; echo; echo end; echo error >&2"
    pod_id, status = await bench.run(agent(script))
    logs = sorted((bench.folder(pod_id) / "logs").iterdir())
    assert [path.name for path in logs] == ["agent.log", "agent.log.1"]
    assert all(path.stat().st_size < FILE_BYTES + 70_000 for path in logs)
    assert {"end", "error"} <= set(logs[0].read_text().split())
    assert status.containers["agent"].message == "error\n"


async def test_a_flood_of_output_slows_its_own_container_alone(bench: Bench) -> None:
    flood = await bench.start(agent("exec yes"))
    for _ in range(5):
        _, status = await bench.run(agent("exit 0"))
        assert status.worst() is None
    await bench.sandbox.remove(flood)


async def test_a_missing_program_is_named(bench: Bench) -> None:
    plan = PodPlan((container("skill-one", shell("sleep 60")), container("agent", ("/no/such/program",))))
    with pytest.raises(Permanent, match="cannot start /no/such/program: No such file"):
        await bench.start(plan)
    assert marked(bench.pod_ids[-1]) == 0
    assert await bench.sandbox.pods() == []
    await bench.sandbox.start(bench.pod_ids[-1], agent("exit 0"))
    await bench.until(bench.pod_ids[-1], lambda status: status.state == "ended")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a disk of a known size")
async def test_a_full_disk_is_temporary_and_says_what_to_do(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    await _run("mount", "-t", "tmpfs", "-o", "size=128k", "none", str(disk))
    bench = Bench(ProcessSandbox(), disk / "sandbox")
    try:
        await bench.sandbox.open(bench.context())
        filler = disk / "filler"
        with pytest.raises(OSError, match="No space"):
            filler.write_bytes(b"x" * 300_000)
        with pytest.raises(Temporary, match="No space left") as caught:
            await bench.start(agent("exit 0"))
        assert "free space" in caught.value.hint
        filler.unlink()
        _, status = await bench.run(agent("exit 0"))
        assert status.worst() is None
    finally:
        for pod_id in await bench.sandbox.pods():
            await bench.sandbox.remove(pod_id)
        await bench.sandbox.close()
        await _run("umount", str(disk))


async def _run(*command: str) -> None:
    process = await asyncio.create_subprocess_exec(*command)
    assert await process.wait() == 0


async def test_limits_are_those_of_the_plan(bench: Bench) -> None:
    bounds = Resources(memory=300 * 1024 * 1024, file_size=5_000_000, processes=10)
    command = (
        "python3",
        "-S",
        "-c",
        "import resource as r, sys; sys.stderr.write(repr([r.getrlimit(x)[1] for x in (2, 1, 4)]))",
    )
    plan = PodPlan((replace(container("agent", command, resources=bounds)),))
    _, status = await bench.run(plan)
    assert status.containers["agent"].message == repr([300 * 1024 * 1024, 5_000_000, 0])
