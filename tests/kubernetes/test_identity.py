"""The rights of a run's skills on a real API server: what is declared and nothing else, for as long as the run lasts and no longer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from sympozium_core import names
from sympozium_core.bus import subjects
from sympozium_core.contracts.builtin_kinds import (
    CLUSTER_ROLE,
    CLUSTER_ROLE_BINDING,
    CONFIG_MAP,
    NAMESPACE,
    ROLE,
    ROLE_BINDING,
    SECRET,
    SERVICE_ACCOUNT,
)
from sympozium_core.contracts.cluster import Object, ResourceType
from sympozium_core.contracts.plan import PodPlan
from sympozium_core.contracts.sandbox import ContainerStatus, PodStatus
from sympozium_core.controllers.agentrun import running
from sympozium_core.controllers.agentrun.rights import secret_name
from sympozium_core.errors import Permanent
from sympozium_core.planning.identities import account_name
from sympozium_core.resources.kinds import AGENT_RUN
from tests.kubernetes.kubectl import Kubectl, eventually
from tests.kubernetes.stage import Stage

pytestmark = pytest.mark.usefixtures("crds")

ROOT = Path(__file__).parents[2]
RIGHTS = {"rbac": [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "list"]}]}
WIDE = {**RIGHTS, "clusterRBAC": [{"apiGroups": [""], "resources": ["nodes"], "verbs": ["list"]}]}
REFUSED_WITHIN = 10.0
"""Seconds after which no API server takes a token whose Secret is gone: its cache of tokens lasts so long."""

RUN_BOUND = (ROLE, ROLE_BINDING, SERVICE_ACCOUNT, SECRET)
CLUSTER_WIDE = (CLUSTER_ROLE, CLUSTER_ROLE_BINDING)


@pytest.fixture
async def other_namespaces(played: Stage) -> AsyncIterator[tuple[str, str]]:
    both = f"{played.namespace}-payments", f"{played.namespace}-orders"
    for name in both:
        await played.make_namespace(name)
    yield both
    for name in both:
        await played.cluster.delete(NAMESPACE, None, name)


async def token_of(played: Stage, run: Object, pod: str) -> dict[str, Any]:
    told = await played.ask(run, subjects.CREDENTIALS, pod)
    assert set(told) == {"skill-k8s-ops"}
    return dict(told["skill-k8s-ops"])


async def left_of(played: Stage, uid: str) -> list[str]:
    """Everything on the cluster that bears the run's UID."""
    found = []
    for kind in (*RUN_BOUND, *CLUSTER_WIDE):
        page = await played.cluster.list(kind, labels=f"{names.LABEL_RUN_UID}={uid}")
        found += [f"{kind.kind} {each['metadata'].get('namespace')}/{each['metadata']['name']}" for each in page.items]
    return found


async def nothing_left(played: Stage, uid: str) -> None:
    async def none() -> bool:
        return not await left_of(played, uid)

    await played.until(none, "nothing is left", 60)


async def test_a_token_can_do_what_is_declared_until_the_run_ends(
    played: Stage, here: Kubectl, kubectl: Kubectl, tmp_path: Path
) -> None:
    at_start: list[str] = []

    async def look(pod: str, plan: PodPlan) -> None:
        assert plan.network == "api"
        at_start.extend(await left_of(played, str(run["metadata"]["uid"])))

    played.sandbox.before_start = look
    async with played.controller():
        await played.furnish(sidecar=WIDE)
        run = await played.run()
        pod = await played.running(run)
        uid = run["metadata"]["uid"]
        assert sorted(each.split()[0] for each in at_start) == sorted(kind.kind for kind in (*RUN_BOUND, *CLUSTER_WIDE))
        given = await token_of(played, run, pod)
        assert given["namespace"] == played.namespace
        assert given["ca"].startswith("-----BEGIN CERTIFICATE-----")
        assert given["expires"] > time.time() + 550
        skill = here.with_token(given["token"], tmp_path / "kubeconfig")
        assert skill("auth", "whoami", "-o", "jsonpath={.status.userInfo.username}").endswith(
            f":{account_name(uid, 'k8s-ops')}"
        )
        skill("get", "configmaps")
        skill("get", "nodes")
        for denied in (
            ("get", "secrets"),
            ("create", "configmap", "mine"),
            ("delete", "configmap", "kube-root-ca.crt"),
            ("get", "configmaps", "-n", "kube-system"),
            ("get", "pods"),
            ("create", "token", "default"),
            ("get", "agentruns"),
        ):
            assert "forbidden" in skill.refused(*denied).lower(), denied
        status = await played.finish(run)
        assert (status["phase"], status["identities"]) == ("Succeeded", ["k8s-ops"])
        assert not [each for each in await left_of(played, uid) if "Binding" in each or "Secret" in each], (
            "before its end is told"
        )
        over = time.monotonic()
        eventually(lambda: "forbidden" in skill.call("get", "configmaps").stderr.lower(), "its rights are gone at once", 2)
        eventually(
            lambda: "unauthorized" in skill.call("get", "configmaps").stderr.lower(),
            "the token itself is refused",
            REFUSED_WITHIN + 2 - (time.monotonic() - over),
        )
        await nothing_left(played, uid)


