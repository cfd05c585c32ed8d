"""What the controller does around hooks on a real API server, step by step, with pods that the test plays: rights, claims, and controllers that die."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from sympozium_core.contracts.builtin_kinds import PERSISTENT_VOLUME_CLAIM, ROLE_BINDING
from sympozium_core.contracts.cluster import Object
from sympozium_core.contracts.plan import PodPlan
from sympozium_core.contracts.sandbox import ContainerStatus, PodStatus
from sympozium_core.controllers.agentrun import hooks
from sympozium_core.resources import kinds
from tests.kubernetes.stage import Stage
from tests.kubernetes.test_identity import RIGHTS, left_of, nothing_left

pytestmark = pytest.mark.usefixtures("crds")

HOOK = {"image": "registry.example/hook:1"}
PODS = {"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}
BOTH = {"preRun": [{"name": "before", **HOOK}], "postRun": [{"name": "after", **HOOK}], "rbac": [PODS]}
RUNNING = PodStatus("running", {"hook": ContainerStatus("running")})


def ended(code: int = 0, **more: Any) -> PodStatus:
    return PodStatus("ended", {"hook": ContainerStatus("ended", code, **more)})


async def started(played: Stage, run: Object, which: str) -> str:
    """Id of the pod of a hook (``pre-1``) or an attempt (``1``), once it is asked for."""
    pod = f"run-{run['metadata']['uid']}-{which}"

    async def there() -> bool:
        return pod in played.sandbox.plans

    await played.until(there, f"pod {pod} is asked for")
    return pod


async def in_state(played: Stage, run: Object, number: int, state: str) -> None:
    async def holds() -> bool:
        found = (await played.status(run)).get("hooks") or []
        return bool(found) and found[number]["state"] == state

    await played.until(holds, f"hook {number} is {state}")


async def test_rights_are_there_for_a_hook_and_not_for_the_agent(played: Stage) -> None:
    seen: dict[str, list[str]] = {}

    async def look(pod: str, plan: PodPlan) -> None:
        assert await played.exists(PERSISTENT_VOLUME_CLAIM, plan.workspace_claim)
        bound = [each for each in await left_of(played, str(run["metadata"]["uid"])) if each.startswith("RoleBinding")]
        seen[pod.partition(f"{run['metadata']['uid']}-")[2]] = [each.rpartition("-")[2] for each in bound]

    played.sandbox.before_start = look
    async with played.controller():
        await played.furnish(sidecar=RIGHTS)
        run = await played.run(lifecycle=BOTH)
        uid = str(run["metadata"]["uid"])
        pod = await started(played, run, "pre-1")
        plan = played.sandbox.plans[pod]
        assert (plan.network, plan.account) == ("api-only", f"run-{uid}--hooks")
        played.sandbox.says(pod, ended())
        await started(played, run, "1")
        assert pod not in played.sandbox.statuses, "and so its token is worthless"
        agent = played.sandbox.plans[f"run-{uid}-1"]
        assert (agent.network, agent.account, agent.workspace_claim) == ("api", "", f"run-{uid}")
        done = asyncio.ensure_future(played.finish(run))
        pod = await started(played, run, "post-1")
        played.sandbox.says(pod, ended(3, message="broken"))
        status = await done
    assert seen == {"pre-1": ["hooks"], "1": ["ops"], "post-1": ["hooks"]}
    assert (status["phase"], status["result"]) == ("Succeeded", "done")
    environment = played.sandbox.plans[pod].containers[0].env
    assert (environment["AGENT_PHASE"], environment["AGENT_RESULT"]) == ("Succeeded", "done")
    assert [each["state"] for each in status["hooks"]] == ["Succeeded", "Failed"]
    await nothing_left(played, uid)
    assert not (await played.cluster.list(ROLE_BINDING, played.namespace)).items

    async def gone() -> bool:
        return not await played.exists(PERSISTENT_VOLUME_CLAIM, f"run-{uid}")

    await played.until(gone, "the claim has gone")


@pytest.mark.parametrize("state", ["Starting", "Running"])
async def test_a_hook_goes_on_under_the_next_controller(played: Stage, state: str) -> None:
    if state == "Starting":
        played.sandbox.at_start = PodStatus("starting", {"hook": ContainerStatus("waiting")})
    async with played.controller():
        await played.furnish()
        run = await played.run(lifecycle=BOTH)
        pod = await started(played, run, "pre-1")
        await in_state(played, run, 0, state)
    played.sandbox.says(pod, ended())
    async with played.controller():
        await started(played, run, "1")
        assert (await played.status(run))["hooks"][0]["state"] == "Succeeded"


async def test_a_hook_that_vanished_while_nobody_looked_is_not_run_again(played: Stage) -> None:
    async with played.controller():
        await played.furnish()
        run = await played.run(lifecycle={"preRun": BOTH["preRun"]})
        pod = await started(played, run, "pre-1")
        played.sandbox.says(pod, RUNNING)
        await in_state(played, run, 0, "Running")
    played.sandbox.statuses.pop(pod)
    played.sandbox.plans.clear()
    async with played.controller():
        status = await played.ended(run)
    assert (status["phase"], status["reason"]) == ("Failed", "InfrastructureError")
    assert status["message"] == "preRun hook 'before' was lost: its pod vanished; a hook is not run twice"
    assert not played.sandbox.plans, "no second start, and no agent"


async def test_a_hook_that_does_not_start_in_its_time(played: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hooks, "START_WITHIN", 3.0)
    why = "ImagePullBackOff: Back-off pulling image"

    played.sandbox.at_start = PodStatus("starting", {"hook": ContainerStatus("waiting")}, message=why)
    async with played.controller():
        await played.furnish()
        run = await played.run(lifecycle={"preRun": BOTH["preRun"]})
        status = await played.ended(run)
    assert (status["phase"], status["reason"]) == ("Failed", "Timeout")
    assert status["message"] == f"preRun hook 'before' did not start within 3 s: {why}"
    assert any(each.startswith("ImagePullBackOff: preRun hook 'before' does not start") for each in await played.events())


async def test_a_policy_that_is_tightened_binds_the_hooks_to_come(played: Stage) -> None:
    async with played.controller():
        await played.furnish(policy={"template": "Permissive"})
        run = await played.run(lifecycle=BOTH)
        played.sandbox.says(await started(played, run, "pre-1"), ended())
        await started(played, run, "1")
        change = {"spec": {"lifecyclePolicy": {"deniedResources": ["pods"]}}}
        await played.cluster.patch(kinds.SYMPOZIUM_POLICY, played.namespace, "p", change)
        status = await played.finish(run)
    assert (status["phase"], status["result"]) == ("Succeeded", "done")
    hook = status["hooks"][1]
    assert (hook["state"], hook["reason"]) == ("Failed", "PolicyDenied")
    assert "policy p denies hooks any right to pods by now" in hook["message"]
    assert "post" not in " ".join(played.sandbox.plans), "it never had a pod"
    assert not (await played.cluster.list(ROLE_BINDING, played.namespace)).items


async def test_a_run_with_nothing_but_a_hook_after_it_has_its_claim_from_the_start(played: Stage) -> None:
    async with played.controller():
        await played.furnish()
        run = await played.run(lifecycle={"postRun": BOTH["postRun"]})
        first = await started(played, run, "1")
        assert await played.exists(PERSISTENT_VOLUME_CLAIM, played.sandbox.plans[first].workspace_claim)
