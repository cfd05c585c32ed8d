"""Tool calls through the gate: what a well-behaved agent gets."""

from __future__ import annotations

import asyncio
import base64
import time
from unittest.mock import ANY

import pytest

from sympozium_core.contracts.plan import Limits, ToolServer
from sympozium_core.contracts.tool_policy import ToolPolicy, ToolRule
from sympozium_core.ipc.protocol import ToolResult
from sympozium_core.names import CONTROL_SERVER


async def test_a_call_is_on_record_before_the_sidecar_sees_it_and_its_result_before_the_agent_does(world):
    seen = []

    def run(request):
        seen.append(request)
        return ToolResult(request.id, "ok", "hi", exit_code=0)

    pod = world.pod()
    pod.serve("shell", "execute_command", run=run)
    await pod.carry()
    pod.request("shell", "c1", arguments={"command": "echo hi"})
    assert await pod.result("shell", "c1") == {"id": "c1", "status": "ok", "content": "hi", "exitCode": 0}
    requested, result = await world.entry("tool.requested"), await world.entry("tool.result")
    assert (requested["call"], requested["tool"], requested["server"]) == ("c1", "execute_command", "shell")
    assert requested["arguments"] == {"command": "echo hi"}
    assert (result["call"], result["status"], result["content"], result["exitCode"]) == ("c1", "ok", "hi", 0)
    assert requested["at"] <= result["at"]
    assert seen[0].deadline == pytest.approx(world.deadline)


async def test_the_request_that_the_sidecar_sees_is_the_bridges_own_copy(world):
    pod = world.pod()
    tools = pod.serve("shell", "execute_command")
    await pod.carry()
    pod.request("shell", "c1", unknownField="x")
    await pod.result("shell", "c1")
    assert tools.asked[0].to_json().keys() == {"id", "tool", "arguments", "deadline"}


async def test_calls_run_side_by_side(world):
    waiting = []

    def run(request):
        waiting.append(request.id)
        return None

    pod = world.pod()
    files = pod.serve("shell", "execute_command", run=run)
    await pod.carry()
    for number in range(40):
        pod.request("shell", f"c{number}")
    await world.until(lambda: len(waiting) == 16)
    await asyncio.sleep(0.05)
    assert len(waiting) == 16, "no more than sixteen are under way at once"
    done: set[str] = set()
    while len(done) < 40:
        for call in await world.until(lambda: [c for c in waiting if c not in done]):
            done.add(call)
            files.answer(ToolResult(call, "ok", call))
    for number in range(40):
        assert (await pod.result("shell", f"c{number}"))["content"] == f"c{number}"


async def test_a_server_that_hangs_does_not_hold_up_another(world):
    world.plan = world.make_plan(servers=(ToolServer("slow"), ToolServer("quick")))
    pod = world.pod()
    pod.serve("slow", "wait", run=lambda request: None)
    pod.serve("quick", "go")
    await pod.carry()
    for number in range(30):
        pod.request("slow", f"s{number}", "wait")
    pod.request("quick", "q", "go")
    assert (await pod.result("quick", "q"))["status"] == "ok"


async def test_the_policy_is_not_offered_around_and_not_called_around(world):
    rules = (ToolRule("execute_*", "deny", "policy 'strict', toolGating"),)
    world.plan = world.make_plan(tools=ToolPolicy(rules=rules))
    pod = world.pod()
    tools = pod.serve("shell", "execute_command", "list_things")
    await pod.carry()
    assert [tool["name"] for tool in await pod.offered()] == ["list_things"]
    pod.request("shell", "c1")
    result = await pod.result("shell", "c1")
    assert result["status"] == "denied"
    assert "policy 'strict', toolGating" in result["content"]
    assert (await world.entry("tool.denied"))["because"] == result["content"]
    assert not tools.asked


async def test_a_limit_of_calls_holds_whatever_the_agent_says(world):
    world.plan = world.make_plan(limits=Limits(max_tool_calls=2))
    pod = world.pod()
    tools = pod.serve("shell", "execute_command")
    await pod.carry()
    for number in range(4):
        pod.request("shell", f"c{number}")
    statuses = [(await pod.result("shell", f"c{number}"))["status"] for number in range(4)]
    assert sorted(statuses) == ["denied", "denied", "ok", "ok"]
    assert len(tools.asked) == 2


