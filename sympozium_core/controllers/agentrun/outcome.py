"""How a run ended, from the bridge's result entry or, where there is none, from what became of the pod."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from sympozium_core.contracts.sandbox import PodStatus
from sympozium_core.names import Phase, Reason

_EVICTED = ("Evicted:", "TerminationByKubelet:", "EvictionByEvictionAPI:", "PreemptionByScheduler:")
HEAD = 64 * 1024
"""Bytes of the answer that stand in the status itself; a longer one is kept whole as an artifact."""


@dataclass(frozen=True)
class Outcome:
    phase: Phase
    reason: Reason
    message: str = ""
    response: str = ""
    artifact: str = ""
    """Name of the artifact with the whole answer; empty when `response` is whole."""
    size: int = 0
    metrics: Mapping[str, Any] = field(default_factory=dict)
    """The agent's own claim: shown, never billed."""


def from_result(entry: Mapping[str, Any]) -> Outcome:
    """From a `result` entry, which the bridge has checked."""
    response = str(entry.get("response") or "")
    if entry.get("status") == "success":
        return Outcome(
            Phase.SUCCEEDED,
            Reason.COMPLETED,
            response=response,
            artifact=str(entry.get("artifact") or ""),
            size=int(entry.get("size") or len(response.encode())),
            metrics=entry.get("metrics") or {},
        )
    reason = _reason(entry.get("reason"))
    return Outcome(
        Phase.CANCELLED if reason is Reason.CANCELLED else Phase.FAILED,
        reason,
        message=str(entry.get("error") or "the agent reported an error without a message"),
        response=response,
        metrics=entry.get("metrics") or {},
    )


def was_evicted(status: PodStatus) -> bool:
    return status.message.startswith(_EVICTED)


def from_pod(status: PodStatus, attempts: int) -> Outcome:
    """A pod that is gone without a result, after the last attempt."""
    worst = status.worst()
    if worst is not None and worst.out_of_memory:
        return Outcome(
            Phase.FAILED, Reason.OUT_OF_MEMORY, "the agent's pod ran out of memory; give it more in sandbox.resources"
        )
    how, reason = "the pod vanished", Reason.INFRASTRUCTURE_ERROR
    if status.message:
        how = status.message
        reason = Reason.EVICTED if was_evicted(status) else reason
    elif worst is not None:
        code = worst.exit_code or 0
        ended = f"signal {-code}" if code < 0 else f"exit code {code}"
        how = f"a container ended with {ended}" + (f": {worst.message[-500:]}" if worst.message else "")
    tries = f"after {attempts} attempts" if attempts > 1 else "at its first attempt"
    return Outcome(Phase.FAILED, reason, f"no result {tries}: {how}")


def taken_away(status: PodStatus, times: int) -> Outcome:
    """A run whose pods do not stay: each was taken from it by its runtime."""
    return Outcome(Phase.FAILED, Reason.EVICTED, f"no result: its pod was taken away {times} times, at last {status.message}")


def timed_out(seconds: float, never_ready: str = "") -> Outcome:
    """`never_ready` is why the pod did not come up, where it did not."""
    if never_ready:
        return Outcome(Phase.FAILED, Reason.TIMEOUT, f"not finished within {seconds:g} s: its pod did not start: {never_ready}")
    return Outcome(
        Phase.FAILED, Reason.TIMEOUT, f"not finished within {seconds:g} s; raise spec.timeout if the task needs longer"
    )


def unapproved(outcome: Outcome, denial: Mapping[str, Any]) -> Outcome:
    """A run that failed after a `tool.denied` of a call that needed approval, without having called anything since."""
    reason = Reason.APPROVAL_DENIED if denial.get("approval") == "denied" else Reason.APPROVAL_TIMEOUT
    return replace(outcome, reason=reason, message=f"{denial.get('because')}; then: {outcome.message}")


def never_approved(outcome: Outcome, tools: Sequence[str]) -> Outcome:
    """A run whose time was over while calls of these tools waited for a person."""
    waited = ", ".join(dict.fromkeys(tools))
    hint = "decide earlier, or raise spec.timeout: waiting counts"
    message = f"its time was over while it waited for approval of {waited} ({hint})"
    return replace(outcome, phase=Phase.FAILED, reason=Reason.APPROVAL_TIMEOUT, message=message)


def cancelled(because: str) -> Outcome:
    return Outcome(Phase.CANCELLED, Reason.CANCELLED, because)


def not_cancelled(claimed: Outcome) -> Outcome:
    """A result that says Cancelled for a run that nobody has cancelled: the pod's own claim."""
    return replace(
        claimed, phase=Phase.FAILED, reason=Reason.TOOL_ERROR, message=f"the agent gave up by itself: {claimed.message}"
    )


def out_of_budget(outcome: Outcome, because: str) -> Outcome:
    """A run that failed after the gateway had met one of its limits, which no agent can take back or make up."""
    return replace(outcome, reason=Reason.BUDGET_EXCEEDED, message=because)


def _reason(value: object) -> Reason:
    """The agent names its own reason; what only the control plane can know, it cannot claim."""
    claimable = (Reason.MODEL_ERROR, Reason.TOOL_ERROR, Reason.BUDGET_EXCEEDED, Reason.TIMEOUT, Reason.CANCELLED)
    return next((reason for reason in claimable if reason == value), Reason.TOOL_ERROR)
