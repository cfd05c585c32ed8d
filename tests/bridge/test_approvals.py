"""Calls that wait for a person: what is asked, what runs afterwards, and that nothing else is held up or runs twice."""

from __future__ import annotations

import asyncio
import json
import sys
import time
import types

import pytest

from sympozium_core.bus import subjects
from sympozium_core.bus.calls import serve
from sympozium_core.contracts.approvals import MAX_ARGUMENTS, MAX_WAITS, Decision, approval_name
from sympozium_core.contracts.plan import Limits
from sympozium_core.contracts.tool_policy import ToolPolicy, ToolRule
from sympozium_core.errors import Permanent, Temporary
from sympozium_core.hooks import Veto, hookimpl

ASKING = ToolPolicy(rules=(ToolRule("execute_command", "ask", "policy p: a rule says ask"),))
YES, NO = Decision("approved", True, "bob"), Decision("denied", False, "bob", "not on a Friday")


class Person:
    """The controller's side: what was asked, and what it answers."""

    def __init__(self):
        self.questions = []
        self.answers = {}
        self.withdrawn = []
        self.left = []

    async def start(self, bus):
        self.server = await serve(bus, subjects.request("*", subjects.APPROVE), self._answer, queue="controller")

    async def _answer(self, request):
        asked = json.loads(request.data)
        if asked.get("withdrawn"):
            self.withdrawn.append(asked["call"])
            yield json.dumps(Decision("withdrawn", False).to_json()).encode()
            return
        self.questions.append(asked)
        try:
            answer = await self.answers.setdefault(asked["call"], asyncio.get_running_loop().create_future())
        except asyncio.CancelledError:
            self.left.append(asked["call"])
            del self.answers[asked["call"]]
            raise
        if isinstance(answer, Exception):
            del self.answers[asked["call"]]
            raise answer
        yield json.dumps(answer.to_json()).encode()

    async def asked(self, world, call):
        await world.until(lambda: call in self.answers)
        return [asked for asked in self.questions if asked["call"] == call][-1]

    async def say(self, world, call, answer):
        await self.asked(world, call)
        self.answers[call].set_result(answer)


@pytest.fixture
async def person(world):
    world.plan = world.make_plan(tools=ASKING)
    made = Person()
    await made.start(world.bus)
    yield made
    await made.server.close()


async def test_an_approved_call_runs_as_it_was_asked(world, person):
    pod = world.pod()
    tools = pod.serve("shell", "execute_command")
    await pod.carry()
    assert [tool["name"] for tool in await pod.offered()] == ["execute_command"]
    assert (await pod.task())["limits"]["approvalSeconds"] == 900.0
    pod.request("shell", "c1", arguments={"command": "make"})
    asked = await person.asked(world, "c1")
    assert (asked["tool"], asked["server"], asked["arguments"]) == ("execute_command", "shell", {"command": "make"})
    assert (asked["pod"], asked["because"]) == ("pod-1", "policy p: a rule says ask")
    waiting = await world.entry("tool.waiting")
    assert (waiting["call"], waiting["arguments"]) == ("c1", {"command": "make"})
    assert waiting["approval"] == approval_name("run", world.plan.uid, "c1")
    pod.request("shell", "c1", arguments={"command": "rm -rf /"})  # the agent changes its mind, and its file
    await world.entry("problem")
    assert not tools.asked
    await person.say(world, "c1", YES)
    assert (await pod.result("shell", "c1"))["status"] == "ok"
    assert [dict(request.arguments) for request in tools.asked] == [{"command": "make"}]
    assert (await world.entry("tool.requested"))["approvedBy"] == "bob"
    await world.entry("tool.result")
    assert len(await world.entries("tool.result")) == 1


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (NO, "execute_command was denied by bob: not on a Friday"),
        (Decision("expired", False), "nobody decided in time"),
        (Decision("withdrawn", False), "was given up before anybody decided"),
        (Permanent("another call has this id"), "execute_command was denied: another call has this id"),
    ],
)
async def test_what_is_not_approved_does_not_run(world, person, answer, says):
    pod = world.pod()
    tools = pod.serve("shell", "execute_command")
    await pod.carry()
    pod.request("shell", "c1")
    await person.say(world, "c1", answer)
    result = await pod.result("shell", "c1")
    assert result["status"] == "denied"
    assert says in result["content"]
    entry = await world.entry("tool.denied")
    assert entry["because"] == result["content"]
    assert entry["approval"] == (answer.outcome if isinstance(answer, Decision) else "denied")
    assert not tools.asked


