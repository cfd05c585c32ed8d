"""A policy that is tightened while the bridge is at work: it hears of it, or asks, and never gets wider."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sympozium_core.bridge.policy import CallReview
from sympozium_core.bus import subjects
from sympozium_core.bus.journal import Journal
from sympozium_core.contracts.plan import to_json
from sympozium_core.contracts.tool_policy import ToolPolicy, ToolRule
from sympozium_core.hooks import ToolCall

CALL = ToolCall("uid", "c1", "execute_command", "shell", {"command": "ls"})
DENY = ToolPolicy(rules=(ToolRule("execute_command", "deny", "policy p: no commands"),))


async def say(world, policy, **more):
    control = await Journal.open(world.bus, subjects.journal(world.plan.uid, subjects.CONTROL), attempt=1)
    await control.append({"type": "policy", "by": ["p"], "tools": to_json(policy), "limits": {}, **more})


async def denied(world, pod, number):
    """Calls until one is denied: the word is on its way."""
    for attempt in range(200):
        call = f"c{number}-{attempt}"
        pod.request("shell", call)
        result = await pod.result("shell", call)
        if result["status"] == "denied":
            return result["content"]
        assert result["status"] == "ok"
    raise AssertionError("it was never denied")


@pytest.mark.parametrize("size", [0, 1_000_000], ids=["in one frame", "in several"])
async def test_it_binds_the_calls_from_then_on(world, size):
    """An entry of several frames is not put together: the bridge asks for the policy instead."""
    pod = world.pod()
    pod.serve("shell", "execute_command")
    await pod.carry()
    pod.request("shell", "before")
    assert (await pod.result("shell", "before"))["status"] == "ok"
    tightened = replace(world.plan.tools, narrowed_by=(DENY,))
    world.plan = replace(world.plan, tools=tightened)
    await say(world, tightened, pad="x" * size)
    assert "policy p: no commands" in await denied(world, pod, 1)
    assert world.starts == (2 if size else 1)


async def test_what_was_said_while_nobody_listened_is_asked_for(world):
    pod = world.pod()
    pod.serve("shell", "execute_command")
    await pod.carry()
    world.plan = replace(world.plan, tools=replace(world.plan.tools, narrowed_by=(DENY,)))
    await world.server.close()
    await world.server.start()
    assert "policy p: no commands" in await denied(world, pod, 1)


async def test_a_wider_policy_changes_nothing(world):
    world.plan = world.make_plan(tools=DENY)
    pod = world.pod()
    pod.serve("shell", "execute_command")
    await pod.carry()
    await say(world, ToolPolicy())
    await say(world, replace(ToolPolicy(), narrowed_by=(ToolPolicy("deny", "all"),)))
    pod.request("shell", "c1")
    assert "no commands" in (await pod.result("shell", "c1"))["content"]


@pytest.mark.parametrize(
    "tools", [None, 3, {}, {"default": "deny"}, {"default": "deny", "because": "", "rules": [1], "narrowed_by": []}]
)
async def test_an_entry_that_is_none_is_asked_about(world, tools):
    pod = world.pod()
    pod.serve("shell", "execute_command")
    await pod.carry()
    world.plan = replace(world.plan, tools=DENY)
    control = await Journal.open(world.bus, subjects.journal(world.plan.uid, subjects.CONTROL), attempt=1)
    await control.append({"type": "policy", "tools": tools, "limits": {}})
    assert "no commands" in await denied(world, pod, 1)


async def test_fewer_calls(world):
    pod = world.pod()
    pod.serve("shell", "execute_command")
    await pod.carry()
    await say(world, ToolPolicy(), limits={"maxToolCalls": 1})
    await say(world, ToolPolicy(), limits={"maxToolCalls": 5})
    assert await denied(world, pod, 1) == "the run has made its 1 tool calls"


def test_a_review_is_narrowed_and_conditions_come_with_it():
    review = CallReview(ToolPolicy())
    assert review.decision(lambda: pytest.fail("made up"), "execute_command").action == "allow"
    assert not review.narrow(ToolPolicy())
    conditional = ToolPolicy(rules=(ToolRule("execute_command", "deny", "no ls", "argv[0] == 'ls'"),))
    assert review.narrow(replace(ToolPolicy(), narrowed_by=(conditional,)))
    assert not review.narrow(replace(ToolPolicy(), narrowed_by=(conditional,))), "told again"
    assert "no ls" in review.decision(lambda: CALL, "execute_command").because
    other = replace(CALL, arguments={"command": "pwd"})
    assert review.decision(lambda: other, "execute_command").action == "allow"
    assert review.bound_argv(lambda: other) == ("pwd",)
    assert len(review.policy.narrowed_by) == 1
