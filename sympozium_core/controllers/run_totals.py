"""How many runs there have been of each instance: a number that never falls, and has those too that were pruned before anybody was told of them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from sympozium_core.controllers.agentrun.context import instance_key, key_of_instance
from sympozium_core.reconcile.cache import View


class Count(NamedTuple):
    total: int
    there: frozenset[str]
    """UIDs of the runs in it that could be seen."""
    gone: frozenset[str]
    """UIDs of those that had gone."""


class RunTotals:
    """`count`, write it, then say that it is `told`: what could not be written is in the next one."""

    def __init__(self) -> None:
        self._told: dict[str, Count] = {}
        """By the instance's UID."""
        self._gone: dict[str, set[str]] = {}
        """By namespace and label of their instance: the UIDs of runs that went, until they are in a count that is told."""

    def gone(self, run: View) -> None:
        self._gone.setdefault(instance_key(run), set()).add(run["metadata"]["uid"])

    def count(self, instance: View, seen: Iterable[View]) -> Count:
        """`seen` are its runs that somebody has looked at. The first time they may all be in the total that is written already."""
        there = frozenset(run["metadata"]["uid"] for run in seen)
        gone = frozenset(self._gone.get(key_of_instance(instance), ()))
        before = self._told.get(instance["metadata"]["uid"])
        if before is None:
            return Count(max(len(there), int((instance.get("status") or {}).get("totalAgentRuns") or 0)), there, gone)
        return Count(before.total + len((there | gone) - before.there), there, gone)

    def told(self, instance: View, count: Count) -> None:
        self._told[instance["metadata"]["uid"]] = count
        left = self._gone.get(key_of_instance(instance), set()) - count.gone
        if left:
            self._gone[key_of_instance(instance)] = left
        else:
            self._gone.pop(key_of_instance(instance), None)

    def forget(self, instance: View) -> None:
        self._told.pop(instance["metadata"]["uid"], None)
        self._gone.pop(key_of_instance(instance), None)
