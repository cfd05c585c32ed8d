"""The turns of a run: ask the model, run the tools it asks for, tell it the results, until it answers without a call or a bound is met."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sympozium_core.ipc.protocol import Metrics, RunResult, ToolResult
from sympozium_core.ipc.task import Resume, Task
from sympozium_core.runner.answer import Answer, Call, build
from sympozium_core.runner.conversation import Conversation
from sympozium_core.runner.model import Model, ModelFailed
from sympozium_core.runner.progress import Progress
from sympozium_core.runner.prompt import system_prompt
from sympozium_core.runner.stop import Stop, Stopped
from sympozium_core.runner.tool_message import tool_message
from sympozium_core.runner.toolbox import Toolbox

LOST = (
    "the agent was interrupted while this call ran, and nobody knows whether it happened. "
    "Look at what is there before you do it again"
)

WORKSPACE_LOST = (
    "[The machine that this run worked on was lost, and the run goes on at another. /workspace is empty now: files that were made there are gone. "
    "What was done elsewhere is not undone. Look at what is there, and make again what is still needed.]"
)


@dataclass(frozen=True)
class Parts:
    model: Model
    toolbox: Toolbox
    progress: Progress
    stop: Stop


class _Exceeded(Exception):
    """A bound of the run is met."""


class Loop:
    """One run. `execute` always gives a result."""

    def __init__(self, task: Task, parts: Parts, clock: Callable[[], float] = time.monotonic) -> None:
        self._task = task
        self._parts = parts
        self._clock = clock
        self._used: set[str] = set()
        self._turns = 0
        self._calls = 0
        self._text = ""
        self._conversation = Conversation()

    def execute(self) -> RunResult:
        begin = self._clock()
        status, reason, error = "error", "Completed", ""
        try:
            self._text = self._until_done()
            status = "success"
        except Stopped as stopped:
            reason, error = stopped.reason, str(stopped)
        except ModelFailed as failed:
            reason, error = "ModelError", str(failed)
        except _Exceeded as exceeded:
            reason, error = "BudgetExceeded", str(exceeded)
        metrics = Metrics(self._turns, self._calls, int((self._clock() - begin) * 1000))
        return RunResult(status, reason, self._text, error[:2048], metrics)

    def _until_done(self) -> str:
        answer = self._begin()
        while answer is None or answer.calls:
            answer = self._turn()
        return answer.text

    def _begin(self) -> Answer | None:
        """Lays down the first messages, or those of an earlier attempt, whose last answer is then gone on with."""
        resume = self._task.resume
        if resume is None or not resume.messages:
            self._conversation.add({"role": "system", "content": system_prompt(self._task)})
            self._conversation.add({"role": "user", "content": self._task.text})
            return None
        *earlier, last = resume.messages
        for message in earlier:
            self._count(message.get("role"), message.get("tool_calls"))
            self._conversation.add(message)
        if last.get("role") != "assistant":
            self._conversation.add(last)
            self._tell_what_is_lost(resume)
            return None
        self._turns += 1
        content, raw = last.get("content"), last.get("tool_calls")
        text = content if isinstance(content, str) else ""
        answer = build(text, raw if isinstance(raw, list) else [], self._turns, self._used)
        self._conversation.add(answer.message)
        self._answer(answer, resume)
        if answer.calls:
            self._tell_what_is_lost(resume)
        return answer

    def _tell_what_is_lost(self, resume: Resume) -> None:
        if resume.workspace_lost:
            self._conversation.add({"role": "user", "content": WORKSPACE_LOST})

    def _count(self, role: object, calls: object) -> None:
        if role == "assistant":
            self._turns += 1
            for call in calls if isinstance(calls, list) else []:
                self._calls += 1
                if isinstance(call, dict) and isinstance(call.get("id"), str):
                    self._used.add(call["id"])

    def _turn(self) -> Answer:
        parts, limits = self._parts, self._task.limits
        parts.stop.check()
        if self._turns >= limits.max_turns:
            raise _Exceeded(f"the run may ask the model {limits.max_turns} times (limits.maxTurns) and has no answer yet")
        compaction = self._conversation.compact(limits.context_bytes)
        if compaction:
            parts.progress.compacted(compaction.results, compaction.bytes)
        self._turns += 1
        parts.progress.begin_turn(self._turns)
        try:
            answer = parts.model.ask(self._conversation.texts, parts.toolbox.offer, self._turns, self._used)
        finally:
            parts.progress.flush()
        self._conversation.add(answer.message)
        self._answer(answer, None)
        return answer

    def _answer(self, answer: Answer, resume: Resume | None) -> None:
        """Runs what an answer asks for and adds the results, in the order of the calls."""
        self._text = answer.text or self._text
        if not answer.calls:
            return
        limits = self._task.limits
        if self._calls + len(answer.calls) > limits.max_tool_calls:
            raise _Exceeded(
                f"the run may make {limits.max_tool_calls} tool calls (limits.maxToolCalls); "
                f"the model asked for {len(answer.calls)} after {self._calls}"
            )
        self._calls += len(answer.calls)
        known = self._recorded(answer.calls, resume) if resume else {}
        ran = self._parts.toolbox.run([call for call in answer.calls if call.id not in known])
        results = known | {result.id: result for result in ran}
        for call in answer.calls:
            self._conversation.add(tool_message(results[call.id], limits.tool_result_bytes))

    def _recorded(self, calls: Sequence[Call], resume: Resume) -> dict[str, ToolResult]:
        """Results that are not asked for again: those on record, and for what may have happened, that nobody knows."""
        known = {}
        for call in calls:
            if call.id in resume.tool_results:
                known[call.id] = resume.tool_results[call.id]
            elif call.id in resume.unknown or self._parts.toolbox.mutates(call):
                known[call.id] = ToolResult(call.id, "unknown", LOST)
        return known