async def test_time_that_is_over_may_mean_allow(world, person):
    pod = world.pod()
    pod.serve("shell", "execute_command")
    await pod.carry()
    pod.request("shell", "c1")
    await person.say(world, "c1", Decision("expired", True))
    assert (await pod.result("shell", "c1"))["status"] == "ok"
    assert (await world.entry("tool.requested"))["approvedBy"] == ""


async def test_the_time_of_a_call_stands_still_while_it_waits(world, person):
    pod = world.pod()
    tools = pod.serve("shell", "execute_command")
    await pod.carry()
    deadline = time.time() + 0.5
    pod.request("shell", "c1", deadline=deadline)
    await person.asked(world, "c1")
    await world.until(lambda: time.time() > deadline)
    await person.say(world, "c1", YES)
    assert (await pod.result("shell", "c1"))["status"] == "ok"
    assert deadline < tools.asked[0].deadline < time.time() + 0.5


async def test_other_calls_go_on_and_waits_are_bounded(world, person):
    rules = (ToolRule("execute_command", "ask", "p"),)
    world.plan = world.make_plan(tools=ToolPolicy(rules=rules))
    pod = world.pod()
    tools = pod.serve("shell", "execute_command", "look")
    await pod.carry()
    for number in range(MAX_WAITS):
        pod.request("shell", f"c{number}")
    await world.until(lambda: len(person.questions) == MAX_WAITS)
    pod.request("shell", "more")
    refused = await pod.result("shell", "more")
    assert (refused["status"], refused["content"].split(" ", 1)[0]) == ("denied", str(MAX_WAITS))
    for number in range(20):
        pod.request("shell", f"l{number}", "look")
    for number in range(20):
        assert (await pod.result("shell", f"l{number}"))["status"] == "ok"
    assert {request.tool for request in tools.asked} == {"look"}
    await person.say(world, "c0", NO)
    await pod.result("shell", "c0")
    pod.request("shell", "again")
    await person.say(world, "again", YES)
    assert (await pod.result("shell", "again"))["status"] == "ok"


async def test_a_call_that_waits_counts_once_and_is_counted_while_it_waits(world, person):
    world.plan = world.make_plan(tools=ASKING, limits=Limits(max_tool_calls=2))
    pod = world.pod()
    pod.serve("shell", "execute_command", "look")
    await pod.carry()
    pod.request("shell", "c1")
    await person.asked(world, "c1")
    pod.request("shell", "l1", "look")
    assert (await pod.result("shell", "l1"))["status"] == "ok"
    pod.request("shell", "l2", "look")
    assert (await pod.result("shell", "l2"))["status"] == "denied"
    await person.say(world, "c1", YES)
    assert (await pod.result("shell", "c1"))["status"] == "ok"


