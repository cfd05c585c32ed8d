"""A run from its assignment to its acknowledged result, with a real bridge and runner process and the embedded bus."""

from __future__ import annotations

import asyncio
import json

import pytest


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


async def test_with_the_shell_skill_and_native_tools_the_workspace_is_one(world):
    """Write a file natively, read it by a command in the sidecar, resume nothing, leave nothing running."""
    pytest.importorskip("sympozium_skill_shell")
    turns = iter(
        [
            [("c1", "write_file", {"path": "/workspace/a.txt", "content": "forty-two"})],
            [
                ("c2", "execute_command", {"command": "cat a.txt; echo oops >&2; exit 3"}),
                ("c3", "execute_command", {"command": "pwd"}),
            ],
        ]
    )

    def respond(body):
        calls = next(turns, None)
        return world.tool_chunks(*calls) if calls else world.text_chunks(body["messages"][-1]["content"])

    world.provider.respond = respond
    world.plan = world.make_plan(native_tools=("write_file", "read_file"))
    pod = world.pod()
    shell = await pod.sidecar("shell", "sympozium_skill_shell")
    bridge = await pod.bridge(listen="unix")
    runner = await pod.runner()
    for process, name in ((bridge, "bridge"), (runner, "runner"), (shell, "sympozium_skill_shell")):
        assert await asyncio.wait_for(process.wait(), 20) == 0, pod.log(name)
    results = {entry["call"]: entry for entry in await world.entries("tool.result")}
    assert set(results) == {"c2", "c3"}, "native tools do not pass the bridge"
    assert "forty-two" in results["c2"]["content"]
    assert results["c2"]["exitCode"] == 3
    assert results["c3"]["content"].strip() == "/workspace"
    assert "/workspace" in (await world.entry("result"))["response"]
    assert (await world.entry("started"))["tools"] == [
        "write_file",
        "read_file",
        "send_channel_message",
        "schedule_task",
        "execute_command",
    ]