@pytest.mark.parametrize(
    ("arguments", "says"),
    [({"command": 7}, "command: not of type string"), ({}, "missing: command"), ({"command": "x", "more": 1}, "'more'")],
)
async def test_arguments_that_cannot_be_right_are_refused_with_the_reason(world, arguments, says):
    pod = world.pod()
    schema = {"properties": {"command": {"type": "string"}}, "required": ["command"], "additionalProperties": False}
    tools = pod.serve("shell", "execute_command", parameters=schema)
    await pod.carry()
    pod.request("shell", "c1", arguments=arguments)
    result = await pod.result("shell", "c1")
    assert result["status"] == "error"
    assert says in result["content"]
    assert not tools.asked


async def test_a_call_times_out_by_its_own_deadline_and_the_sidecar_is_told(world):
    pod = world.pod()
    tools = pod.serve("shell", "execute_command", run=lambda request: None)
    await pod.carry()
    pod.request("shell", "c1", deadline=time.time() + 0.05)
    result = await pod.result("shell", "c1")
    assert result["status"] == "timeout"
    assert (tools.volume / "tools/shell/cancel/c1").exists()
    assert (await world.entry("tool.result"))["status"] == "timeout"


async def test_a_cancelled_call_is_passed_on(world):
    pod = world.pod()
    tools = pod.serve("shell", "execute_command", run=lambda request: None)
    await pod.carry()
    pod.request("shell", "c1")
    await world.until(lambda: tools.asked)
    pod.put("tools/shell/cancel/c1", "")
    await world.until((tools.volume / "tools/shell/cancel/c1").exists)
    tools.answer(ToolResult("c1", "error", "stopped"))
    assert (await pod.result("shell", "c1"))["content"] == "stopped"


async def test_artifacts_are_kept_and_handed_on(world):
    pod = world.pod()
    files = pod.serve("shell", "execute_command", run=lambda request: None)
    await pod.carry()
    folder = files.volume / "tools/shell/artifacts"
    folder.mkdir(parents=True)
    (folder / "out.bin").write_bytes(base64.b64decode("AAEC") * 100_000)
    (folder / "link").symlink_to("/etc/passwd")
    pod.request("shell", "c1")
    await world.until(lambda: files.asked)
    files.answer(ToolResult("c1", "ok", "see there", artifacts=("out.bin", "link", "absent")))
    result = await pod.result("shell", "c1")
    assert result["artifacts"] == ["c1.out.bin"]
    stored = b"".join([part async for part in world.bus.get_object(f"run/{world.plan.uid}/c1.out.bin")])
    assert stored == bytes([0, 1, 2]) * 100_000
    assert (pod.agent / "tools/shell/artifacts/c1.out.bin").read_bytes() == stored
    assert len(await world.entries("problem")) == 2


async def test_a_server_that_does_not_start_is_said_and_the_run_goes_on(world):
    world.plan = world.make_plan(servers=(ToolServer("gone"), ToolServer("shell")))
    pod = world.pod()
    pod.serve("shell", "execute_command")
    await pod.carry(manifest_seconds=0.2)
    started = await world.entry("started")
    assert started["missing"] == ["gone"]
    assert started["servers"] == {CONTROL_SERVER: ANY, "shell": ["execute_command"]}
    pod.request("gone", "c1")
    assert "has not started" in (await pod.result("gone", "c1"))["content"]


async def test_a_name_that_two_servers_have_goes_to_the_first_and_both_can_be_called(world):
    world.plan = world.make_plan(servers=(ToolServer("one"), ToolServer("two")))
    pod = world.pod()
    pod.serve("two", "execute_command", run=lambda request: ToolResult(request.id, "ok", "two"))
    pod.serve("one", "execute_command", run=lambda request: ToolResult(request.id, "ok", "one"))
    await pod.carry()
    (tool,) = await pod.offered()
    assert (tool["server"], tool["servers"]) == ("one", ["one", "two"])
    conflict = {"tool": "execute_command", "servers": ["one", "two"], "chosen": "one"}
    assert (await world.entry("started"))["conflicts"] == [conflict]
    pod.request("two", "c1")
    assert (await pod.result("two", "c1"))["content"] == "two"