async def test_nobody_is_asked_about_what_cannot_run_or_be_read(world, person):
    pod = world.pod()
    pod.serve("shell", "execute_command")
    await pod.carry()
    pod.request("shell", "c1", arguments={"command": 7})
    assert (await pod.result("shell", "c1"))["status"] == "error"
    pod.request("shell", "c2", arguments={"command": "x" * MAX_ARGUMENTS})
    assert "longer than" in (await pod.result("shell", "c2"))["content"]
    wide = "é" * (MAX_ARGUMENTS // 2 - 20)
    pod.request("shell", "wide", arguments={"command": wide})
    assert (await person.asked(world, "wide"))["arguments"]["command"] == wide
    person.questions.clear()
    pod.request("shell", "c3", tool="no_such_tool")
    assert (await pod.result("shell", "c3"))["status"] == "denied"
    assert not person.questions


async def test_a_controller_that_goes_is_asked_again(world, person):
    pod = world.pod()
    pod.serve("shell", "execute_command")
    await pod.carry()
    pod.request("shell", "c1")
    await person.asked(world, "c1")
    await person.server.close()
    other = Person()
    await other.start(world.bus)
    await other.say(world, "c1", Temporary("not now", after=0.0))
    await world.until(lambda: len(other.questions) == 2)
    await other.say(world, "c1", YES)
    assert (await pod.result("shell", "c1"))["status"] == "ok"
    assert len(await world.entries("tool.waiting")) == len(await world.entries("tool.requested")) == 1
    await other.server.close()


async def test_an_agent_that_waits_no_longer_withdraws_its_question(world, person):
    pod = world.pod()
    tools = pod.serve("shell", "execute_command")
    await pod.carry()
    pod.request("shell", "c1")
    await person.asked(world, "c1")
    pod.put("tools/shell/cancel/c1", "")
    assert (await pod.result("shell", "c1"))["status"] == "denied"
    assert person.withdrawn == ["c1"]
    await world.until(lambda: person.left == ["c1"])
    assert not tools.asked


async def test_a_hook_is_asked_before_and_after_the_person(world, person, monkeypatch, tmp_path):
    module = types.ModuleType("a_bridge_plugin")
    monkeypatch.setitem(sys.modules, "a_bridge_plugin", module)
    vetoes = [None, Veto("changed its mind"), Veto("never")]
    hook = hookimpl(specname="sympozium_tool_call")(lambda call: vetoes.pop(0))
    monkeypatch.setattr(module, "sympozium_tool_call", hook, raising=False)
    world.plan = world.make_plan(tools=ASKING, bridge_hooks=("a_bridge_plugin",))
    pod = world.pod()
    tools = pod.serve("shell", "execute_command")
    await pod.carry()
    pod.request("shell", "c1")
    await person.say(world, "c1", YES)
    result = await pod.result("shell", "c1")
    assert (result["status"], result["content"]) == ("denied", "plugin a_bridge_plugin: changed its mind")
    assert "approval" not in await world.entry("tool.denied")
    pod.request("shell", "c2")
    assert "never" in (await pod.result("shell", "c2"))["content"]
    assert [asked["call"] for asked in person.questions] == ["c1"]
    assert not tools.asked


async def test_a_later_attempt_asks_again_and_runs_it_once(world, person):
    world.provider.respond = lambda body: world.tool_chunks(("c1", "execute_command", {"command": "make"}))
    first = world.pod()
    first.serve("shell", "execute_command")
    carried = await first.carry()
    first.request("shell", "c1", arguments={"command": "make"})
    before = await person.asked(world, "c1")
    carried.cancel()
    await asyncio.gather(carried, return_exceptions=True)
    world.attempt = 2
    second = world.pod("pod-2")
    tools = second.serve("shell", "execute_command")
    await second.carry()
    second.request("shell", "c1", arguments={"command": "make"})
    await world.until(lambda: len(person.questions) == 2)
    assert {**person.questions[1], "pod": ""} == {**before, "pod": ""}
    await person.say(world, "c1", YES)
    assert (await second.result("shell", "c1"))["status"] == "ok"
    assert len(tools.asked) == 1


async def test_the_end_of_the_run_ends_its_waits(world, person):
    pod = world.pod()
    pod.serve("shell", "execute_command")
    carried = await pod.carry()
    pod.request("shell", "c1")
    await person.asked(world, "c1")
    pod.finish()
    assert await carried is True
    await world.until(lambda: person.left == ["c1"])
