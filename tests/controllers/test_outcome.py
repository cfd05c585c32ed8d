from __future__ import annotations

from typing import Any

import pytest

from sympozium_core.contracts.sandbox import ContainerStatus, PodStatus
from sympozium_core.controllers.agentrun.outcome import (
    Outcome,
    from_pod,
    from_result,
    never_approved,
    not_cancelled,
    taken_away,
    timed_out,
    unapproved,
)
from sympozium_core.names import Phase, Reason


@pytest.mark.parametrize(
    ("entry", "phase", "reason"),
    [
        ({"status": "success", "response": "done"}, Phase.SUCCEEDED, Reason.COMPLETED),
        ({"status": "error", "reason": "ModelError", "error": "no"}, Phase.FAILED, Reason.MODEL_ERROR),
        ({"status": "error", "reason": "Timeout", "error": "no"}, Phase.FAILED, Reason.TIMEOUT),
        ({"status": "error", "reason": "BudgetExceeded", "error": "no"}, Phase.FAILED, Reason.BUDGET_EXCEEDED),
        ({"status": "error", "reason": "Cancelled", "error": "no"}, Phase.CANCELLED, Reason.CANCELLED),
        # What only the control plane can know, an agent cannot claim.
        ({"status": "error", "reason": "PolicyDenied", "error": "no"}, Phase.FAILED, Reason.TOOL_ERROR),
        ({"status": "error", "reason": "Completed", "error": "no"}, Phase.FAILED, Reason.TOOL_ERROR),
        ({"status": "error", "reason": "nonsense", "error": "no"}, Phase.FAILED, Reason.TOOL_ERROR),
        ({"status": "error", "reason": ["list"]}, Phase.FAILED, Reason.TOOL_ERROR),
    ],
)
def test_a_result_becomes_a_phase_and_a_reason(entry: dict[str, Any], phase: Phase, reason: Reason) -> None:
    outcome = from_result(entry)
    assert (outcome.phase, outcome.reason) == (phase, reason)
    assert outcome.message or phase is Phase.SUCCEEDED


def test_a_long_answer_is_a_pointer() -> None:
    outcome = from_result({"status": "success", "response": "head", "artifact": "response.txt", "size": 3_000_000})
    assert (outcome.response, outcome.artifact, outcome.size) == ("head", "response.txt", 3_000_000)


@pytest.mark.parametrize(
    ("containers", "reason", "fragment"),
    [
        ({"agent": ContainerStatus("ended", 1, message="boom")}, Reason.INFRASTRUCTURE_ERROR, "boom"),
        ({"agent": ContainerStatus("ended", -9)}, Reason.INFRASTRUCTURE_ERROR, "signal 9"),
        ({"agent": ContainerStatus("ended", -9, out_of_memory=True)}, Reason.OUT_OF_MEMORY, "memory"),
        (
            {"bridge": ContainerStatus("ended", 1), "agent": ContainerStatus("ended", -9, out_of_memory=True)},
            Reason.OUT_OF_MEMORY,
            "memory",
        ),
        ({}, Reason.INFRASTRUCTURE_ERROR, "vanished"),
        ({"agent": ContainerStatus("ended", 0)}, Reason.INFRASTRUCTURE_ERROR, "vanished"),
    ],
)
def test_a_pod_without_a_result_ends_typed(containers: dict[str, ContainerStatus], reason: Reason, fragment: str) -> None:
    outcome = from_pod(PodStatus("ended", containers), attempts=2)
    assert outcome.phase is Phase.FAILED
    assert outcome.reason is reason
    assert fragment in outcome.message


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ("Evicted: Pod ephemeral local storage usage exceeds the total limit of containers 1Gi.", Reason.EVICTED),
        ("TerminationByKubelet: The node was low on resource: memory.", Reason.EVICTED),
        ("DeadlineExceeded: Pod was active on the node longer than the specified deadline", Reason.INFRASTRUCTURE_ERROR),
    ],
)
def test_what_ended_a_pod_from_outside_explains_its_end(message: str, reason: Reason) -> None:
    outcome = from_pod(PodStatus("ended", {"agent": ContainerStatus("ended", -9)}, message=message), attempts=3)
    assert outcome.reason is reason
    assert message in outcome.message
    assert taken_away(PodStatus("ended", lost=True, message=message), 10).reason is Reason.EVICTED


def test_a_timeout_says_why_the_pod_never_started() -> None:
    assert "FailedScheduling: 0/1 nodes" in timed_out(90, "FailedScheduling: 0/1 nodes are available").message


def test_only_the_control_plane_cancels() -> None:
    claimed = from_result({"status": "error", "reason": "Cancelled", "response": "partly", "error": "signal SIGTERM"})
    outcome = not_cancelled(claimed)
    assert (outcome.phase, outcome.reason, outcome.response) == (Phase.FAILED, Reason.TOOL_ERROR, "partly")
    assert "signal SIGTERM" in outcome.message


def test_a_timeout_says_what_to_raise() -> None:
    assert "spec.timeout" in timed_out(90).message


@pytest.mark.parametrize(("approval", "reason"), [("denied", Reason.APPROVAL_DENIED), ("expired", Reason.APPROVAL_TIMEOUT)])
def test_an_agent_that_gives_up_after_a_denial_by_a_person(approval: str, reason: Reason) -> None:
    failed = Outcome(Phase.FAILED, Reason.TOOL_ERROR, "cannot go on")
    outcome = unapproved(failed, {"approval": approval, "because": "execute_command was denied by bob: no"})
    assert (outcome.phase, outcome.reason) == (Phase.FAILED, reason)
    assert outcome.message == "execute_command was denied by bob: no; then: cannot go on"


def test_time_that_is_over_while_a_person_is_asked() -> None:
    outcome = never_approved(timed_out(60.0), ["execute_command", "execute_command", "kube_delete"])
    assert (outcome.phase, outcome.reason) == (Phase.FAILED, Reason.APPROVAL_TIMEOUT)
    assert "approval of execute_command, kube_delete" in outcome.message
