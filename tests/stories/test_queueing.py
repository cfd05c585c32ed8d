"""Over a limit a run waits its turn, can see its position, and does not fail."""

from __future__ import annotations

from itertools import pairwise

from sympozium_core.testing import embedded
from sympozium_core.testing.conversations import turns
from sympozium_core.testing.embedded import OpenPlane, Plane, furnish, status_of
from sympozium_core.testing.servers.openai import OpenAIServer
from sympozium_core.testing.servers.script import Answer, Conversation, Fault, Script

LIMITED = {
    "apiVersion": "sympozium.ai/v1alpha1",
    "kind": "SympoziumPolicy",
    "metadata": {"name": "one-at-a-time"},
    "spec": {"template": "Permissive", "subagentPolicy": {"maxConcurrent": 1}},
}
HOLD = Conversation((Answer("never", fault=Fault("silence")),), "hold")


async def position(plane: Plane, run: dict[str, object], number: int) -> None:
    await plane.until(run, lambda now: status_of(now).get("queuePosition") == number)


async def test_first_come_first_served(open_plane: OpenPlane, model: OpenAIServer) -> None:
    model.script = Script((HOLD, *turns(Answer("done")).conversations))
    async with open_plane(max_concurrent_runs=1) as plane:
        await furnish(plane, model)
        holder = await plane.run("hold the place")
        await plane.phase(holder, "Running")
        waiting = [await plane.run(f"task {number}") for number in range(4)]
        for number, run in enumerate(waiting):
            await position(plane, run, number + 1)
        await plane.cancel(holder)
        ended = [await plane.ended(run) for run in waiting]
        assert [status_of(run)["reason"] for run in ended] == ["Completed"] * 4
        started = [status_of(run)["startedAtSeconds"] for run in ended]
        assert started == sorted(started), "in order of creation, those of one second too"
        assert all([await plane.told(run, "Queued") for run in ended])
        assert all("queuePosition" not in status_of(run) for run in ended)


async def test_an_instance_at_its_own_limit_holds_up_nobody_else(open_plane: OpenPlane, model: OpenAIServer) -> None:
    model.script = Script((HOLD, *turns(Answer("done")).conversations))
    async with open_plane(max_concurrent_runs=3) as plane:
        await furnish(plane, model)
        await plane.apply(
            LIMITED,
            embedded.instance("narrow", model.base_url, model=model.model, key_from="model-key", policy="one-at-a-time"),
        )
        holder = await plane.run("hold", instance="narrow")
        await plane.phase(holder, "Running")
        behind = [await plane.run(f"task {number}", instance="narrow") for number in range(4)]
        for number, run in enumerate(behind):
            await position(plane, run, number + 1)
        other = await plane.run("quick")
        assert status_of(await plane.ended(other))["reason"] == "Completed"
        assert status_of(await plane.now(behind[0]))["phase"] == "Queued"
        await plane.cancel(holder)
        ended = [status_of(await plane.ended(run)) for run in behind]
        assert [status["reason"] for status in ended] == ["Completed"] * 4
        # One at a time: each began when the one before had ended.
        assert all(later["startedAt"] >= before["completedAt"] for before, later in pairwise(ended))
