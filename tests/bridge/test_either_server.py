"""Sidecars from images: those made for the original work unmodified, those that speak our files are spoken to in ours."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from sympozium_core.contracts.plan import Container, DeclaredTool, PodPlan, ToolServer
from sympozium_core.contracts.tool_policy import ToolPolicy, ToolRule
from sympozium_core.ipc.protocol import ToolResult
from tests.bridge.conftest import until

SAY = DeclaredTool(
    "say", "Says something.", {"properties": {"what": {"type": "string"}}}, exec=("basename",), positional_args=("what",)
)
READ = DeclaredTool(
    "read_all", "Reads its arguments.", {"properties": {"a": {"type": "integer"}}}, exec=("cat",), input_mode="stdin"
)


@pytest.fixture
async def legacy(world: Any) -> Any:
    """A pod with a sidecar as the original's images are, which was asked whether it is one."""
    return await started(world)


async def started(world: Any, **plan: Any) -> Any:
    container = Container("skill-ops", "skill", image="example.com/skill-ops:latest")
    world.plan = world.make_plan(servers=(ToolServer("ops", (SAY, READ)),), pod=PodPlan((container,)), **plan)
    pod = world.pod()
    await pod.start("tests.bridge.original_executor", SYMPOZIUM_IPC=str(pod.volumes / "skill-ops"), SKILL_PACK="skill_ops")
    await pod.carry()
    return pod


async def test_an_image_of_the_original_offers_commands_and_what_its_pack_declares(legacy: Any) -> None:
    assert [(tool["name"], tool["server"]) for tool in await legacy.offered()] == [
        ("say", "ops"),
        ("read_all", "ops"),
        ("execute_command", "ops"),
    ]


@pytest.mark.parametrize(
    ("tool", "arguments", "result"),
    [
        ("execute_command", {"command": "echo out; echo err >&2; exit 3"}, {"status": "ok", "content": "out\n[stderr]\nerr\n", "exitCode": 3}),
        ("execute_command", {"command": "pwd", "workdir": "/usr"}, {"status": "ok", "content": "/usr\n", "exitCode": 0}),
        ("say", {"what": "/a/$(id) -n"}, {"status": "ok", "content": "$(id) -n\n", "exitCode": 0}),
        ("read_all", {"a": 3}, {"status": "ok", "content": '{"a":3}', "exitCode": 0}),
    ],
)  # fmt: skip
async def test_calls_of_it(legacy: Any, tool: str, arguments: dict[str, Any], result: dict[str, Any]) -> None:
    legacy.request("ops", "c1", tool, arguments)
    assert await legacy.result("ops", "c1") == {"id": "c1", **result}


async def test_a_command_that_takes_too_long_is_a_timeout(legacy: Any) -> None:
    legacy.request("ops", "c1", "execute_command", {"command": "sleep 30", "timeout": 1})
    result = await legacy.result("ops", "c1")
    assert result["status"] == "timeout"
    assert "took too long" in result["content"]


async def test_arguments_that_make_no_command_are_said(legacy: Any) -> None:
    legacy.request("ops", "c1", "execute_command", {"command": "  "})
    result = await legacy.result("ops", "c1")
    assert result["status"] == "error"
    assert "give one command line" in result["content"]


async def test_nothing_of_a_call_is_left_in_its_volume(legacy: Any) -> None:
    legacy.request("ops", "c1")
    await legacy.result("ops", "c1")
    await until(lambda: not list((legacy.volumes / "skill-ops/tools").glob("exec-*")))


async def test_the_policy_stands_before_it(world: Any) -> None:
    pod = await started(world, tools=ToolPolicy("allow", "", (ToolRule("execute_command", "deny", "no commands"),)))
    assert [tool["name"] for tool in await pod.offered()] == ["say", "read_all"]
    pod.request("ops", "c1", "execute_command", {"command": "touch /tmp/never"})
    assert (await pod.result("ops", "c1"))["status"] == "denied"


async def test_it_is_told_when_no_more_calls_come(legacy: Any) -> None:
    (executor,) = legacy.processes
    legacy.finish()
    assert await asyncio.wait_for(executor.wait(), 10) == 0


async def test_a_result_that_is_none_is_refused(world: Any) -> None:
    pod = await started(world)
    tools = pod.volumes / "skill-ops/tools"
    pod.processes[0].kill()
    await pod.processes[0].wait()
    pod.request("ops", "c1")
    await until((tools / "exec-request-c1.json").exists)
    (tools / ".exec-result-c1.json").write_text('{"id": 3}')
    (tools / ".exec-result-c1.json").rename(tools / "exec-result-c1.json")
    result = await pod.result("ops", "c1")
    assert result["status"] == "error"
    assert "its result was refused" in result["content"]


async def test_an_image_that_speaks_our_files_is_spoken_to_in_ours(world: Any) -> None:
    container = Container("skill-ops", "skill", image="example.com/new:1")
    world.plan = world.make_plan(servers=(ToolServer("ops"),), pod=PodPlan((container,)))
    pod = world.pod()
    pod.serve("ops", "list_things", run=lambda request: ToolResult(request.id, "ok", "ours"))
    begun = time.monotonic()
    await pod.carry()
    assert time.monotonic() - begun < 8, "its manifest is enough"
    assert [tool["name"] for tool in await pod.offered()] == ["list_things"]
    pod.request("ops", "c1", "list_things")
    assert (await pod.result("ops", "c1"))["content"] == "ours"


async def test_the_shell_which_answers_both_is_asked_in_ours(world: Any) -> None:
    container = Container("skill-shell", "skill", image="example.com/shell:1")
    world.plan = world.make_plan(servers=(ToolServer("shell"),), pod=PodPlan((container,)))
    pod = world.pod()
    await pod.sidecar("shell", "sympozium_skill_shell")
    await pod.carry()
    (tool,) = await pod.offered()
    assert tool["description"].startswith("Run a shell command in the workspace.")
