"""Part of `sandbox_local.LocalSandboxContract`: the server goes, kindly or not, and comes back."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
from functools import partial
from pathlib import Path

import pytest

from sympozium_core.contracts.sandbox import Sandbox, SandboxContext
from sympozium_core.errors import Temporary
from sympozium_core.testing.sandbox_bench import Bench, agent, eventually, marked, remains

_UP = '>"$ipc/tools/up"; '
_WAIT = "(setsid sleep 300 &); while :; do sleep 0.05; done"
_SERVER = """
import asyncio, importlib, json, sys
from pathlib import Path
from sympozium_core.contracts.sandbox import SandboxContext
from sympozium_core.testing.sandbox_bench import agent

async def main():
    module, name, data_dir, script, *pods = json.loads(sys.argv[1])
    sandbox = getattr(importlib.import_module(module), name)()
    await sandbox.open(SandboxContext(Path(data_dir), "unix:///nowhere/bus.sock", str, lambda pod_id: None))
    for pod_id in pods:
        await sandbox.start(pod_id, agent(script))
    print("started", flush=True)
    await asyncio.sleep(600)

asyncio.run(main())
"""


def _has_begun(pod_id: str) -> bool:
    return marked(pod_id) >= 2


class _Server:
    """A process of its own that opens the driver and starts pods, to be killed."""

    def __init__(self, driver: Sandbox, data_dir: Path, pods: list[str]) -> None:
        arguments = [type(driver).__module__, type(driver).__qualname__, str(data_dir), _UP + _WAIT, *pods]
        self.process = subprocess.Popen(
            [sys.executable, "-c", _SERVER, json.dumps(arguments)], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL
        )

    def started(self) -> None:
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == b"started\n"

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()


class Faults:
    async def test_close_ends_every_pod(self, driver: Sandbox, tmp_path: Path) -> None:
        bench = Bench(driver, tmp_path / "sandbox")
        bench.data_dir.mkdir()
        await driver.open(bench.context())
        pod_id = await bench.start(agent(_UP + _WAIT))
        await bench.file(bench.volume(pod_id) / "tools/up")
        await driver.close()
        assert remains(bench.pod_ids, bench.data_dir) == []
        again = type(driver)()
        await again.open(bench.context())
        try:
            assert await again.pods() == [pod_id]
            assert (await again.observe(pod_id)).state == "ended"
            await again.remove(pod_id)
            assert await again.pods() == []
        finally:
            await again.close()

    async def test_a_killed_server_leaves_no_process(self, driver: Sandbox, tmp_path: Path) -> None:
        bench = Bench(driver, tmp_path / "sandbox")
        bench.data_dir.mkdir()
        pods = [bench.new_id(), bench.new_id()]
        server = _Server(driver, bench.data_dir, pods)
        try:
            await asyncio.to_thread(server.started)
            for pod_id in pods:
                await bench.file(bench.volume(pod_id) / "tools/up")
                # A process that has been forked and does not run its program yet has no environment of its own.
                await eventually(partial(_has_begun, pod_id), f"too few processes of pod {pod_id}")
        finally:
            server.kill()
        await eventually(
            lambda: not remains(pods, bench.data_dir), f"processes live on: {remains(pods, bench.data_dir)}", within=3
        )
        await driver.open(bench.context())
        try:
            assert await driver.pods() == sorted(pods)
            status = await driver.observe(pods[0])
            assert status.state == "ended"
            assert status.containers["agent"].exit_code != 0
            await driver.stop(pods[0], grace=0)
            follower = await bench.start(agent("exit 0"), workspace_of=pods[0])
            await bench.until(follower, lambda status: status.state == "ended")
            for pod_id in (*pods, follower):
                await driver.remove(pod_id)
            assert await driver.pods() == []
        finally:
            await driver.close()

    async def test_an_end_that_was_seen_is_still_known_afterwards(self, driver: Sandbox, tmp_path: Path) -> None:
        bench = Bench(driver, tmp_path / "sandbox")
        bench.data_dir.mkdir()
        await driver.open(bench.context())
        pod_id, _ = await bench.run(agent("echo words >&2; exit 4"))
        await driver.close()
        again = type(driver)()
        await again.open(bench.context())
        try:
            worst = (await again.observe(pod_id)).worst()
            assert worst is not None
            assert (worst.exit_code, worst.message) == (4, "words\n")
            await again.remove(pod_id)
        finally:
            await again.close()

    async def test_processes_that_an_earlier_server_left_are_ended(self, driver: Sandbox, tmp_path: Path) -> None:
        bench = Bench(driver, tmp_path / "sandbox")
        bench.data_dir.mkdir()
        pod_id = bench.new_id()
        bench.folder(pod_id).mkdir()
        left = subprocess.Popen(["sleep", "300"], env={**os.environ, "SYMPOZIUM_POD": pod_id})  # noqa: ASYNC220 - a sleep, at once
        try:
            await driver.open(bench.context())
            assert left.wait(5) == -signal.SIGKILL
            assert await driver.pods() == [pod_id]
            await driver.remove(pod_id)
            assert await driver.pods() == []
        finally:
            left.kill()
            left.wait()
            await driver.close()

    async def test_changes_are_told_from_the_loops_thread(self, driver: Sandbox, tmp_path: Path) -> None:
        threads = set()
        ended = asyncio.Event()

        def changed(pod_id: str) -> None:
            threads.add(threading.get_ident())
            ended.set()

        await driver.open(SandboxContext(tmp_path / "sandbox", "unix:///nowhere/bus.sock", str, changed))
        try:
            pod_id = Bench(driver, tmp_path).new_id()
            await driver.start(pod_id, agent("exit 0"))
            while (await driver.observe(pod_id)).state != "ended":
                ended.clear()
                await asyncio.wait_for(ended.wait(), 10)
            await driver.remove(pod_id)
        finally:
            await driver.close()
        assert threads == {threading.get_ident()}

    async def test_a_closed_driver_says_so(self, driver: Sandbox) -> None:
        with pytest.raises(Temporary):
            await driver.start("pod-a", agent("exit 0"))
        await driver.close()
