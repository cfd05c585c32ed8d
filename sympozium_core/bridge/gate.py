"""The only gate between an agent and its tools: takes a request file once, checks it, journals it, has it run, hands over the result and journals it.

Everything in the agent's volume is hostile. A call gets one answer: from the sidecar, from the record of an earlier attempt, or a refusal.
What cannot be answered (no usable id, an id used twice) is a `problem` in the journal, within its allowance.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from sympozium_core.bridge.approvals import Waits
from sympozium_core.bridge.arguments import argument_error
from sympozium_core.bridge.artifacts import Artifacts
from sympozium_core.bridge.assignment import Assignment, Earlier
from sympozium_core.bridge.bound_request import bound, rule_entry, shown_arguments
from sympozium_core.bridge.offer import Offer
from sympozium_core.bridge.policy import CallReview
from sympozium_core.bridge.record import Record
from sympozium_core.bridge.server import Server
from sympozium_core.contracts.approvals import MAX_ARGUMENTS, MAX_WAITS, Decision, approval_name
from sympozium_core.contracts.tool_policy import ToolRule
from sympozium_core.errors import Permanent
from sympozium_core.ipc import layout
from sympozium_core.ipc.documents import encode, parse_object
from sympozium_core.ipc.fields import IDENTIFIER, ProtocolError
from sympozium_core.ipc.files import FileRefused, Root
from sympozium_core.ipc.protocol import ToolRequest, ToolResult, parse_tool_request

if TYPE_CHECKING:
    from sympozium_core.hooks import ToolCall

CALLS_AT_ONCE = 16
"""Of one server; what comes on top waits, and other servers are not held up."""
MAX_WAITING = 2048
MAX_REFUSALS = 200
"""Refused calls that are journalled; beyond, the agent still gets its answer."""

UNKNOWN = "an earlier attempt of this run made this call and ended before its outcome was known; it was not made again"

logger = logging.getLogger(__name__)


class Gate:
    """`take` is called for every file that appears; `work` runs as tasks, CALLS_AT_ONCE for each server."""

    def __init__(
        self,
        assignment: Assignment,
        offer: Offer,
        review: CallReview,
        agent: Root,
        servers: Mapping[str, Server],
        record: Record,
        artifacts: Artifacts,
        waits: Waits,
    ) -> None:
        """`servers` are all of the plan; those that are not in the offer have not started."""
        self._assignment = assignment
        self._earlier = assignment.earlier or Earlier()
        self._offer = offer
        self._review = review
        self._agent = agent
        self._servers = servers
        self._record = record
        self._artifacts = artifacts
        self._waits = waits
        self._slots = {server: asyncio.Semaphore(CALLS_AT_ONCE) for server in servers}
        self._queues = {server: asyncio.Queue[str](MAX_WAITING) for server in servers}
        self._left: set[str] = set()
        """Servers with files that found no room in the queue."""
        self._seen: set[str] = set()
        self._refusals = 0
        self.calls = self._earlier.tool_calls
        """Calls so far, those of earlier attempts and those that wait or were denied by a person included."""

    def take(self, server: str, name: str) -> None:
        """A file that appeared in a server's folder of requests. Beyond MAX_WAITING it is found again when the others are done."""
        try:
            self._queues[server].put_nowait(name)
        except asyncio.QueueFull:
            self._left.add(server)

    def cancel(self, server: str, call: str) -> None:
        """The agent waits no longer: the sidecar is told, and what it then says is the result on record."""
        if not self._waits.cancel(call):
            self._servers[server].cancel(call)

    async def work(self, server: str) -> None:
        queue = self._queues[server]
        while True:
            if queue.empty() and server in self._left:
                self._left.discard(server)
                self._look_again(server)
            await self._one(server, await queue.get())

    def _look_again(self, server: str) -> None:
        try:
            for name in self._agent.names(_requests(server)):
                self.take(server, name)
        except (OSError, FileRefused) as error:
            logger.warning("requests for %s cannot be listed: %s", server, error)

    async def _one(self, server: str, name: str) -> None:
        path = f"{_requests(server)}/{name}"
        call = name.removesuffix(".json")
        if call == name or not IDENTIFIER.match(call):
            await self._record.problem("a request's file name is not <id>.json", path)
            self._remove(path)
            return
        if call in self._seen:
            if self._agent.exists(path):
                await self._record.problem("the id of this call has been used; the file is not read", path)
                self._remove(path)
            return
        try:
            data = self._agent.read_bytes(path, layout.MAX_REQUEST)
            if not data:
                return  # its writer has only just made it, and will close it
            request = _parse(data, path, call)
        except FileNotFoundError:
            return
        except (OSError, FileRefused, ProtocolError) as error:
            self._seen.add(call)
            self._remove(path)
            await self._record.problem(str(error), path)
            self._answer(server, ToolResult(call, "error", f"the request was refused: {error}"))
            return
        self._seen.add(call)
        self._remove(path)
        await self._respond(server, request)

    async def _respond(self, server: str, request: ToolRequest) -> None:
        """Answers a well-formed request, and has the answer on record."""
        recorded = self._earlier.tool_results.get(request.id)
        if recorded is not None:
            self._answer(server, recorded)
        elif request.id in self._earlier.unknown:
            await self._hand_over(server, request, ToolResult(request.id, "unknown", UNKNOWN), time.monotonic())
        elif self.calls >= (limit := min(self._assignment.plan.limits.max_tool_calls, self._review.max_calls)):
            await self._refuse(server, request, ToolResult(request.id, "denied", f"the run has made its {limit} tool calls"))
        elif isinstance(judged := self._judge(server, request), ToolResult):
            await self._refuse(server, request, judged)
        elif judged.action == "allow":
            self.calls += 1
            await self._call(server, request, judged)
        elif because := self._no_question(request):
            await self._refuse(server, request, ToolResult(request.id, "denied", because))
        else:
            self.calls += 1
            self._waits.begin(request.id, self._wait(server, request, judged))

    def _no_question(self, request: ToolRequest) -> str:
        """Why a person is not asked about the call."""
        if self._waits.full:
            return f"{MAX_WAITS} calls of this run wait for approval; ask again when some of them are decided"
        if len(encode(request.arguments)) > MAX_ARGUMENTS:
            return f"{request.tool} needs approval, and its arguments are longer than the {MAX_ARGUMENTS} bytes that a person is shown"
        return ""

    async def _wait(self, server: str, request: ToolRequest, rule: ToolRule) -> None:
        """Asks a person, then the policy and the hooks once more, for they may have become stricter. The time of the call begins when it may run."""
        plan, came = self._assignment.plan, time.time()
        question = {"tool": request.tool, "server": server, "arguments": dict(request.arguments), "because": rule.because}
        approval = approval_name(plan.name, plan.uid, request.id)
        await self._record.append("tool.waiting", call=request.id, approval=approval, **question)
        try:
            decision = await self._waits.decision(request.id, question)
        except Permanent as error:
            decision = Decision("denied", False, comment=error.message)
        if not decision.allows:
            refused = ToolResult(request.id, "denied", _told(request.tool, decision))
            await self._refuse(server, request, refused, approval=decision.outcome)
            return
        deadline = request.deadline and request.deadline + time.time() - came
        approved = replace(request, deadline=deadline)
        judged = self._judge(server, approved)
        if isinstance(judged, ToolResult):
            await self._refuse(server, request, judged)
        else:
            await self._call(server, approved, judged, approvedBy=decision.by)

    async def _call(self, server: str, request: ToolRequest, rule: ToolRule, **approved: str) -> None:
        deadline = min(request.deadline or self._assignment.deadline, self._assignment.deadline)
        asked = bound(replace(request, deadline=deadline), self._review.bound_argv(lambda: self._tool_call(server, request)))
        where = {"tool": request.tool, "server": server}
        told = {"arguments": dict(request.arguments), **rule_entry(rule), **({"argv": asked.argv} if asked.argv else {})}
        await self._record.append("tool.requested", call=request.id, **where, **told, **approved)
        started = time.monotonic()
        try:
            async with self._slots[server]:
                result = await self._servers[server].call(asked)
        except OSError as error:
            result = ToolResult(request.id, "error", f"the volume of {server} cannot be written: {error.strerror}")
        if result.artifacts:
            result = replace(result, artifacts=await self._artifacts.keep(self._servers[server], result))
        await self._hand_over(server, request, result, started)

    def _judge(self, server: str, request: ToolRequest) -> ToolResult | ToolRule:
        """Why the call is not made; else the rule by which it is made, or a person is asked."""
        served = self._offer.served.get(server)
        if served is None:
            return ToolResult(request.id, "error", f"the tool server {server} has not started")
        rule = self._review.decision(lambda: self._tool_call(server, request), request.tool)
        status, content = "denied", ""
        if rule.action == "deny":
            content = rule.because
        elif request.tool not in served:
            content = f"{server} serves no tool {request.tool!r}; it serves {', '.join(served) or 'none'}"
        elif wrong := argument_error(served[request.tool].parameters, request.arguments):
            status, content = "error", f"the arguments of {request.tool} do not fit: {wrong}"
        elif 0 < request.deadline <= time.time() or time.time() >= self._assignment.deadline:
            status, content = "timeout", "the deadline of the call had passed when it came"
        return ToolResult(request.id, status, content) if content else rule

    def _tool_call(self, server: str, request: ToolRequest) -> ToolCall:
        from sympozium_core.hooks import ToolCall

        return ToolCall(self._assignment.plan.uid, request.id, request.tool, server, request.arguments)

    async def _refuse(self, server: str, request: ToolRequest, result: ToolResult, **approval: str) -> None:
        self._refusals += 1
        if self._refusals <= MAX_REFUSALS or approval:
            where = {"tool": request.tool, "server": server, "arguments": shown_arguments(request.arguments)}
            await self._record.append("tool.denied", call=request.id, **where, because=result.content, **approval)
        self._answer(server, result)

    async def _hand_over(self, server: str, request: ToolRequest, result: ToolResult, started: float) -> None:
        """To the agent and to the journal, for which the agent need not wait: a pod that is lost in between leaves a call of unknown
        outcome, as one lost a moment earlier does. What the agent says next comes to the bus behind it, the run's result least of all before."""
        fields = {name: value for name, value in result.to_json().items() if name != "id"}
        took = round((time.monotonic() - started) * 1000, 2)
        where = {"tool": request.tool, "server": server}
        self._answer(server, result)
        await self._record.append("tool.result", call=request.id, **where, durationMs=took, **fields)

    def _answer(self, server: str, result: ToolResult) -> None:
        path = f"{layout.server_dir(server)}/{layout.RESULTS}/{result.id}.json"
        try:
            self._agent.write_json(path, result.to_json())
        except (OSError, FileRefused) as error:
            logger.warning("the agent does not get the result of a call: %s", error)

    def _remove(self, path: str) -> None:
        try:
            self._agent.remove(path)
        except (OSError, FileRefused) as error:
            logger.debug("%s: %s", path, error)


def _told(tool: str, decision: Decision) -> str:
    """What the agent is told of a call that a person did not let run."""
    what = {
        "denied": f"{tool} was denied" + (f" by {decision.by}" if decision.by else ""),
        "expired": f"{tool} needs approval, and nobody decided in time",
    }.get(decision.outcome, f"{tool} needs approval, and was given up before anybody decided")
    return what + (f": {decision.comment}" if decision.comment else "")


def _requests(server: str) -> str:
    return f"{layout.server_dir(server)}/{layout.REQUESTS}"


def _parse(data: bytes, path: str, call: str) -> ToolRequest:
    request = parse_tool_request(parse_object(data, path), path)
    if request.id != call:
        raise ProtocolError(path, "id", "is not the name of the file")
    return request
