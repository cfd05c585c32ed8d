"""Everything is killed while a call waits for a person: the question stays, whoever decides decides it once, and the call runs once."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from typing import Any

import pytest

from sympozium_core import names
from sympozium_core.contracts.cluster import NotFound, Object
from sympozium_core.resources.kinds import TOOL_APPROVAL
from sympozium_core.testing import leftovers, soundness
from sympozium_core.testing.conversations import results
from sympozium_core.testing.embedded import Plane, ServerProcess, instance, phase_of, status_of
from sympozium_core.testing.servers.openai import OpenAIServer
from tests.faults.killing import PROCESSES, kill


def policy(**approvals: Any) -> Object:
    spec = {"template": "Permissive", "requireApproval": ["execute_command"], "approvals": approvals}
    return {"apiVersion": names.API_VERSION, "kind": "SympoziumPolicy", "metadata": {"name": "asking"}, "spec": spec}


async def asked_run(plane: Plane, model: OpenAIServer, **approvals: Any) -> Object:
    """A run of an instance whose commands need approval."""
    under = {"model": model.model, "key_from": "model-key", "policy": "asking"}
    await plane.apply(policy(**approvals), instance("asking", model.base_url, **under))
    return await plane.run("do it", instance="asking")


async def pending(plane: Plane, run: Object, count: int) -> Object:
    """The approval of the newest call, once the run's bridge has asked for it `count` times."""
    async with asyncio.timeout(20):
        while True:
            entries = await plane.journal(run, "tool.waiting")
            with contextlib.suppress(NotFound):
                found = await plane.client.get(TOOL_APPROVAL, "default", entries[-1]["approval"] if entries else "none")
                if len(entries) >= count and (found.get("status") or {}).get("phase"):
                    return found
            await asyncio.sleep(0.02)


async def decide(plane: Plane, approval: Object, decision: str) -> None:
    await plane.client.patch(TOOL_APPROVAL, "default", approval["metadata"]["name"], {"spec": {"decision": decision}})


@pytest.mark.parametrize("sandbox", ["process", "bubblewrap"])
@pytest.mark.parametrize("process", PROCESSES)
async def test_killed_while_it_waits_then_approved(server: ServerProcess, model: OpenAIServer, process: str) -> None:
    run = await asked_run(server.plane, model)
    before = await pending(server.plane, run, 1)
    await kill(server, run, process)
    after = await pending(server.plane, run, 2)
    assert after["metadata"]["uid"] == before["metadata"]["uid"], "it is the same question"
    assert after["spec"] == before["spec"]
    await decide(server.plane, after, "Approved")
    second = await pending_other(server.plane, run, after)
    await decide(server.plane, second, "Approved")
    await server.plane.ended(run)
    ended = await soundness.check(server.plane, run, model)
    assert (phase_of(ended), status_of(ended)["result"]) == ("Succeeded", "Finished.")
    appended, counted = results(model.requests[-1])
    assert "appended" in appended
    assert counted.count("one") == 1, counted
    requested = [entry["call"] for entry in await server.plane.journal(run, "tool.requested")]
    assert len(requested) == len(set(requested)) == 2


async def pending_other(plane: Plane, run: Object, first: Object) -> Object:
    """The second call of the conversation waits, too."""
    async with asyncio.timeout(20):
        while True:
            for found in (await plane.client.list(TOOL_APPROVAL, "default")).items:
                if found["metadata"]["uid"] != first["metadata"]["uid"]:
                    return found
            await asyncio.sleep(0.02)


async def test_decided_while_nobody_listens(server: ServerProcess, model: OpenAIServer) -> None:
    """The decision is in the object before the server is killed, and nobody has acted on it in the new attempt but by it."""
    run = await asked_run(server.plane, model)
    approval = await pending(server.plane, run, 1)
    now = await server.plane.now(run)
    (bridge,) = [each.pid for each in leftovers.of_run(now, "bridge")][-1:]
    os.kill(bridge, signal.SIGSTOP)
    await decide(server.plane, approval, "Denied")
    await server.kill()
    await server.start()
    denied = await server.plane.entry(run, "tool.denied")
    assert denied["approval"] == "denied"
    second = await pending_other(server.plane, run, approval)
    await decide(server.plane, second, "Approved")
    ended = await server.plane.ended(run)
    assert phase_of(ended) == "Succeeded"
    assert "was denied" in results(model.requests[-1])[0]
    assert len(await server.plane.journal(run, "tool.requested")) == 1


@pytest.mark.parametrize("action", ["deny", "allow"])
async def test_the_time_is_over_while_nobody_is_there(server: ServerProcess, model: OpenAIServer, action: str) -> None:
    run = await asked_run(server.plane, model, timeout="3s", onTimeout=action)
    approval = await pending(server.plane, run, 1)
    await server.kill()
    await leftovers.wait_for(lambda: not leftovers.mentioning(server.data_dir), "no process is left")
    await server.start()
    ended = await server.plane.ended(run, within=40)
    found = await server.plane.client.get(TOOL_APPROVAL, "default", approval["metadata"]["name"])
    assert found["status"]["phase"] == "Expired"
    assert found["spec"]["expiresAt"] == approval["spec"]["expiresAt"], "a restart gives no more time"
    assert phase_of(ended) == "Succeeded"
    first = results(model.requests[-1])[0]
    assert ("appended" in first) is (action == "allow"), first
