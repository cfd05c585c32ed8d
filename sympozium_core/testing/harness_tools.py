"""Checks of `HarnessContract` on tools: what is offered, how a call is asked for, and how its result is told."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from sympozium_core.ipc import layout
from sympozium_core.ipc.fields import IDENTIFIER
from sympozium_core.testing.conversations import call, results
from sympozium_core.testing.harness_bench import DONE, HarnessBench, Request
from sympozium_core.testing.harness_case import COUNT, ECHO, SERVER, HarnessChecks
from sympozium_core.testing.json_schemas import faults_of_document
from sympozium_core.testing.servers.script import Answer, ToolCall

OTHER = "gateway"
"""A server that is no sidecar, and is asked as any other."""
ONE_CALL = Answer(tool_calls=(call("echo", text="a"),))
LARGE = 1_500_000


class ToolChecks(HarnessChecks):
    def test_tools_on_offer_are_offered_to_the_model(self, bench: HarnessBench) -> None:
        bench.offer(SERVER, ECHO, COUNT)
        bench.succeed(DONE)
        offered = {each["function"]["name"]: each["function"] for each in bench.asked().body.get("tools", [])}
        assert set(offered) == {"echo", "count"}
        assert offered["echo"]["description"] == ECHO["description"]
        assert offered["echo"].get("parameters") == ECHO["parameters"]

    def test_without_tools_none_are_offered(self, bench: HarnessBench) -> None:
        """An empty list is refused by the strict ones among the vendors."""
        bench.succeed(DONE)
        assert "tools" not in bench.asked().body

    def test_a_call_becomes_a_request_with_the_models_own_id(self, bench: HarnessBench) -> None:
        bench.offer(SERVER, ECHO)
        bench.succeed(Answer(tool_calls=(ToolCall("echo", '{"text": "a"}', "call_abc-123"),)), DONE)
        (request,) = bench.requests
        assert (request.call, request.data["id"], request.data["tool"]) == ("call_abc-123", "call_abc-123", "echo")
        assert request.arguments == {"text": "a"}
        assert not (wrong := faults_of_document("tool-request", request.data)), wrong

    def test_a_request_is_written_and_then_renamed(self, bench: HarnessBench) -> None:
        bench.offer(SERVER, ECHO)
        with bench.writes(f"{layout.server_dir(SERVER)}/{layout.REQUESTS}") as seen:
            bench.succeed(ONE_CALL, DONE)
        name = f"{bench.requests[0].call}.json"
        assert [way for way, each in seen if each == name] == ["moved"], "a reader may have seen half of the request"

    def test_each_tool_is_asked_of_its_server(self, bench: HarnessBench) -> None:
        bench.offer(SERVER, ECHO)
        bench.offer(OTHER, COUNT)
        bench.succeed(Answer(tool_calls=(call("count"), call("echo", text="a"))), DONE)
        assert {(each.server, each.data["tool"]) for each in bench.requests} == {(SERVER, "echo"), (OTHER, "count")}

    def test_a_result_is_told_to_the_model(self, bench: HarnessBench) -> None:
        bench.offer(SERVER, ECHO)
        bench.answers = lambda request: {"status": "ok", "content": "twelve 🍎"}
        bench.succeed(Answer(tool_calls=(ToolCall("echo", '{"text": "a"}', "call_7"),)), DONE)
        (told,) = [message for message in bench.asked().body["messages"] if message["role"] == "tool"]
        assert told["tool_call_id"] == "call_7"
        assert "twelve 🍎" in told["content"]

    def test_calls_of_one_answer_are_all_made(self, bench: HarnessBench) -> None:
        bench.offer(SERVER, ECHO)
        bench.answers = lambda request: {"status": "ok", "content": f"said {request.arguments['text']}"}
        bench.succeed(Answer("", tuple(call("echo", text=word) for word in "abcd")), DONE)
        assert [text.split()[-1] for text in results(bench.asked())] == ["a", "b", "c", "d"]

    def test_calls_of_later_turns_are_made(self, bench: HarnessBench) -> None:
        bench.offer(SERVER, ECHO)
        bench.succeed(*(Answer(f"turn {word}", (call("echo", text=word),)) for word in "abc"), DONE)
        assert [request.arguments["text"] for request in bench.requests] == ["a", "b", "c"]
        assert "turn b" in bench.said_to_model("assistant"), "the model is not told what it said itself"

    def test_an_id_that_cannot_name_a_file_is_replaced(self, bench: HarnessBench) -> None:
        bench.offer(SERVER, ECHO)
        ids = ("../../up", "a b", "x" * 100)
        bench.succeed(Answer("", tuple(ToolCall("echo", '{"text": "a"}', each) for each in ids)), DONE)
        assert len({request.call for request in bench.requests}) == len(ids)
        assert all(IDENTIFIER.match(request.call) and request.data["id"] == request.call for request in bench.requests)

    def test_an_id_is_used_once(self, bench: HarnessBench) -> None:
        """Some models give the first call of each answer the same id; the bridge answers an id once."""
        bench.offer(SERVER, ECHO)
        again = Answer("", (ToolCall("echo", '{"text": "a"}', "call_0"),))
        bench.succeed(again, again, DONE)
        assert len({request.call for request in bench.requests}) == len(bench.requests) == 2

    def test_arguments_come_through_unchanged(self, bench: HarnessBench) -> None:
        bench.offer(SERVER, ECHO)
        given: dict[str, Any] = {
            "text": "Grüße, 世界 🙂 \\ \" ' \n",
            "more": [1, -2.5, True, None, {"deep": {"x": []}}],
            "long": "y" * 100_000,
        }
        bench.succeed(Answer(tool_calls=(call("echo", **given),)), DONE)
        assert bench.requests[0].arguments == given

    @pytest.mark.parametrize("arguments", ['{"text": ', "[1]", "text"], ids=["half", "list", "word"])
    def test_arguments_that_are_no_object_are_told(self, bench: HarnessBench, arguments: str) -> None:
        bench.offer(SERVER, ECHO)
        bench.succeed(Answer("", (ToolCall("echo", arguments),)), DONE)
        assert not bench.requests
        assert results(bench.asked())[0].strip(), "the model is not told what is wrong"

    def test_a_tool_that_is_not_on_offer_is_told(self, bench: HarnessBench) -> None:
        bench.offer(SERVER, ECHO)
        bench.succeed(Answer(tool_calls=(call("no_such_tool"), call("echo", text="a"))), DONE)
        assert [request.data["tool"] for request in bench.requests] == ["echo"]
        assert "as it was" not in results(bench.asked())[0]

    @pytest.mark.parametrize("status", ["error", "denied", "timeout", "unknown"])
    def test_how_a_call_ended_is_told(self, bench: HarnessBench, status: str) -> None:
        well, badly = self._told_apart(bench, {"status": status})
        assert well != badly, f"the model is told the same of a call that was ok and of one that was {status}"

    def test_an_exit_code_is_told(self, bench: HarnessBench) -> None:
        _, badly = self._told_apart(bench, {"exitCode": 73})
        assert "73" in badly

    def test_a_result_that_was_cut_is_said_to_be(self, bench: HarnessBench) -> None:
        well, cut = self._told_apart(bench, {"truncated": True})
        assert well != cut

    @staticmethod
    def _told_apart(bench: HarnessBench, special: Mapping[str, Any]) -> list[str]:
        """What the model is told of two calls that say the same, one of them with something special."""
        bench.offer(SERVER, ECHO)

        def answers(request: Request) -> Mapping[str, Any]:
            plain = {"status": "ok", "content": "what it says"}
            return {**plain, **special} if request.arguments["text"] == "special" else plain

        bench.answers = answers
        bench.succeed(Answer(tool_calls=(call("echo", text="plain"), call("echo", text="special"))), DONE)
        told = results(bench.asked())
        assert all("what it says" in text for text in told), told
        return told

    def test_a_call_without_output_has_a_result_too(self, bench: HarnessBench) -> None:
        bench.offer(SERVER, ECHO)
        bench.answers = lambda request: {"status": "ok"}
        bench.succeed(ONE_CALL, DONE)
        assert len(results(bench.asked())) == 1

    def test_a_large_result_does_no_harm(self, bench: HarnessBench) -> None:
        bench.offer(SERVER, ECHO)
        begin = "it begins like this and goes on: "
        bench.answers = lambda request: {"status": "ok", "content": begin + "é" * (LARGE // 2)}
        bench.succeed(ONE_CALL, DONE)
        assert begin in results(bench.asked())[0], "the model is not told how the result begins"

    def test_a_result_that_is_not_there_yet_is_left_alone(self, bench: HarnessBench) -> None:
        bench.offer(SERVER, ECHO)
        bench.answers = lambda request: None
        bench.up(ONE_CALL, DONE)
        bench.until_requested()
        request = bench.requests[0]
        decoy = json.dumps({"id": request.call, "status": "ok", "content": "the decoy"}).encode()
        folder = bench.ipc / layout.server_dir(SERVER) / layout.RESULTS
        for name in (f".{request.call}.json", f"{request.call}.json.tmp", f".{request.call}.json.1234"):
            (folder / name).write_bytes(decoy)
        bench.never(lambda: len(bench.model.requests) > 1, "it has read a result that is not there yet")
        bench.answer(request, {"status": "ok", "content": "the result"})
        bench.finish()
        assert "the result" in results(bench.asked())[0]

    def test_junk_among_the_results_does_no_harm(self, bench: HarnessBench) -> None:
        bench.offer(SERVER, ECHO)
        folder = bench.ipc / layout.server_dir(SERVER) / layout.RESULTS
        (folder / "folder.json").mkdir()
        for name, data in {"broken.json": b"{", "binary.json": bytes(range(256)), "no-ending": b"x", "a b.json": b"{}"}.items():
            (folder / name).write_bytes(data)
        bench.succeed(ONE_CALL, DONE)

    def test_a_result_that_cannot_be_read_is_told(self, bench: HarnessBench) -> None:
        bench.offer(SERVER, ECHO)
        bench.answers = lambda request: None
        bench.up(ONE_CALL, DONE)
        bench.until_requested()
        bench.put(bench.requests[0], b'{"id": "call')
        assert bench.finish().status == "success"
        assert results(bench.asked())[0].strip(), "the model is not told what is wrong"

    def test_a_call_that_is_never_answered_ends_with_the_runs_time(self, bench: HarnessBench) -> None:
        bench.offer(SERVER, ECHO)
        bench.answers = lambda request: None
        bench.ends_in(2.0)
        bench.up(ONE_CALL, DONE)
        result = bench.finish(10.0)
        assert (result.status, result.reason) == ("error", "Timeout"), result
