"""What a Pod's status means: a table of what kubelets and controllers write."""

from __future__ import annotations

from typing import Any

import pytest
from sympozium_sandbox_kubernetes.status import ends_by_itself, gone_status, has_processes, is_broken_off, pod_status

from sympozium_core.contracts.sandbox import ContainerStatus

WAITING = ContainerStatus("waiting")
RUNNING = ContainerStatus("running")


def state(**what: Any) -> dict[str, Any]:
    return {"state": what}


def terminated(code: int, at: str = "2026-01-01T00:00:05Z", **more: Any) -> dict[str, Any]:
    return {"terminated": {"exitCode": code, "finishedAt": at, **more}}


def pod(
    phase: str,
    agent: dict[str, Any] | None = None,
    bridge: dict[str, Any] | None = None,
    *,
    deleted: bool = False,
    **status: Any,
) -> dict[str, Any]:
    meta = {"name": "p", **({"deletionTimestamp": "2026-01-01T00:01:00Z"} if deleted else {})}
    return {
        "metadata": meta,
        "spec": {"nodeName": "n", "containers": [{"name": "agent"}], "initContainers": [{"name": "bridge"}]},
        "status": {
            "phase": phase,
            "containerStatuses": [{"name": "agent", "restartCount": 0, **agent}] if agent else [],
            "initContainerStatuses": [{"name": "bridge", "restartCount": 0, **bridge}] if bridge else [],
            **status,
        },
    }


def hook_pod(ended: dict[str, Any]) -> dict[str, Any]:
    container = {"name": "hook", "terminationMessagePath": "/ipc/control/skip"}
    return {
        "metadata": {"name": "p"},
        "spec": {"nodeName": "n", "containers": [container]},
        "status": {"phase": "Succeeded", "containerStatuses": [{"name": "hook", "restartCount": 0, "state": ended}]},
    }


@pytest.mark.parametrize(
    ("ended", "expected"),
    [
        (terminated(0), ContainerStatus("ended", 0)),
        (terminated(0, message=" Nothing to do.\n"), ContainerStatus("ended", 0, said="Nothing to do.")),
        (terminated(0, message="é" * 4000), ContainerStatus("ended", 0, said="é" * 2048)),
        (terminated(2, message="boom"), ContainerStatus("ended", 2, message="boom")),
    ],
)
def test_what_a_hook_says_counts_when_it_succeeded(ended: dict[str, Any], expected: ContainerStatus) -> None:
    assert pod_status(hook_pod(ended)).containers["hook"] == expected


def test_an_agent_says_nothing_by_its_termination_message() -> None:
    status = pod_status(pod("Succeeded", {"state": terminated(0, message="skip, please")}))
    assert status.containers["agent"].said == ""


UP = state(running={})
CREATING = state(waiting={"reason": "ContainerCreating"})


@pytest.mark.parametrize(
    ("given", "expected", "agent", "bridge"),
    [
        (pod("Pending"), "starting", WAITING, WAITING),
        (pod("Pending", CREATING, UP), "starting", WAITING, RUNNING),
        (pod("Running", UP, UP), "running", RUNNING, RUNNING),
        (pod("Running", {"state": terminated(0)}, UP), "running", ContainerStatus("ended", 0), RUNNING),
        (pod("Running", UP, {"state": terminated(1)}), "running", RUNNING, ContainerStatus("ended", 1)),
        (pod("Running", {"state": terminated(3)}, {"state": terminated(0)}), "ended", ContainerStatus("ended", 3), ContainerStatus("ended", 0)),
        (pod("Succeeded", {"state": terminated(0)}, {"state": terminated(0)}), "ended", ContainerStatus("ended", 0), ContainerStatus("ended", 0)),
        (pod("Failed"), "ended", WAITING, WAITING),
        # A signal is a negative code; 128 itself is no signal, nor is what lies above all of them.
        (pod("Running", {"state": terminated(137)}, UP), "running", ContainerStatus("ended", -9), RUNNING),
        (pod("Running", {"state": terminated(128)}, UP), "running", ContainerStatus("ended", 128), RUNNING),
        (pod("Running", {"state": terminated(255)}, UP), "running", ContainerStatus("ended", 255), RUNNING),
        (
            pod("Running", {"state": terminated(137, reason="OOMKilled")}, UP),
            "running",
            ContainerStatus("ended", -9, out_of_memory=True),
            RUNNING,
        ),
        (
            pod("Running", {"state": terminated(2, message="words\n")}, UP),
            "running",
            ContainerStatus("ended", 2, message="words\n"),
            RUNNING,
        ),
        # A sidecar that was started again has ended all the same.
        (
            pod("Running", UP, {"restartCount": 1, "state": {"running": {}}, "lastState": terminated(3)}),
            "running",
            RUNNING,
            ContainerStatus("ended", 3),
        ),
        (
            pod("Running", UP, {"restartCount": 2, "state": {"waiting": {"reason": "CrashLoopBackOff"}}, "lastState": terminated(4)}),
            "running",
            RUNNING,
            ContainerStatus("ended", 4),
        ),
    ],
)  # fmt: skip
def test_states(given: dict[str, Any], expected: str, agent: ContainerStatus, bridge: ContainerStatus) -> None:
    found = pod_status(given)
    assert (found.state, found.containers["agent"], found.containers["bridge"]) == (expected, agent, bridge)
    assert not found.lost