async def test_narrowed_rights_hold_in_the_named_namespaces_and_nowhere_else(
    played: Stage, here: Kubectl, tmp_path: Path, other_namespaces: tuple[str, str]
) -> None:
    async with played.controller():
        await played.furnish(sidecar=WIDE, skillConfig={"k8s-ops": {"namespaces": list(other_namespaces)}})
        run = await played.run()
        pod = await played.running(run)
        given = await token_of(played, run, pod)
        assert given["namespace"] == other_namespaces[0]
        skill = here.with_token(given["token"], tmp_path / "kubeconfig")
        for namespace in other_namespaces:
            skill.within(namespace)("get", "configmaps")
        for denied in (("get", "configmaps"), ("get", "nodes"), ("get", "configmaps", "-A")):
            assert "forbidden" in skill.refused(*denied).lower(), denied
        await played.finish(run)
        await nothing_left(played, run["metadata"]["uid"])


async def test_the_agent_and_other_pods_get_no_token(played: Stage) -> None:
    async with played.controller():
        await played.furnish(sidecar=RIGHTS)
        run, other = await played.run(), await played.run()
        pod, foreign = await played.running(run), await played.running(other)
        for wrong in (foreign, "run-nobody-1", ""):
            with pytest.raises(Permanent, match="current attempt"):
                await played.ask(run, subjects.CREDENTIALS, wrong)
        tokens = {(await token_of(played, each, its))["token"] for each, its in ((run, pod), (other, foreign))}
        assert len(tokens) == 2
        await played.finish(run)
        with pytest.raises(Permanent, match="current attempt"):
            await played.ask(run, subjects.CREDENTIALS, pod)


async def test_a_run_without_rights_has_none_of_it(played: Stage) -> None:
    async with played.controller():
        await played.furnish()
        run = await played.run()
        pod = await played.running(run)
        assert await played.ask(run, subjects.CREDENTIALS, pod) == {}
        assert await left_of(played, run["metadata"]["uid"]) == []
        assert "identities" not in await played.finish(run)


async def test_the_writes_of_a_run(played: Stage) -> None:
    """Those of the goal: at most 12 a run, and 5 more for each skill with rights. Its Job, its removal and its first pod's Event of the scheduler are
    the driver's and the cluster's; the network profile is there from the run before."""
    async with played.controller():
        await played.furnish(sidecar=RIGHTS)
        for _ in range(2):
            played.cluster.writes.clear()
            run = await played.run()
            await played.ask(run, subjects.CREDENTIALS, await played.running(run))
            await played.finish(run)
            counted = [
                write for write in played.cluster.writes if not write.endswith(("Instance", "SkillPack", "create AgentRun"))
            ]
    rights = [write for write in counted if "AgentRun" not in write and "Event" not in write]
    assert sorted(rights) == [
        "create Role",
        "create RoleBinding",
        "create Secret",
        "create ServiceAccount",
        "create ServiceAccount/token",
        "delete RoleBinding",
        "delete Secret",
    ]
    assert len(counted) - len(rights) <= 12 - 2, counted


async def test_a_cancelled_run_has_no_rights_while_its_pod_still_ends(played: Stage) -> None:
    at_stop: list[list[str]] = []

    async def look(pod: str) -> None:
        at_stop.append(await left_of(played, str(run["metadata"]["uid"])))

    played.sandbox.before_stop = look
    async with played.controller():
        await played.furnish(sidecar=WIDE)
        run = await played.run()
        await played.running(run)
        await played.cluster.patch(AGENT_RUN, played.namespace, run["metadata"]["name"], {"spec": {"cancel": True}})
        assert (await played.ended(run))["phase"] == "Cancelled"
    assert not [each for each in at_stop[0] if "Binding" in each]


