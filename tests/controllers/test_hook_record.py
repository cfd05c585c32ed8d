"""What the record of a run's hooks says: how one ended, whose turn it is, what becomes of the rest."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from sympozium_core.contracts.sandbox import ContainerStatus, PodStatus
from sympozium_core.controllers.agentrun.hook_record import (
    HookEnd,
    HookState,
    before_agent,
    changed,
    closed,
    current,
    end_of,
    failed,
)
from sympozium_core.names import Reason


def pod(code: int | None, **more: Any) -> PodStatus:
    return PodStatus("ended", {"hook": ContainerStatus("ended", code, **more)})


LOST = replace(pod(-9), lost=True)


@pytest.mark.parametrize(
    ("status", "end"),
    [
        (pod(0), HookEnd(exit_code=0)),
        (pod(0, said="Nothing to do."), HookEnd(exit_code=0, said="Nothing to do.")),
        (pod(3), HookEnd(Reason.TOOL_ERROR, "ended with exit code 3", 3)),
        (pod(3, message="one\n  two  \n\n"), HookEnd(Reason.TOOL_ERROR, "ended with exit code 3: two", 3)),
        (pod(-15), HookEnd(Reason.TOOL_ERROR, "ended with signal 15", -15)),
        (pod(-9, out_of_memory=True), HookEnd(Reason.OUT_OF_MEMORY, "ran out of memory", -9)),
        (
            replace(LOST, message="Evicted: the node was low on memory"),
            HookEnd(Reason.EVICTED, "was lost: Evicted: the node was low on memory; a hook is not run twice"),
        ),
        (LOST, HookEnd(Reason.INFRASTRUCTURE_ERROR, "was lost: its pod vanished; a hook is not run twice")),
        (PodStatus("ended"), HookEnd(Reason.INFRASTRUCTURE_ERROR, "was lost: its pod vanished; a hook is not run twice")),
    ],
)
def test_how_a_hook_ended(status: PodStatus, end: HookEnd) -> None:
    assert end_of(status) == end


def test_last_words_are_bounded() -> None:
    assert len(end_of(pod(1, message="x" * 2000)).message) < 600


def run(*states: str, **status: Any) -> dict[str, Any]:
    phases = {"a": "preRun", "b": "preRun", "c": "postRun"}
    hooks = [
        {"name": name, "phase": phase, "pod": name, "state": state}
        for (name, phase), state in zip(phases.items(), states, strict=True)
    ]
    return {"metadata": {"uid": "u"}, "spec": {}, "status": {"hooks": hooks, **status}}


@pytest.mark.parametrize(
    ("states", "before", "after", "broken"),
    [
        (("Waiting", "Waiting", "Waiting"), "a", "c", None),
        (("Succeeded", "Starting", "Waiting"), "b", "c", None),
        (("Succeeded", "Running", "Waiting"), "b", "c", None),
        (("Failed", "Waiting", "Waiting"), "b", "c", "a"),
        (("Succeeded", "Succeeded", "Running"), None, "c", None),
        (("Succeeded", "Succeeded", "Failed"), None, None, None),
        (("Succeeded", "Skipped", "Skipped"), None, None, None),
    ],
)
def test_whose_turn_it_is(states: tuple[str, ...], before: str | None, after: str | None, broken: str | None) -> None:
    given = run(*states)
    found = current(given, "preRun"), current(given, "postRun"), failed(given, "preRun")
    assert [entry and entry["name"] for entry in found] == [before, after, broken]


def test_the_agents_turn_comes_with_the_condition_alone() -> None:
    assert before_agent(run("Succeeded", "Succeeded", "Waiting"))
    done = [{"type": "PreRun", "status": "True"}]
    assert not before_agent(run("Succeeded", "Succeeded", "Waiting", conditions=done))
    assert not before_agent({"metadata": {}, "spec": {}, "status": {}})


def test_at_the_end_of_the_run_every_hook_is_over() -> None:
    found = closed(run("Succeeded", "Running", "Waiting"), now=0.0)
    assert found is not None
    assert [entry["state"] for entry in found] == ["Succeeded", "Failed", "Skipped"]
    assert all(HookState(entry["state"]).over for entry in found)
    assert closed({"status": {}}, now=0.0) is None


def test_a_change_is_of_one_hook() -> None:
    given = run("Waiting", "Waiting", "Waiting")
    entry = given["status"]["hooks"][1]
    found = changed(given, {**entry, "message": "old"}, state=HookState.RUNNING, message=None)
    assert [each["state"] for each in found] == ["Waiting", "Running", "Waiting"]
    assert "message" not in found[1]
