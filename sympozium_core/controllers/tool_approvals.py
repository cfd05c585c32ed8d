"""ToolApproval: its status says how the call's wait stands; it expires here, whatever has been restarted meanwhile."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from sympozium_core.clock import Clock, parse_rfc3339
from sympozium_core.contracts.approvals import Decision
from sympozium_core.contracts.cluster import Cluster, Conflict, NotFound
from sympozium_core.controllers.agentrun.context import INDEX_UID
from sympozium_core.controllers.agentrun.status import Stage, stage_of
from sympozium_core.names import ApprovalPhase
from sympozium_core.reconcile.cache import IndexFunction, View
from sympozium_core.reconcile.conditions import with_condition
from sympozium_core.reconcile.controller import DONE, Controller, Result, Source
from sympozium_core.reconcile.events import EventRecorder
from sympozium_core.reconcile.informer import Informer
from sympozium_core.reconcile.key import Key, key_of
from sympozium_core.reconcile.patching import patch_status
from sympozium_core.resources.kinds import AGENT_RUN, TOOL_APPROVAL

INDEX_RUN = "uid of its run"
INDEXES: Mapping[str, IndexFunction] = {INDEX_RUN: lambda approval: (str(approval["spec"].get("runUID")),)}
"""Of the informer of approvals."""
_DECIDED = {"Approved": ApprovalPhase.APPROVED, "Denied": ApprovalPhase.DENIED}
_EVENTS = {
    ApprovalPhase.APPROVED: ("Normal", "Approved"),
    ApprovalPhase.DENIED: ("Warning", "ApprovalDenied"),
    ApprovalPhase.EXPIRED: ("Warning", "ApprovalTimeout"),
}


def decision_of(approval: Mapping[str, Any]) -> Decision | None:
    """None while it is open. An end that the controller has written goes before a decision, which admission then takes no more."""
    spec, phase = approval["spec"], (approval.get("status") or {}).get("phase")
    if phase == ApprovalPhase.WITHDRAWN:
        return Decision("withdrawn", False)
    if phase == ApprovalPhase.EXPIRED:
        return Decision("expired", spec.get("timeoutAction") == "allow")
    by, comment = str((spec.get("decidedBy") or {}).get("username") or ""), str(spec.get("comment") or "")
    match spec.get("decision"):
        case "Approved":
            return Decision("approved", True, by, comment)
        case "Denied":
            return Decision("denied", False, by, comment)
    return None


class ToolApprovals:
    """Those of all runs. `informer` has INDEXES, `runs` those of `agentrun.context`."""

    def __init__(self, cluster: Cluster, informer: Informer, runs: Informer, *, events: EventRecorder, clock: Clock) -> None:
        self.informer = informer
        self._cluster, self._runs, self._events, self._clock = cluster, runs, events, clock
        self._waiting: defaultdict[Key, set[asyncio.Event]] = defaultdict(set)
        informer.on_change(self._changed)

    def open_of(self, uid: str) -> list[View]:
        """The approvals for which the run with this UID waits."""
        found = self.informer.cache.by_index(INDEX_RUN, uid)
        return sorted((each for each in found if decision_of(each) is None), key=lambda each: str(each["metadata"]["name"]))

    async def decision(self, approval: Mapping[str, Any]) -> Decision:
        """Waits for it. Raises Temporary while the cache is behind."""
        key, uid = key_of(approval), approval["metadata"]["uid"]
        await self.informer.wait_until(approval["metadata"]["resourceVersion"])
        changed = asyncio.Event()
        self._waiting[key].add(changed)
        try:
            while True:
                changed.clear()
                now = self.informer.cache.get(key)
                if now is None or now["metadata"]["uid"] != uid:
                    return Decision("denied", False, comment="its ToolApproval was deleted")
                if (decision := decision_of(now)) is not None:
                    return decision
                await changed.wait()
        finally:
            self._waiting[key].discard(changed)
            if not self._waiting[key]:
                del self._waiting[key]

    async def withdraw(self, key: Key, uid: str) -> None:
        """The call of this run waits no longer; what was decided meanwhile stands. Raises ApiError."""
        while True:
            try:
                approval = await self._cluster.get(TOOL_APPROVAL, key.namespace, key.name)
                if approval["spec"].get("runUID") == uid and decision_of(approval) is None:
                    await self._end(approval, ApprovalPhase.WITHDRAWN, "the agent waits for it no longer")
                return
            except Conflict:
                continue
            except NotFound:
                return

    def controller(self) -> Controller:
        return Controller("approvals", self.informer, self._reconcile, sources=[Source(self._runs, self._of_ended)])

    async def _reconcile(self, key: Key) -> Result:
        approval = self.informer.cache.get(key)
        if approval is None or approval["metadata"].get("deletionTimestamp"):
            return DONE
        spec, phase = approval["spec"], (approval.get("status") or {}).get("phase")
        if phase not in (None, ApprovalPhase.PENDING):
            return DONE
        run = next(iter(self._runs.cache.by_index(INDEX_UID, str(spec.get("runUID")))), None)
        if (decided := _DECIDED.get(str(spec.get("decision")))) is not None:
            who, comment = (spec.get("decidedBy") or {}).get("username"), spec.get("comment")
            await self._end(approval, decided, f"{decided.lower()} by {who}" + (f": {comment}" if comment else ""), run)
            return DONE
        if run is None or stage_of(run) is Stage.ENDED:
            await self._end(approval, ApprovalPhase.WITHDRAWN, "the run has ended")
            return DONE
        left = parse_rfc3339(spec["expiresAt"]) - self._clock.now()
        if left <= 0:
            action = "allowed" if spec.get("timeoutAction") == "allow" else "denied"
            await self._end(approval, ApprovalPhase.EXPIRED, f"nobody decided in time, so it is {action}", run)
            return DONE
        if phase is None:
            await patch_status(self._cluster, TOOL_APPROVAL, approval, {"phase": ApprovalPhase.PENDING})
            name, namespace = key.name, key.namespace
            command = f"sympozium approve {name} -n {namespace}"
            text = f"{spec['tool']} waits for approval {name} until {spec['expiresAt']}; who may decides by: {command}"
            self._events.record(AGENT_RUN, run, "Normal", "ApprovalRequested", text)
        return Result(requeue_after=left)

    async def _end(
        self, approval: Mapping[str, Any], phase: ApprovalPhase, message: str, run: Mapping[str, Any] | None = None
    ) -> None:
        """On the very version that was looked at: of an end and a decision at the same moment one is first. Raises Conflict."""
        status = {**(approval.get("status") or {}), "phase": phase}
        status = with_condition(status, "Decided", True, reason=phase, message=message, now=self._clock.now())
        await patch_status(self._cluster, TOOL_APPROVAL, approval, status)
        if run is not None and phase in _EVENTS:
            kind, reason = _EVENTS[phase]
            text = f"{approval['spec']['tool']} {message} ({approval['metadata']['name']})"
            self._events.record(AGENT_RUN, run, "Warning" if kind == "Warning" else "Normal", reason, text)

    def _of_ended(self, run: View) -> Iterable[Key]:
        if stage_of(run) is not Stage.ENDED:
            return ()
        return [key_of(approval) for approval in self.informer.cache.by_index(INDEX_RUN, run["metadata"]["uid"])]

    def _changed(self, old: View | None, new: View | None) -> None:
        for waiting in self._waiting.get(key_of(new if new is not None else old or {}), ()):
            waiting.set()
