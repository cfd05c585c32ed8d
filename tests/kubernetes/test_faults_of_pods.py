"""Pods of runs that are taken away, and pods that do not come up: a run goes on in another pod, waits and says why, or ends typed."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.kubernetes import interrupted, runs
from tests.kubernetes.interrupted import CANCELLED, HOLDS, UNKNOWN, Interrupted
from tests.kubernetes.kubectl import Kubectl, eventually
from tests.kubernetes.runs import Model

pytestmark = pytest.mark.timeout(300)
ABSENT = "localhost/absent:1"


@pytest.fixture(scope="module")
def model() -> Iterator[Model]:
    with runs.serve_model(interrupted.script()) as served:
        yield served


@pytest.fixture
def tenant(sympozium: object, here: Kubectl, model: Model) -> Kubectl:
    """A namespace with an instance."""
    runs.furnish(here, model)
    return here


@pytest.fixture
def under_way(tenant: Kubectl, model: Model) -> Interrupted:
    """Three runs, in the middle of three steps."""
    found = Interrupted(tenant, model)
    found.begin()
    return found


def deleted(here: Kubectl, pod: str) -> None:
    here("delete", "pod", pod, "--wait=false")


def forced(here: Kubectl, pod: str) -> None:
    here("delete", "pod", pod, "--wait=false", "--force", "--grace-period=0")


def evicted(here: Kubectl, pod: str) -> None:
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": pod, "namespace": here.namespace}}
    path = f"/api/v1/namespaces/{here.namespace}/pods/{pod}/eviction"
    here("create", "--raw", path, "-f", "-", stdin=json.dumps(eviction))


def killed(here: Kubectl, pod: str) -> None:
    """Its Job with it, as somebody may do who clears up."""
    here("delete", "job", here.get("pod", pod)["metadata"]["labels"]["sympozium.ai/pod"], "--wait=false")


@pytest.mark.parametrize("taken", [deleted, forced, evicted, killed])
def test_pods_are_taken_away(under_way: Interrupted, taken: Callable[[Kubectl, str], None]) -> None:
    here = under_way.here
    pods = {name: runs.pod_of(here, name) for name in under_way.names}
    assert {name: runs.status(here, name)["podName"] for name in pods} == pods
    for pod in pods.values():
        taken(here, pod)
    under_way.all_succeed(attempts=2)
    assert runs.status(here, HOLDS)["attempt"] == 2
    # Which of the two depends on who ends first: the agent, which gives its calls up, or its bridge.
    assert under_way.told(HOLDS)[0].startswith((UNKNOWN, CANCELLED)), "a call that may have happened is reported, not repeated"


def condition(here: Kubectl, name: str, kind: str = "PodReady") -> dict[str, Any]:
    found: list[dict[str, Any]] = runs.status(here, name).get("conditions") or []
    return next((each for each in found if each["type"] == kind), {})


def until_refused(here: Kubectl, name: str, *reasons: str) -> str:
    """The message of the condition, once it names one of these reasons; the run is Pending all the while."""
    seen: Counter[str] = Counter()

    def looked() -> bool:
        seen[runs.status(here, name).get("phase") or "none"] += 1
        return condition(here, name).get("reason") in reasons

    eventually(looked, f"{name} says {' or '.join(reasons)}", 60)
    assert runs.status(here, name)["phase"] == "Pending"
    assert set(seen) <= {"none", "Pending"}, f"a run whose agent does not run was {dict(seen)}"
    return str(condition(here, name)["message"])


def test_an_image_is_missing(tenant: Kubectl) -> None:
    sidecar = {"image": ABSENT, "command": ["true"]}
    skills = [{"name": "absent", "content": "Nothing."}]
    pack = {"apiVersion": "sympozium.ai/v1alpha1", "kind": "SkillPack", "metadata": {"name": "absent"}}
    tenant.apply({**pack, "spec": {"skills": skills, "sidecar": sidecar}})
    tenant.apply(runs.run("imageless", "one that never starts", skills=["absent"], timeout="5s"))
    message = until_refused(tenant, "imageless", "ErrImageNeverPull", "ErrImagePull", "ImagePullBackOff")
    assert ABSENT in message
    status = runs.until_phase(tenant, "imageless", "Succeeded", "Failed", "Running", within=60)
    assert (status["phase"], status["reason"]) == ("Failed", "Timeout")
    assert ABSENT in status["message"]
    eventually(lambda: not tenant.get("pods,jobs")["items"], "nothing is left", 60)


def quota(here: Kubectl, name: str, hard: str) -> None:
    here("create", "quota", name, f"--hard={hard}")
    eventually(lambda: bool(here.get("quota", name).get("status", {}).get("hard")), "the quota is in force")


@pytest.mark.parametrize(("hard", "reason"), [("count/jobs.batch=0", "QuotaExceeded"), ("pods=0", "FailedCreate")])
def test_a_quota_has_no_room_and_then_it_has(tenant: Kubectl, hard: str, reason: str) -> None:
    quota(tenant, "none", hard)
    tenant.apply(*(runs.run(name, f"one that {name}") for name in ("waits", "waits-too")))
    for name in ("waits", "waits-too"):
        assert "exceeded quota: none" in until_refused(tenant, name, reason)
    tenant("delete", "quota", "none")
    for name in ("waits", "waits-too"):
        status = runs.until_phase(tenant, name, "Succeeded", "Failed")
        assert (status["phase"], status["attempt"], status.get("failures")) == ("Succeeded", 1, None)
        assert condition(tenant, name)["status"] == "True"


def test_a_quota_that_never_has_room_is_a_typed_end(tenant: Kubectl) -> None:
    quota(tenant, "none", "count/jobs.batch=0")
    tenant.apply(runs.run("waits", "one that waits", timeout="5s"))
    status = runs.until_phase(tenant, "waits", "Succeeded", "Failed", within=60)
    assert (status["phase"], status["reason"]) == ("Failed", "Timeout")
    assert "exceeded quota: none" in status["message"]
    assert "raise its ResourceQuota" in status["message"]


def test_a_run_that_waits_for_room_can_be_cancelled(tenant: Kubectl) -> None:
    quota(tenant, "none", "count/jobs.batch=0")
    tenant.apply(runs.run("waits", "one that waits"))
    until_refused(tenant, "waits", "QuotaExceeded")
    tenant("patch", "agentrun", "waits", "--type=merge", "-p", json.dumps({"spec": {"cancel": True}}))
    assert runs.until_phase(tenant, "waits", "Succeeded", "Failed", "Cancelled", within=30)["phase"] == "Cancelled"


def test_no_node_fits(tenant: Kubectl) -> None:
    selector = {"model": "gpt-4o", "nodeSelector": {"example.com/none": "such"}}
    tenant.apply(runs.run("homeless", "one that never starts", model=selector, timeout="5s"))
    assert "node" in until_refused(tenant, "homeless", "Unschedulable", "FailedScheduling")
    status = runs.until_phase(tenant, "homeless", "Succeeded", "Failed", within=60)
    assert (status["phase"], status["reason"]) == ("Failed", "Timeout")
    assert "node" in status["message"]


def test_the_memorys_claim_binds_late(sympozium: object, here: Kubectl, kubectl: Kubectl, model: Model, namespace: str) -> None:
    """A run waits for the volume of its memory, says so, and goes on when it comes."""
    asked = {"accessModes": ["ReadWriteOnce"], "storageClassName": namespace}
    claim = {**asked, "resources": {"requests": {"storage": "1Gi"}}}
    meta = {"name": "my-first-agent-memory"}
    here.apply({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": meta, "spec": claim})
    runs.furnish(here, model, memory={"enabled": True})
    here.apply(runs.run("patient", "one that waits"))

    def waits() -> bool:
        conditions = runs.status(here, "patient").get("conditions") or []
        return any(each["type"] == "PodReady" and "PersistentVolumeClaim" in each.get("message", "") for each in conditions)

    eventually(waits, "the run says what it waits for", 60)
    place = {"path": f"/tmp/{namespace}", "type": "DirectoryOrCreate"}
    volume = {**asked, "capacity": {"storage": "1Gi"}, "hostPath": place}
    kubectl.apply({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": namespace}, "spec": volume})
    try:
        assert runs.until_phase(here, "patient", "Succeeded", "Failed")["phase"] == "Succeeded"
    finally:
        kubectl("delete", "persistentvolume", namespace, "--wait=false")
