"""A run as it happens, line by line: what the journal says, for a person at a terminal or in a log file."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Any, TextIO

from sympozium_core.cli.printable import printable, printable_lines

WIDTH = 100
"""Characters of a tool call or a result that fit a line; the whole is in ``runs logs -o json``."""

LINES = 3
"""Of what a running tool says at once: the last ones."""


class Live:
    """Prints entries; remembers when the run began, so that each line can say how far in it is."""

    def __init__(self, out: TextIO | None = None, *, where: str = "") -> None:
        """`where` is what a command about the run needs to find it, such as `` -n team``."""
        self._where = where
        self._out = out or sys.stdout
        self._colour = self._out.isatty()
        self._began: float | None = None
        self._turn = 0
        self._asked: dict[str, Mapping[str, Any]] = {}
        """Functions of the tool calls that the model's newest answer asks for, by call id."""
        self._carried: set[str] = set()
        """Calls that the bridge carries: it tells of them itself. The others are the agent's own (native tools)."""

    def phase(self, text: str, at: float) -> None:
        self._line(at, "run", text)

    def note(self, text: str, at: float) -> None:
        self._line(at, "note", text)

    def show(self, entry: Mapping[str, Any]) -> None:
        """Entries of a type that a person need not see print nothing."""
        printer = _PRINTERS.get(str(entry.get("type")))
        if printer is not None:
            printer(self, entry)

    def _attempt(self, entry: Mapping[str, Any]) -> None:
        number = entry.get("attempt", 1)
        self._line(_at(entry), "run", "pod starts" if number == 1 else f"attempt {number}: a new pod goes on from the journal")

    def _hook(self, entry: Mapping[str, Any]) -> None:
        title = f"{entry.get('phase')} {printable(str(entry.get('name')))}"
        state, message = str(entry.get("state")), _cut(printable(str(entry.get("message") or "")))
        if state == "Failed":
            self._line(_at(entry), "hook", f"{title} failed: {message}")
        else:
            self._line(_at(entry), "hook", f"{title} {state.lower()}" + (f": {message}" if message else ""))

    def _started(self, entry: Mapping[str, Any]) -> None:
        tools = ", ".join(map(str, entry.get("tools") or [])) or "none"
        self._line(_at(entry), "run", f"started; tools: {printable(tools)}")
        for conflict in entry.get("conflicts") or []:
            self._line(
                _at(entry), "note", f"several skills serve {conflict.get('tool')}: {conflict.get('chosen')} is the default"
            )
        for server in entry.get("missing") or []:
            self._line(_at(entry), "note", f"the tools of {server} are missing: its server did not come up")

    def _model_request(self, entry: Mapping[str, Any]) -> None:
        self._native_results(entry)
        self._turn += 1
        self._line(_at(entry), "model", f"turn {self._turn}: asks {entry.get('provider')}/{entry.get('model')}")

    def _model_answer(self, entry: Mapping[str, Any]) -> None:
        message, usage = entry.get("message") or {}, entry.get("usage") or {}
        self._asked = {str(call.get("id")): call.get("function") or {} for call in message.get("tool_calls") or []}
        text = printable(str(message.get("content") or "")).strip()
        calls = len(message.get("tool_calls") or [])
        what = _cut(text) if text else (f"wants {calls} tool call{'s' if calls != 1 else ''}" if calls else "says nothing")
        tokens = f"{usage.get('promptTokens', 0)}+{usage.get('completionTokens', 0)} tokens"
        again = ", on record" if entry.get("replayed") else ""
        self._line(_at(entry), "model", f"{what}  [{tokens}, {_seconds(entry)}{again}]")

    def _model_error(self, entry: Mapping[str, Any]) -> None:
        self._line(_at(entry), "model", f"failed: {printable(str(entry.get('message')))}")

    def _requested(self, entry: Mapping[str, Any]) -> None:
        self._carried.add(str(entry.get("call")))
        by = f" (approved by {entry['approvedBy']})" if entry.get("approvedBy") else ""
        self._line(_at(entry), "tool", printable(f"{entry.get('tool')} {_arguments(entry.get('arguments'))}{by}"))

    def _waiting(self, entry: Mapping[str, Any]) -> None:
        self._carried.add(str(entry.get("call")))
        what = f"{entry.get('tool')} {_arguments(entry.get('arguments'))}"
        self._line(_at(entry), "tool", printable(f"{what} waits for approval: {entry.get('because')}"))
        name = printable(str(entry.get("approval")))
        self._line(_at(entry), "tool", f"  sympozium approve {name}, or sympozium deny {name}{self._where}")

    def _denied(self, entry: Mapping[str, Any]) -> None:
        self._line(_at(entry), "tool", printable(f"{entry.get('tool')} denied: {entry.get('because')}"))

    def _progress(self, entry: Mapping[str, Any]) -> None:
        """The last lines of what running tools say; what the agent says of itself the other entries tell."""
        for event in entry.get("events") or []:
            if event.get("type") == "tool.output":
                for line in str(event.get("text")).splitlines()[-LINES:]:
                    if line.strip():
                        self._line(_at(entry), "tool", f"  | {_cut(printable(line).rstrip())}")

    def _result(self, entry: Mapping[str, Any]) -> None:
        code = entry.get("exitCode")
        status = str(entry.get("status")) + (f", exit {code}" if code else "")
        content = entry.get("content")
        text = content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)
        self._line(_at(entry), "tool", f"  {status}: {_cut(printable(text).strip())}  [{_seconds(entry)}]")

    def _native_results(self, entry: Mapping[str, Any]) -> None:
        """What native tools answered stands in the conversation that the gateway has put on record, so it is shown from there."""
        for message in entry.get("messages") or []:
            call = str(message.get("tool_call_id"))
            if message.get("role") != "tool" or call in self._carried or call not in self._asked:
                continue
            function = self._asked[call]
            self._line(
                _at(entry), "tool", f"{printable(str(function.get('name')))} {_arguments(_parsed(function.get('arguments')))}"
            )
            self._line(_at(entry), "tool", f"  {_cut(printable(str(message.get('content') or '')).strip())}")

    def _problem(self, entry: Mapping[str, Any]) -> None:
        self._line(_at(entry), "note", f"refused: {printable(str(entry.get('what')))} ({printable(str(entry.get('where')))})")

    def answer(self, text: str) -> None:
        self._out.write("\n" + printable_lines(text).rstrip() + "\n\n")
        self._out.flush()

    def _line(self, at: float, who: str, text: str) -> None:
        if self._began is None:
            self._began = at
        head = f"{max(0.0, at - self._began):7.2f}s  {who:<5}"
        if self._colour:
            head = f"\033[2m{head}\033[0m"
        self._out.write(f"{head}  {printable(text)}\n")
        self._out.flush()


def _at(entry: Mapping[str, Any]) -> float:
    return float(entry.get("at") or 0.0)


def _seconds(entry: Mapping[str, Any]) -> str:
    return f"{float(entry.get('durationMs') or 0) / 1000:.2f}s"


def _parsed(arguments: Any) -> Any:
    try:
        return json.loads(arguments)
    except (TypeError, ValueError):
        return arguments


def _cut(text: str) -> str:
    return text if len(text) <= WIDTH else text[: WIDTH - 1] + "…"


def _arguments(arguments: Any) -> str:
    if isinstance(arguments, Mapping):
        return _cut(" ".join(f"{key}={printable(json.dumps(value, ensure_ascii=False))}" for key, value in arguments.items()))
    return _cut(printable(str(arguments)))


_PRINTERS = {
    "attempt": Live._attempt,
    "hook": Live._hook,
    "started": Live._started,
    "model.request": Live._model_request,
    "model.answer": Live._model_answer,
    "model.error": Live._model_error,
    "tool.waiting": Live._waiting,
    "tool.requested": Live._requested,
    "tool.denied": Live._denied,
    "tool.result": Live._result,
    "progress": Live._progress,
    "problem": Live._problem,
}
