"""A run from its assignment to its acknowledged result, with a real bridge and runner process and the embedded bus."""

from __future__ import annotations

import asyncio
import json


async def test_a_run_ends_with_its_answer_on_record(world):
    calls = iter(range(10))

    def respond(body):
        if next(calls) == 0:
            return world.tool_chunks(("call_a", "execute_command", {"command": "echo hi"}))
        return world.text_chunks("all done")

    world.provider.respond = respond
    pod = world.pod()
    tools = pod.serve("shell", "execute_command")
    bridge = await pod.bridge()
    runner = await pod.runner()
    assert await asyncio.wait_for(bridge.wait(), 20) == 0, pod.log()
    assert await asyncio.wait_for(runner.wait(), 20) == 0, pod.log("runner")
    kinds = [entry["type"] for entry in await world.journal() if entry["type"] != "progress"]
    print(kinds)
    assert kinds == [
        "started",
        "model.request",
        "model.answer",
        "tool.requested",
        "tool.result",
        "model.request",
        "model.answer",
        "result",
    ]
    assert [request.id for request in tools.asked] == ["call_a"]
    result = await world.entry("result")
    assert (result["status"], result["reason"], result["response"]) == ("success", "Completed", "all done")
    assert json.loads(json.dumps(result["metrics"]))["turns"] == 2
