"""What an agent asks of the control plane itself, and that it is the core's own to answer."""

from __future__ import annotations

from typing import Any

import pytest

from sympozium_core.contracts.plan import ToolServer
from sympozium_core.contracts.tool_policy import ToolPolicy, ToolRule
from sympozium_core.names import CONTROL_SERVER


@pytest.mark.parametrize(
    ("tool", "arguments", "said"),
    [
        ("send_channel_message", {"channel": "slack", "text": "done"}, "no channel is connected"),
        (
            "schedule_task",
            {"name": "daily", "action": "create", "schedule": "0 9 * * *", "task": "look"},
            "nothing is scheduled",
        ),
    ],
)
async def test_what_is_not_configured_says_so_and_what_to_do(
    world: Any, tool: str, arguments: dict[str, str], said: str
) -> None:
    pod = world.pod()
    await pod.carry()
    assert tool in [offered["name"] for offered in (await pod.task())["tools"]]
    pod.request(CONTROL_SERVER, "c1", tool, arguments)
    result = await pod.result(CONTROL_SERVER, "c1")
    assert result["status"] == "error"
    assert result["content"].startswith("not configured: ")
    assert said in result["content"]
    assert "your answer" in result["content"]


async def test_a_policy_that_denies_them_takes_them_from_the_offer(world: Any) -> None:
    rules = (ToolRule("send_channel_message", "deny", "no messages"), ToolRule("schedule_task", "deny", "not later"))
    world.plan = world.make_plan(tools=ToolPolicy("allow", "", rules))
    pod = world.pod()
    await pod.carry()
    assert all(tool["server"] != CONTROL_SERVER for tool in (await pod.task())["tools"])
    pod.request(CONTROL_SERVER, "c1", "schedule_task", {"name": "daily", "action": "delete"})
    assert (await pod.result(CONTROL_SERVER, "c1"))["status"] == "denied"


async def test_no_skill_takes_their_place(world: Any) -> None:
    world.plan = world.make_plan(servers=(ToolServer("chat"),))
    pod = world.pod()
    pod.serve("chat", "send_channel_message")
    await pod.carry()
    (tool,) = (tool for tool in (await pod.task())["tools"] if tool["name"] == "send_channel_message")
    assert (tool["server"], tool["servers"]) == (CONTROL_SERVER, [CONTROL_SERVER, "chat"])
