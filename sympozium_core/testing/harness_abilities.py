"""Checks of `HarnessContract` on what a harness declares that it can do besides (`contracts.harness.Ability`)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from sympozium_core.ipc import layout
from sympozium_core.names import NATIVE_SERVER, NATIVE_TOOLS
from sympozium_core.testing.conversations import call, results
from sympozium_core.testing.harness_bench import DONE, HarnessBench
from sympozium_core.testing.harness_case import COUNT, ECHO, SERVER, HarnessChecks
from sympozium_core.testing.json_schemas import faults_of_document
from sympozium_core.testing.servers.script import Answer, ToolCall

ONE_CALL = Answer(tool_calls=(call("echo", text="a"),))
SLACK = 2_000
"""Bytes around what is bounded: names, notes, JSON."""


class LimitChecks(HarnessChecks):
    def test_turns_are_bounded(self, bench: HarnessBench) -> None:
        self.can("limits")
        bench.offer(SERVER, ECHO)
        bench.task["limits"]["maxTurns"] = 2
        result = bench.run(*[ONE_CALL] * 5, DONE)
        assert (result.status, result.reason) == ("error", "BudgetExceeded"), result
        assert len(bench.model.requests) == 2

    def test_tool_calls_are_bounded(self, bench: HarnessBench) -> None:
        self.can("limits")
        bench.offer(SERVER, ECHO)
        bench.task["limits"]["maxToolCalls"] = 2
        result = bench.run(*[ONE_CALL] * 5, DONE)
        assert (result.status, result.reason) == ("error", "BudgetExceeded"), result
        assert len(bench.requests) == 2

    def test_what_of_a_result_the_model_is_told_is_bounded(self, bench: HarnessBench) -> None:
        self.can("context")
        bench.offer(SERVER, ECHO)
        bench.task["limits"]["toolResultBytes"] = 1_000
        bench.answers = lambda request: {"status": "ok", "content": "é" * 20_000}
        bench.succeed(ONE_CALL, DONE)
        told = results(bench.asked())[0]
        assert len(told.encode()) <= 1_000 + SLACK
        assert told.strip("é"), "nothing says that it is not all"

    def test_the_conversation_is_bounded(self, bench: HarnessBench) -> None:
        self.can("context")
        bench.offer(SERVER, ECHO)
        bench.task["limits"]["contextBytes"] = 20_000
        bench.answers = lambda request: {"status": "ok", "content": "x" * 4_000}
        bench.succeed(*[ONE_CALL] * 12, DONE)
        assert len(json.dumps(bench.asked().body["messages"])) <= 20_000 + 4_000 + SLACK


class ServerChoiceChecks(HarnessChecks):
    def test_the_model_chooses_among_servers(self, bench: HarnessBench) -> None:
        self.can("targets")
        bench.offer(SERVER, {**ECHO, "servers": [SERVER, "other"]})
        bench.serve("other")
        bench.succeed(Answer(tool_calls=(call("echo", text="a", target="other"), call("echo", text="b"))), DONE)
        (offered,) = bench.asked(0).body["tools"]
        assert offered["function"]["parameters"]["properties"]["target"]["enum"] == [SERVER, "other"]
        assert {each.server: each.arguments for each in bench.requests} == {"other": {"text": "a"}, SERVER: {"text": "b"}}

    def test_a_server_that_is_no_choice_is_told(self, bench: HarnessBench) -> None:
        self.can("targets")
        bench.offer(SERVER, {**ECHO, "servers": [SERVER, "other"]})
        bench.serve("other")
        bench.succeed(Answer(tool_calls=(call("echo", text="a", target="third"),)), DONE)
        assert not bench.requests
        assert results(bench.asked())[0].strip()

    def test_calls_run_at_the_same_time(self, bench: HarnessBench) -> None:
        self.can("parallel-calls")
        bench.offer(SERVER, ECHO)
        bench.answers = lambda request: {"status": "ok", "content": "a"} if len(bench.requests) >= 3 else None
        bench.succeed(Answer("", tuple(call("echo", text=word) for word in "abc")), DONE)


class ProgressChecks(HarnessChecks):
    def test_progress_is_of_the_protocol(self, bench: HarnessBench) -> None:
        self.can("progress")
        events = self._events(bench)
        wrong = [fault for event in events if (fault := faults_of_document("stream", event))]
        assert not wrong, wrong

    def test_progress_tells_of_turns_calls_and_text(self, bench: HarnessBench) -> None:
        self.can("progress")
        events = self._events(bench)
        assert {"text", "tool"} <= {event["type"] for event in events}
        assert [event["tool"] for event in events if event["type"] == "tool" and event["status"] == "ok"] == ["echo"]

    def test_progress_is_written_and_then_renamed(self, bench: HarnessBench) -> None:
        self.can("progress")
        with bench.writes("output") as seen:
            self._events(bench)
        ways = {way for way, name in seen if name.startswith("stream-") and name.endswith(".json")}
        assert ways == {"moved"}, "a reader may have seen half of it"

    @staticmethod
    def _events(bench: HarnessBench) -> list[Mapping[str, Any]]:
        bench.offer(SERVER, ECHO)
        bench.succeed(Answer("Let me see.", (call("echo", text="a"),)), DONE)
        names = [name for name in bench.root.names("output") if name.startswith("stream-")]
        numbers = sorted(int(name.removeprefix("stream-").removesuffix(".json")) for name in names)
        assert numbers == list(range(len(numbers))), f"they are numbered from 0 on: {names}"
        return [bench.root.read_json(f"{layout.STREAM_PREFIX}{number}.json", layout.MAX_STREAM) for number in numbers]


class NativeChecks(HarnessChecks):
    def test_native_tools_are_offered_with_their_parameters(self, bench: HarnessBench) -> None:
        self.can("native-tools")
        self._native(bench)
        bench.succeed(DONE)
        offered = {each["function"]["name"]: each["function"] for each in bench.asked().body["tools"]}
        assert set(offered) == {str(tool) for tool in NATIVE_TOOLS}
        assert all(each["description"] and each["parameters"]["properties"] for each in offered.values())

    def test_native_tools_work_on_the_workspace(self, bench: HarnessBench) -> None:
        self.can("native-tools")
        self._native(bench)
        bench.succeed(
            Answer(tool_calls=(call("write_file", path="/workspace/notes/a.txt", content="twelve äpples"),)),
            Answer(tool_calls=(call("read_file", path="/workspace/notes/a.txt"), call("list_directory", path="/workspace"))),
            DONE,
        )
        assert (bench.workspace / "notes/a.txt").read_text("utf-8") == "twelve äpples"
        assert "twelve äpples" in results(bench.asked())[1]
        assert "notes" in results(bench.asked())[2]

    def test_a_native_tool_that_fails_is_told(self, bench: HarnessBench) -> None:
        self.can("native-tools")
        self._native(bench)
        bench.succeed(Answer(tool_calls=(call("read_file", path="/workspace/none"), call("read_file"))), DONE)
        assert all(text.strip() for text in results(bench.asked()))

    @staticmethod
    def _native(bench: HarnessBench) -> None:
        bench.task["tools"] += [{"name": str(tool), "server": NATIVE_SERVER} for tool in NATIVE_TOOLS]


class ResumeChecks(HarnessChecks):
    def test_it_goes_on_with_the_conversation(self, bench: HarnessBench) -> None:
        self.can("resume")
        self._resume(bench, {"call_1": {"status": "ok", "content": "twelve"}})
        bench.succeed(ONE_CALL, DONE)
        assert len(bench.model.requests) == 1, "an answer that is on record was asked for again"
        assert not bench.requests, "a call that is on record was made again"
        assert ["twelve" in text for text in results(bench.asked())] == [True]

    def test_a_call_of_which_nobody_knows_is_told_and_not_made_again(self, bench: HarnessBench) -> None:
        self.can("resume")
        self._resume(bench, {}, unknown=["call_1"])
        bench.succeed(ONE_CALL, DONE)
        assert not bench.requests
        assert results(bench.asked())[0].strip()

    def test_a_call_that_was_not_begun_is_made(self, bench: HarnessBench) -> None:
        self.can("resume")
        self._resume(bench, {})
        bench.succeed(ONE_CALL, DONE)
        assert [request.call for request in bench.requests] == ["call_1"]

    def test_that_the_workspace_was_lost_is_told(self, bench: HarnessBench) -> None:
        self.can("resume")
        self._resume(bench, {"call_1": {"status": "ok", "content": "twelve"}}, workspaceLost=True)
        bench.succeed(ONE_CALL, DONE)
        assert "/workspace" in bench.said_to_model("user", "system", "developer", "tool")

    def test_without_it_an_earlier_attempt_changes_no_question(self, bench: HarnessBench) -> None:
        """Then its questions are answered from the record."""
        if "resume" in self.abilities:
            return  # what it does instead is the other checks' matter
        self._resume(bench, {"call_1": {"status": "ok", "content": "twelve"}})
        bench.succeed(ONE_CALL, DONE)
        messages = bench.asked(0).body["messages"]
        assert [message["role"] for message in messages if message["role"] not in ("system", "developer")] == ["user"]
        assert len(bench.model.requests) == 2

    @staticmethod
    def _resume(bench: HarnessBench, known: Mapping[str, Any], **more: Any) -> None:
        """The first turn was in an earlier attempt."""
        bench.offer(SERVER, ECHO, COUNT)
        made = ToolCall("echo", '{"text": "a"}', "call_1")
        wire = {"id": made.id, "type": "function", "function": {"name": made.name, "arguments": made.arguments}}
        bench.task["run"]["attempt"] = 2
        bench.task["resume"] = {
            "messages": [
                {"role": "system", "content": bench.task["systemPrompt"]},
                {"role": "user", "content": bench.task["task"]},
                {"role": "assistant", "content": None, "tool_calls": [wire]},
            ],
            "toolResults": dict(known),
            "unknown": more.pop("unknown", []),
            **more,
        }


class AbilityChecks(LimitChecks, ServerChoiceChecks, ProgressChecks, NativeChecks, ResumeChecks):
    pass
