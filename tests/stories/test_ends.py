"""How runs end before they are done, and what stays of those that have ended."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from sympozium_core.processes.embedded import serve_embedded
from sympozium_core.resources import kinds
from sympozium_core.settings import EmbeddedSettings
from sympozium_core.testing import leftovers
from sympozium_core.testing.conversations import command, turns
from sympozium_core.testing.embedded import OpenPlane, Plane, furnish, phase_of, status_of
from sympozium_core.testing.servers.openai import OpenAIServer
from sympozium_core.testing.servers.script import Answer, Conversation, Fault, Script

LONG = "echo begun > begun; sleep 60"


async def until_begun(plane: Plane, run: dict[str, object]) -> dict[str, object]:
    """The run while its command sleeps."""
    await plane.entry(run, "tool.requested")
    now = await plane.now(run)
    await leftovers.wait_for((leftovers.folder_of(now, plane.data_dir) / "workspace/begun").exists, "the command has begun")
    return now


@pytest.mark.parametrize("sandbox", ["process", "bubblewrap"])
async def test_cancel_while_a_tool_runs(plane: Plane, model: OpenAIServer, data_dir: Path) -> None:
    model.script = turns(Answer("", (command(LONG, timeout=100),)), Answer("never"))
    run = await plane.run("sleep")
    await until_begun(plane, run)
    await plane.cancel(run)
    ended = await plane.ended(run, within=12)
    assert phase_of(ended) == "Cancelled"
    assert status_of(ended)["reason"] == "Cancelled"
    assert "cancelled" in status_of(ended)["message"]
    assert len(await plane.journal(run, "ended")) == 1
    await leftovers.gone(ended, data_dir)


async def test_cancel_before_it_runs(open_plane: OpenPlane, model: OpenAIServer) -> None:
    model.script = turns(Answer("slow", delay=0.05, fault=Fault("silence")))
    async with open_plane(max_concurrent_runs=1) as plane:
        await furnish(plane, model)
        first = await plane.run("first")
        await plane.phase(first, "Running")
        second = await plane.run("second")
        third = await plane.run("third")
        await plane.until(third, lambda now: status_of(now).get("queuePosition") == 2)
        await plane.cancel(second)
        ended = await plane.ended(second)
        assert phase_of(ended) == "Cancelled"
        assert "pod" not in status_of(ended)
        # Whoever waited behind it moves up at once.
        await plane.until(third, lambda now: status_of(now).get("queuePosition") == 1, within=5)


@pytest.mark.parametrize("what", ["model", "tool"])
async def test_timeout(plane: Plane, model: OpenAIServer, data_dir: Path, what: str) -> None:
    if what == "model":
        model.script = turns(Answer("never", fault=Fault("silence")))
    else:
        model.script = turns(Answer("", (command(LONG, timeout=100),)), Answer("never"))
    began = time.monotonic()
    run = await plane.run("wait", timeout="2s")
    ended = await plane.ended(run)
    assert (phase_of(ended), status_of(ended)["reason"]) == ("Failed", "Timeout"), status_of(ended)
    assert 2 <= time.monotonic() - began < 15
    await leftovers.gone(ended, data_dir)


@pytest.mark.parametrize("sandbox", ["process", "bubblewrap"])
async def test_deletion_while_it_runs(plane: Plane, model: OpenAIServer, data_dir: Path) -> None:
    model.script = turns(Answer("", (command(LONG, timeout=100),)), Answer("never"))
    run = await plane.run("sleep")
    now = await until_begun(plane, run)

    async def follow() -> list[str]:
        return [found["entry"]["type"] async for found in plane.follow(run)]

    async with asyncio.timeout(20):
        following = asyncio.create_task(follow())
        await plane.delete(run)
        await plane.deleted(run, within=12)
        await leftovers.gone(now, data_dir)
        # Whoever followed the journal is not left hanging.
        assert "cancel" in await following
    assert not await plane.events(run, "Succeeded")


async def test_a_kept_pod_can_be_looked_at(plane: Plane, model: OpenAIServer, data_dir: Path) -> None:
    model.script = turns(Answer("", (command("echo evidence > evidence.txt"),)), Answer("done"))
    run = await plane.run("leave evidence", cleanup="keep")
    ended = await plane.ended(run)
    folder = leftovers.folder_of(ended, data_dir)
    assert (folder / "workspace/evidence.txt").read_text() == "evidence\n"
    assert not leftovers.of_run(ended), "a kept pod is files alone"
    await plane.delete(run)
    await plane.deleted(run)
    await leftovers.gone(ended, data_dir)


async def test_old_runs_go(open_plane: OpenPlane, model: OpenAIServer, data_dir: Path) -> None:
    model.script = turns(Answer("done"))
    async with open_plane(max_run_history=2) as plane:
        await furnish(plane, model)
        runs = []
        for number in range(4):
            runs.append(await plane.run(f"task {number}", name=f"run-{number}"))
            await plane.ended(runs[-1])
        for old in runs[:2]:
            await plane.deleted(old)
        for kept in runs[2:]:
            assert phase_of(await plane.now(kept)) == "Succeeded"
            assert await plane.journal(kept, "result")
        async with asyncio.timeout(10):
            while status_of(await plane.client.get(kinds.SYMPOZIUM_INSTANCE, "default", "agent"))["totalAgentRuns"] != 4:  # noqa: ASYNC110
                await asyncio.sleep(0.05)


async def test_a_journal_followed_to_its_end(plane: Plane, model: OpenAIServer) -> None:
    model.script = Script((Conversation((Answer("done"),)),))
    run = await plane.run("say done")
    async with asyncio.timeout(20):
        types = [found["entry"]["type"] async for found in plane.follow(run)]
    assert types[0] == "attempt"
    assert types[-1] == "ended"
    assert types.count("result") == 1


async def test_a_crash_between_the_status_and_the_journal(open_plane: OpenPlane, model: OpenAIServer, data_dir: Path) -> None:
    """The status said the end and the server died before the journal did: whoever follows is told by the next server."""
    async with serve_embedded(EmbeddedSettings(data_dir, "process"), controllers=False) as server:
        nobody = Plane(data_dir)
        await furnish(nobody, model)
        run = await nobody.run("anything")
        status = {"phase": "Failed", "reason": "Timeout", "message": "too slow"}
        await server.cluster.patch(
            kinds.AGENT_RUN, "default", run["metadata"]["name"], {"status": status}, subresource="status"
        )
        await nobody.close()
    async with open_plane() as plane, asyncio.timeout(20):
        entries = [found["entry"] async for found in plane.follow(run)]
        assert [(entry["type"], entry["phase"], entry["message"]) for entry in entries] == [("ended", "Failed", "too slow")]
        assert status_of(await plane.ended(run))["reason"] == "Timeout"
