"""The controller's side of an approval, on a real store and bus: one object for a call, whoever asks how often; and how a wait ends without anybody."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from sympozium_core import names
from sympozium_core.bus import subjects
from sympozium_core.bus.calls import call_once
from sympozium_core.clock import SystemClock, parse_rfc3339
from sympozium_core.contracts.approvals import MAX_ARGUMENTS, Approvals, Decision, approval_name, decision_from_json
from sympozium_core.contracts.cluster import Invalid
from sympozium_core.contracts.plan import Limits, ModelRef, PodPlan, RunPlan
from sympozium_core.contracts.tool_policy import ToolPolicy
from sympozium_core.controllers.agentrun.approve_call import serve_approve
from sympozium_core.controllers.agentrun.context import INDEXES, RunContext
from sympozium_core.controllers.agentrun.plans import Plans
from sympozium_core.controllers.tool_approvals import INDEXES as APPROVAL_INDEXES
from sympozium_core.controllers.tool_approvals import ToolApprovals
from sympozium_core.embedded.bus.local import EmbeddedBus
from sympozium_core.embedded.store import Store
from sympozium_core.errors import Permanent
from sympozium_core.reconcile.events import EventRecorder
from sympozium_core.reconcile.informers import Informers
from sympozium_core.reconcile.supervisor import Supervisor
from sympozium_core.resources import kinds
from sympozium_core.resources.kinds import AGENT_RUN, TOOL_APPROVAL

Object = dict[str, Any]


class World:
    """A run with a pod, and who answers for it."""

    def __init__(self, bus: EmbeddedBus, cluster: Any, context: Any) -> None:
        self.bus, self.cluster, self.context = bus, cluster, context
        self.run: Object = {}

    async def begin(self, run_timeout: float = 600, **rules: Any) -> None:
        made = await self.cluster.create(
            AGENT_RUN,
            {
                "apiVersion": names.API_VERSION,
                "kind": "AgentRun",
                "metadata": {"name": "do-it", "namespace": "default"},
                "spec": {"instanceRef": "a", "task": "x", "requestedBy": {"username": "alice", "groups": ["dev"]}},
            },
        )
        status = {"phase": "Running", "pod": "pod-1", "attempt": 1, "startedAtSeconds": time.time()}
        self.run = await self.status(made, status)
        plan = RunPlan(
            uid=made["metadata"]["uid"], namespace="default", name="do-it", instance="a", task="x", system_prompt="", model=ModelRef("p", "m"),
            tools=ToolPolicy(), native_tools=(), servers=(), limits=Limits(timeout=run_timeout), sandbox="process", pod=PodPlan(()),
            approvals=Approvals(**rules),
        )  # fmt: skip
        await self.context.plans.keep(plan)

    async def status(self, run: Object, status: Object) -> Object:
        name = run["metadata"]["name"]
        changed: Object = await self.cluster.patch(AGENT_RUN, "default", name, {"status": status}, subresource="status")
        await self.context.runs.wait_until(changed["metadata"]["resourceVersion"])
        return changed

    @property
    def uid(self) -> str:
        return str(self.run["metadata"]["uid"])

    async def ask(self, call: str = "c1", **asked: Any) -> Decision:
        question = {"pod": "pod-1", "call": call, "tool": "t", "server": "s", "arguments": {"a": 1}, "because": "p", **asked}
        data = json.dumps(question).encode()
        told = await call_once(self.bus, subjects.request(self.uid, subjects.APPROVE), data, deadline=time.time() + 20)
        return decision_from_json(json.loads(told))

    async def approval(self, phase: str = "Pending", call: str = "c1") -> Object:
        async def found() -> Object | None:
            for each in (await self.cluster.list(TOOL_APPROVAL, "default")).items:
                if each["spec"]["call"] == call and (each.get("status") or {}).get("phase") == phase:
                    return cast(Object, each)
            return None

        async with asyncio.timeout(15):
            while (approval := await found()) is None:  # noqa: ASYNC110  the store is what is looked at
                await asyncio.sleep(0.01)
        return approval

    async def decide(self, decision: str, call: str = "c1") -> None:
        answer = {"decision": decision, "comment": "because", "decidedBy": {"username": "bob", "groups": []}}
        await self.cluster.patch(TOOL_APPROVAL, "default", approval_name("do-it", self.uid, call), {"spec": answer})


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    store = await Store.open(tmp_path / "store.db", kinds=kinds.ALL)
    bus = await EmbeddedBus.open(tmp_path / "bus")
    cluster, clock = store.as_user(store_user()), SystemClock()
    informers = Informers(cluster)
    runs, asked = informers.of(AGENT_RUN, indexes=INDEXES), informers.of(TOOL_APPROVAL, indexes=APPROVAL_INDEXES)
    events = EventRecorder(cluster, "test", clock=clock)
    approvals = ToolApprovals(cluster, asked, runs, events=events, clock=clock)
    context: Any = SimpleNamespace(
        cluster=cluster, bus=bus, clock=clock, runs=runs, plans=Plans(bus), approvals=approvals, single_user=False
    )
    supervisor = Supervisor()
    supervisor.add("informers", informers.run)
    async with supervisor.running():
        await informers.wait_synced()
        server = await serve_approve(cast(RunContext, context))
        work = Supervisor()
        work.add("approvals", approvals.controller().run)
        async with work.running():
            yield World(bus, cluster, context)
        await server.close()
    await events.close()
    await bus.close()
    await store.close()


def store_user() -> Any:
    from sympozium_core.contracts.cluster import User

    return User("controller")


async def test_one_question_one_object_whoever_asks_how_often(world: World) -> None:
    await world.begin()
    first, again = asyncio.ensure_future(world.ask()), asyncio.ensure_future(world.ask())
    approval = await world.approval()
    spec = approval["spec"]
    assert (spec["runRef"], spec["runUID"], spec["because"]) == ("do-it", world.uid, "p")
    assert spec["requestedBy"] == {"username": "alice", "groups": ["dev"]}
    assert spec["selfApproval"] is False
    assert approval["metadata"]["labels"][names.LABEL_RUN_UID] == world.uid
    await world.decide("Approved")
    assert await first == await again == await world.ask() == Decision("approved", True, "bob", "because")
    assert len((await world.cluster.list(TOOL_APPROVAL, "default")).items) == 1
    assert (await world.approval("Approved"))["status"]["conditions"][0]["message"] == "approved by bob: because"


@pytest.mark.parametrize("other", [{"arguments": {"a": 2}}, {"tool": "other"}, {"server": "other"}, {"arguments": {"a": "1"}}])
async def test_an_approval_is_good_for_the_call_that_was_shown(world: World, other: Object) -> None:
    await world.begin()
    asking = asyncio.ensure_future(world.ask())
    await world.approval()
    await world.decide("Approved")
    assert (await asking).allows
    with pytest.raises(Permanent, match="for another call"):
        await world.ask(**other)


@pytest.mark.parametrize(
    "asked",
    [{"pod": "pod-0"}, {"call": 7}, {"arguments": [1]}, {"tool": None}, {"arguments": {"a": "x" * (4 * MAX_ARGUMENTS)}}],
)
async def test_what_is_no_question_of_this_pod_makes_nothing(world: World, asked: Object) -> None:
    await world.begin()
    with pytest.raises(Permanent):
        await world.ask(**asked)
    assert not (await world.cluster.list(TOOL_APPROVAL, "default")).items


async def test_arguments_that_cannot_be_stored_are_denied_and_not_asked_for_ever(world: World) -> None:
    await world.begin()

    async def refuse(*anything: Any, **more: Any) -> Any:
        raise Invalid("spec.arguments: is nested too deeply")

    world.context.cluster = SimpleNamespace(create=refuse)
    with pytest.raises(Permanent, match="could be shown: spec"):
        await world.ask()


@pytest.mark.parametrize(("action", "allows"), [("deny", False), ("allow", True)])
async def test_it_expires(world: World, action: str, allows: bool) -> None:
    await world.begin(timeout=0.5, on_timeout=action)
    assert await world.ask() == Decision("expired", allows)
    assert await world.ask() == Decision("expired", allows)
    assert (await world.approval("Expired"))["spec"]["timeoutAction"] == action


async def test_it_never_outlives_the_run(world: World) -> None:
    await world.begin(run_timeout=30)
    asking = asyncio.ensure_future(world.ask())
    expires = parse_rfc3339((await world.approval())["spec"]["expiresAt"])
    assert expires <= world.run["status"]["startedAtSeconds"] + 31
    await world.decide("Denied")
    assert await asking == Decision("denied", False, "bob", "because")


@pytest.mark.parametrize("rule", [None, True, False])
async def test_whether_the_requester_may_decide_is_in_the_question(world: World, rule: bool | None) -> None:
    await world.begin(allow_self=rule)
    world.context.single_user = True
    asking = asyncio.ensure_future(world.ask())
    assert (await world.approval())["spec"]["selfApproval"] is (rule is not False)
    await world.decide("Approved")
    await asking


async def test_what_is_given_up_is_withdrawn_and_never_allowed(world: World) -> None:
    await world.begin(on_timeout="allow")
    asking = asyncio.ensure_future(world.ask())
    await world.approval()
    assert await world.ask(withdrawn=True) == Decision("withdrawn", False)
    assert await asking == Decision("withdrawn", False)
    assert not (await world.ask()).allows


async def test_a_run_that_has_ended_waits_for_nobody(world: World) -> None:
    await world.begin(on_timeout="allow")
    asking = asyncio.ensure_future(world.ask())
    await world.approval()
    await world.status(world.run, {"phase": "Cancelled"})
    assert await asking == Decision("withdrawn", False)
    await world.approval("Withdrawn")


async def test_a_question_that_is_deleted_is_denied(world: World) -> None:
    await world.begin(on_timeout="allow")
    asking = asyncio.ensure_future(world.ask())
    approval = await world.approval()
    await world.cluster.delete(TOOL_APPROVAL, "default", approval["metadata"]["name"])
    decision = await asking
    assert (decision.allows, decision.comment) == (False, "its ToolApproval was deleted")
