"""Counting runs that come and go between two looks."""

from __future__ import annotations

from typing import Any

from sympozium_core.controllers.run_totals import RunTotals
from sympozium_core.names import LABEL_INSTANCE


def instance(total: int | None = None) -> dict[str, Any]:
    status = {} if total is None else {"status": {"totalAgentRuns": total}}
    return {"metadata": {"namespace": "team", "name": "agent", "uid": "i"}, **status}


def run(uid: str) -> dict[str, Any]:
    return {"metadata": {"namespace": "team", "name": uid, "uid": uid, "labels": {LABEL_INSTANCE: "agent"}}}


def look(totals: RunTotals, found: dict[str, Any], *uids: str, written: bool = True) -> int:
    count = totals.count(found, [run(uid) for uid in uids])
    if written:
        totals.told(found, count)
    return count.total


def test_each_run_counts_once_however_short_it_was_there() -> None:
    totals, agent = RunTotals(), instance()
    assert look(totals, agent) == 0
    assert look(totals, agent, "a", "b") == 2
    totals.gone(run("a"))
    totals.gone(run("never seen"))
    assert look(totals, agent, "b", "c") == 4
    assert look(totals, agent, "b", "c") == 4
    totals.gone(run("b"))
    totals.gone(run("c"))
    assert look(totals, agent) == 4


def test_what_could_not_be_written_is_in_the_next_count() -> None:
    totals, agent = RunTotals(), instance()
    assert look(totals, agent) == 0
    totals.gone(run("a"))
    assert look(totals, agent, "b", written=False) == 2
    totals.gone(run("b"))
    assert look(totals, agent, "c") == 3


def test_a_run_that_goes_while_the_count_is_written() -> None:
    totals, agent = RunTotals(), instance()
    look(totals, agent)
    count = totals.count(agent, [run("a")])
    totals.gone(run("a"))
    totals.gone(run("b"))
    totals.told(agent, count)
    assert look(totals, agent) == 2


def test_after_a_start_the_total_goes_on_from_what_was_written() -> None:
    assert look(RunTotals(), instance(7), "a", "b") == 7
    assert look(RunTotals(), instance(1), "a", "b") == 2
    totals, agent = RunTotals(), instance(7)
    look(totals, agent, "a")
    assert look(totals, agent, "a", "b") == 8
    totals.forget(agent)
    assert look(totals, instance(), "a") == 1
