"""The seeds' story on a real cluster, with kubectl alone: a Secret, an instance, a run; a Job, a pod, an answer; and nothing left."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from sympozium_core.testing.servers.script import from_data
from tests.kubernetes import runs
from tests.kubernetes.kubectl import Kubectl, eventually
from tests.kubernetes.runs import Model

TASK = "What is the current date and Kubernetes version?"
ANSWER = "It is November, and Kubernetes is 1.36."
CONVERSATIONS = {
    "conversations": [
        {
            "when": "Kubernetes version",
            "turns": [
                {
                    "text": "I look.",
                    "tools": [{"name": "execute_command", "arguments": {"command": "date -u +%Y; echo from-the-sidecar"}}],
                },
                {
                    "text": "And I note it.",
                    "tools": [{"name": "write_file", "arguments": {"path": "/workspace/note", "content": "1.36"}}],
                },
                {"text": ANSWER},
            ],
        },
        {"when": "never ends", "turns": [{"fault": {"kind": "silence"}}]},
    ]
}
KEPT = ("agentruns", "events", "persistentvolumeclaims", "persistentvolumes", "leases", "endpointslices", "endpoints")
"""What a run may leave or change: its record, its Events, the instance's memory; and what the cluster itself renews all the time."""


@pytest.fixture(scope="module")
def model() -> Iterator[Model]:
    with runs.serve_model(from_data(CONVERSATIONS)) as served:
        yield served


@pytest.fixture
def tenant(sympozium: object, here: Kubectl, model: Model) -> Kubectl:
    """A namespace with an instance whose policy allows everything."""
    runs.furnish(here, model)
    return here


def inventory(kubectl: Kubectl, namespace: str) -> set[str]:
    """Every object of the namespace and every cluster-wide one, but for what a run may leave."""
    found: set[str] = set()
    for scope in ("true", "false"):
        names = kubectl("api-resources", "--verbs=list", f"--namespaced={scope}", "-o", "name").split()
        kinds = ",".join(name for name in names if name.split(".")[0] not in KEPT)
        found |= set(kubectl.within(namespace)("get", kinds, "-o", "name", "--ignore-not-found").split())
    return found


def test_the_seeds_six_steps(tenant: Kubectl, kubectl: Kubectl, namespace: str) -> None:
    eventually(lambda: tenant.exists("networkpolicy", "sympozium-run-pods"), "the namespace is closed before any pod")
    before = inventory(kubectl, namespace)
    tenant.apply(runs.run("test-run-001", TASK))
    pod = _pod_seen(tenant, "test-run-001")
    assert pod["metadata"]["ownerReferences"][0]["kind"] == "Job"
    status = runs.until_cleaned(tenant, "test-run-001")
    assert (status["phase"], status["reason"], status["output"], status["result"]) == ("Succeeded", "Completed", ANSWER, ANSWER)
    assert status["tokenUsage"]["totalTokens"] == 3 * 18
    story = tenant("describe", "agentrun", "test-run-001")
    assert all(word in story for word in ("Planned", "Started", "Completed", ANSWER))
    eventually(
        lambda: inventory(kubectl, namespace) == before, f"nothing is left: {_difference(kubectl, namespace, before)}", 60
    )


def _difference(kubectl: Kubectl, namespace: str, before: set[str]) -> str:
    return ", ".join(sorted(inventory(kubectl, namespace) ^ before))


def _pod_seen(tenant: Kubectl, run: str) -> dict[str, Any]:
    """The run's pod, at whatever moment of its life."""
    found: list[dict[str, Any]] = []

    def look() -> bool:
        found[:] = tenant.get("pods", "-l", "sympozium.ai/component=agent-run")["items"]
        return bool(found)

    eventually(look, f"the pod of {run} is there", 60)
    return found[0]


def test_two_runs_share_nothing(tenant: Kubectl) -> None:
    tenant.apply(runs.run("first", TASK), runs.run("second", TASK))
    for name in ("first", "second"):
        assert runs.until_cleaned(tenant, name)["phase"] == "Succeeded"
    pods = {runs.status(tenant, name)["pod"] for name in ("first", "second")}
    assert len(pods) == 2


def test_cancel_ends_a_run_within_seconds(tenant: Kubectl) -> None:
    tenant.apply(runs.run("endless", "a task that never ends"))
    runs.pod_of(tenant, "endless")
    tenant("patch", "agentrun", "endless", "--type=merge", "-p", json.dumps({"spec": {"cancel": True}}))
    status = runs.until_phase(tenant, "endless", "Cancelled", within=30)
    assert status["reason"] == "Cancelled"
    eventually(lambda: not tenant.get("pods")["items"], "its pod is gone", 60)


def test_deleting_a_run_removes_its_pod(tenant: Kubectl) -> None:
    tenant.apply(runs.run("endless", "a task that never ends"))
    runs.pod_of(tenant, "endless")
    tenant("delete", "agentrun", "endless", "--timeout=60s")
    eventually(lambda: not tenant.get("pods,jobs")["items"], "its pod and its Job are gone", 60)


def test_a_missing_secret_is_a_typed_end(sympozium: object, here: Kubectl, model: Model) -> None:
    here.apply(runs.policy(), runs.instance(model))
    here.apply(runs.run("keyless", TASK))
    status = runs.until_phase(here, "keyless", "Failed")
    assert status["reason"] == "ModelError"
    assert "openai-secret" in status["message"]