async def test_a_deleted_run_takes_everything_with_it(played: Stage, other_namespaces: tuple[str, str]) -> None:
    async with played.controller():
        await played.furnish(sidecar=WIDE, skillConfig={"k8s-ops": {"namespaces": list(other_namespaces)}})
        run = await played.run()
        await played.running(run)
        name = run["metadata"]["name"]
        await played.cluster.delete(AGENT_RUN, played.namespace, name)

        async def gone() -> bool:
            return not await played.exists(AGENT_RUN, name)

        await played.until(gone, "the run is gone")
        found = await left_of(played, run["metadata"]["uid"])
        assert not [each for each in found if "Binding" in each or each.startswith("ClusterRole") or "-payments/" in each]
        await nothing_left(played, run["metadata"]["uid"])


async def test_what_a_kill_leaves_is_swept(played: Stage, other_namespaces: tuple[str, str]) -> None:
    async with played.controller():
        await played.furnish(sidecar=WIDE, skills=[{"skillPackRef": "k8s-ops"}])
        cluster_wide = await played.run()
        narrowed = await played.run(skills=[{"skillPackRef": "k8s-ops", "params": {"namespaces": ",".join(other_namespaces)}}])
        going = await played.run()
        for run in (cluster_wide, narrowed, going):
            await played.running(run)
    # The controller is gone, and somebody forces two of the runs away.
    for run in (cluster_wide, narrowed):
        await played.cluster.patch(AGENT_RUN, played.namespace, run["metadata"]["name"], {"metadata": {"finalizers": None}})
        await played.cluster.delete(AGENT_RUN, played.namespace, run["metadata"]["name"])
    strangers = [await stranger(played, kind, uid=cluster_wide["metadata"]["uid"]) for kind in (ROLE, CLUSTER_ROLE)]
    async with played.controller():
        for run in (cluster_wide, narrowed):
            await nothing_left_but(played, run["metadata"]["uid"], strangers)
        alive = await left_of(played, going["metadata"]["uid"])
        assert len(alive) == len(RUN_BOUND) + len(CLUSTER_WIDE), "a run that goes on keeps its rights"
        await played.finish(going)
    await played.cluster.delete(CLUSTER_ROLE, None, strangers[1])


async def stranger(played: Stage, kind: ResourceType, uid: str) -> str:
    """Bears the label of a run, and was made by somebody else: with a hostile annotation, too."""
    name = f"somebodys-{played.namespace}"
    meta: Object = {"name": name, "labels": {names.LABEL_RUN_UID: uid}, "annotations": {names.ANNOTATION_RUN: "../../x"}}
    if kind.namespaced:
        meta["namespace"] = played.namespace
    await played.cluster.create(kind, {"metadata": meta, "rules": []})
    return name


async def nothing_left_but(played: Stage, uid: str, strangers: list[str]) -> None:
    async def none() -> bool:
        return all(each.rpartition("/")[2] in strangers for each in await left_of(played, uid))

    await played.until(none, f"nothing is left but {strangers}", 60)


async def test_a_name_that_is_taken_is_not_taken_over(played: Stage) -> None:
    async with played.controller():
        await played.furnish(sidecar=RIGHTS)
        run = await played.run(timeout="1h")
        await played.running(run)
        uid = run["metadata"]["uid"]
    await played.cluster.delete(SERVICE_ACCOUNT, played.namespace, account_name(uid, "k8s-ops"))
    await played.cluster.create(
        SERVICE_ACCOUNT, {"metadata": {"name": account_name(uid, "k8s-ops"), "namespace": played.namespace}}
    )
    async with played.controller():
        pod = f"run-{uid}-1"
        played.sandbox.says(pod, PodStatus("ended", {"agent": ContainerStatus("ended", 1)}))
        status = await played.ended(run)
    assert status["phase"] == "Failed"
    assert "not the run's" in status["message"]