def condition(kind: str, status: str, reason: str = "", message: str = "") -> dict[str, Any]:
    return {"conditions": [{"type": kind, "status": status, "reason": reason, "message": message}]}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (pod("Pending"), ""),
        (pod("Pending", CREATING), ""),
        (pod("Pending", state(waiting={"reason": "PodInitializing"})), ""),
        (pod("Pending", **condition("PodScheduled", "False", "Unschedulable", "0/3 nodes\nare available")), "Unschedulable: 0/3 nodes are available"),
        (pod("Pending", **condition("PodScheduled", "True")), ""),
        (pod("Pending", state(waiting={"reason": "ImagePullBackOff", "message": "Back-off pulling x"})), "ImagePullBackOff: Back-off pulling x"),
        (pod("Pending", CREATING, state(waiting={"reason": "CreateContainerConfigError"})), "CreateContainerConfigError: container bridge waits"),
        (pod("Running", UP, UP), ""),
    ],
)  # fmt: skip
def test_why_it_does_not_start(given: dict[str, Any], message: str) -> None:
    assert pod_status(given).message == message


DISRUPTED = condition("DisruptionTarget", "True", "EvictionByEvictionAPI", "Eviction API: evicting")


@pytest.mark.parametrize(
    ("given", "lost", "message"),
    [
        (pod("Running", UP, UP, deleted=True), True, "Deleted: the pod was deleted by somebody else"),
        (pod("Running", UP, UP, **DISRUPTED), True, "EvictionByEvictionAPI: Eviction API: evicting"),
        (pod("Running", UP, UP, **condition("DisruptionTarget", "False", "x")), False, ""),
        (pod("Failed", reason="OutOfcpu", message="Node didn't have enough resource"), True, "OutOfcpu: Node didn't have enough resource"),
        (pod("Failed", reason="NodeShutdown", message="m"), True, "NodeShutdown: m"),
        (pod("Failed", {"state": terminated(137)}, reason="Evicted", message="Usage of EmptyDir exceeds"), False, "Evicted: Usage of EmptyDir exceeds"),
        (pod("Failed", {"state": terminated(137)}, reason="Evicted", message="low on memory", **condition("DisruptionTarget", "True", "TerminationByKubelet", "low")), True, "TerminationByKubelet: low"),
        (pod("Failed", reason="DeadlineExceeded", message="m"), False, "DeadlineExceeded: m"),
        (pod("Failed", {"state": terminated(137, reason="ContainerStatusUnknown")}), True, "NodeLost: the node was away when the agent's container ended"),
        (pod("Failed", {"state": terminated(137, reason="ContainerStatusUnknown")}, reason="Evicted", message="m"), False, "Evicted: m"),
        (pod("Failed", {"state": terminated(1, reason="Error")}), False, ""),
    ],
)  # fmt: skip
def test_what_is_no_failure_of_the_runs(given: dict[str, Any], lost: bool, message: str) -> None:
    found = pod_status(given)
    assert (found.lost, found.message) == (lost, message)
    assert not pod_status(given, ours=True).lost


def test_the_first_failure_explains_the_end() -> None:
    later, earlier = terminated(143, "2026-01-01T00:00:09Z"), terminated(2, "2026-01-01T00:00:03Z")
    for agent, bridge, code in ((earlier, later, 2), (later, earlier, 2), (earlier, earlier, 2)):
        worst = pod_status(pod("Failed", {"state": agent}, {"state": bridge})).worst()
        assert worst is not None
        assert worst.exit_code == code
    both = pod_status(pod("Failed", {"state": terminated(1)}, {"state": terminated(2)}))
    assert list(both.containers) == ["agent", "bridge"]


def test_a_message_is_cut_at_a_character() -> None:
    found = pod_status(pod("Running", {"state": terminated(1, message="ä" * 5000)}, UP)).containers["agent"].message
    assert found == "ä" * 1024
    assert len(pod_status(pod("Failed", reason="Evicted", message="x" * 5000)).message) == 500


@pytest.mark.parametrize("ours", [True, False])
def test_what_is_gone_has_ended(ours: bool) -> None:
    found = gone_status(pod("Running", {"state": terminated(5)}, UP), ours=ours)
    assert (found.state, found.lost) == ("ended", not ours)
    assert found.containers["agent"] == ContainerStatus("ended", 5)
    assert found.containers["bridge"] == ContainerStatus("ended", -9, message="ended with its pod")
    assert found.message == ("" if ours else "Deleted: the pod was deleted by somebody else")


def test_an_end_that_was_seen_stays_one_when_the_pod_goes() -> None:
    found = gone_status(pod("Failed", {"state": terminated(5)}, {"state": terminated(0)}), ours=False)
    assert (found.state, found.lost) == ("ended", False)


def test_who_may_still_have_processes() -> None:
    assert has_processes(pod("Running", UP, UP, deleted=True))
    assert not has_processes(pod("Failed"))
    unscheduled = pod("Pending", deleted=True)
    del unscheduled["spec"]["nodeName"]
    assert not has_processes(unscheduled)
    assert ends_by_itself(pod("Running", {"state": terminated(0)}, UP))
    assert not ends_by_itself(pod("Running", UP, UP))
    assert is_broken_off(pod("Running", UP, UP, **condition("DisruptionTarget", "True", "DeletionByTaintManager")))
    assert not is_broken_off(pod("Running", UP, UP, **DISRUPTED))


@pytest.mark.parametrize("broken", [{}, {"metadata": {}}, {"status": {}}, {"spec": {}, "status": {"phase": "Pending"}}])
def test_a_pod_without_a_status_is_no_error(broken: dict[str, Any]) -> None:
    assert pod_status(broken).containers == {}