async def test_a_quota_delays_a_run_and_its_user_sees_why(played: Stage, here: Kubectl) -> None:
    here("create", "quota", "few", "--hard=count/serviceaccounts=1")
    eventually(lambda: bool(here.get("quota", "few").get("status", {}).get("used")), "the quota is counted")
    async with played.controller():
        await played.furnish(sidecar=RIGHTS)
        run = await played.run()

        async def said() -> bool:
            return any(event.startswith("RightsRefused") and "quota" in event for event in await played.events())

        await played.until(said, "an Event says so")
        assert f"run-{run['metadata']['uid']}-1" not in played.sandbox.plans
        here("delete", "quota", "few")
        await played.running(run)
        await played.finish(run)


async def test_a_namespace_that_is_nowhere_ends_the_run_with_its_name(played: Stage) -> None:
    async with played.controller():
        await played.furnish(sidecar=RIGHTS, skillConfig={"k8s-ops": {"namespaces": ["nowhere-at-all"]}})
        run = await played.run()
        status = await played.ended(run)
        assert (status["phase"], status["reason"]) == ("Failed", "InfrastructureError")
        assert "nowhere-at-all" in status["message"]
        await nothing_left(played, run["metadata"]["uid"])


async def test_a_later_attempt_has_the_same_rights_and_an_empty_workspace(played: Stage) -> None:
    async with played.controller():
        await played.furnish(sidecar=RIGHTS)
        run = await played.run()
        first = await played.running(run)
        assert (await played.ask(run, subjects.START, first))["workspace"] == "new"
        before = await left_of(played, run["metadata"]["uid"])
        played.sandbox.says(first, PodStatus("ended", {"agent": ContainerStatus("ended", 1)}))
        second = await played.running(run, attempt=2)
        assert (await played.ask(run, subjects.START, second))["workspace"] == "lost"
        assert await left_of(played, run["metadata"]["uid"]) == before
        with pytest.raises(Permanent, match="current attempt"):
            await played.ask(run, subjects.CREDENTIALS, first)
        await token_of(played, run, second)
        await played.finish(run)


async def test_a_pod_that_is_taken_away_costs_no_try_and_not_for_ever(played: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "MAX_LOSSES", 4)
    async with played.controller():
        await played.furnish()
        run = await played.run()
        for attempt in (1, 2, 3, 4):
            pod = await played.running(run, attempt)
            played.sandbox.says(pod, PodStatus("ended", lost=True, message="EvictionByEvictionAPI: Eviction API: evicting"))
        status = await played.ended(run)
    assert (status["phase"], status["reason"], status["attempt"]) == ("Failed", "Evicted", 4)
    assert "failures" not in status
    assert any(event.startswith("Restarted: attempt 2: EvictionByEvictionAPI") for event in await played.events())


async def test_a_pod_that_does_not_start_says_why_once(played: Stage) -> None:
    async with played.controller():
        await played.furnish()
        run = await played.run()
        pod = await played.running(run)
        for seconds in (10, 20, 40):
            status = PodStatus("starting", message=f"ImagePullBackOff: back-off {seconds}s pulling registry.example/x:1")
            played.sandbox.says(pod, status)
            await played.until(lambda: condition(played, run, "False"), "the condition says so")
        played.sandbox.says(pod, PodStatus("running", {"agent": ContainerStatus("running")}))
        await played.until(lambda: condition(played, run, "True"), "the pod came up")
        await played.finish(run)
    said = [event for event in await played.events() if event.startswith("ImagePullBackOff")]
    assert said == ["ImagePullBackOff: back-off 10s pulling registry.example/x:1"]


async def condition(played: Stage, run: Object, value: str) -> bool:
    found = [each for each in (await played.status(run)).get("conditions") or () if each["type"] == "PodReady"]
    return bool(found) and found[0]["status"] == value


async def test_names_are_as_the_api_server_takes_them(played: Stage) -> None:
    """Whatever a SkillPack is called: a custom resource's name may have dots, and be long."""
    uid = "0" * 36
    for skill in ("a", "k8s-ops", "a.b.event", "x" * 253, "-".join(["a"] * 120), "a." * 100 + "a"):
        name = account_name(uid, skill)
        assert len(name) <= 63
        await played.cluster.create(SERVICE_ACCOUNT, {"metadata": {"name": name, "namespace": played.namespace}}, dry_run=True)
    assert account_name(uid, "x" * 60) != account_name(uid, "x" * 61)
    assert len(secret_name(uid)) <= 63
    await asyncio.sleep(0)
    assert await played.exists(CONFIG_MAP, "kube-root-ca.crt")
