"""Models and endpoints that misbehave: each ends in an answer or in a typed error, never in a crash or a hang."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest


@pytest.mark.parametrize("status", [500, 502, 503, 429, 408])
def test_temporary_failures_are_tried_again(pod: Any, model: Any, reply: Any, status: int) -> None:
    failure = reply.raw(status, b'{"error": {"message": "not now"}}')
    model.script = [failure, failure, reply.says("Done.")]
    assert pod.finish().response == "Done."
    assert len(set(model.requests)) == 1, "a repetition asks the same"


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422])
def test_refusals_are_final(pod: Any, model: Any, reply: Any, status: int) -> None:
    model.script = [reply.raw(status, json.dumps({"error": {"message": "the key is wrong", "type": "x"}}).encode())]
    result = pod.finish()
    assert (result.status, result.reason) == ("error", "ModelError")
    assert f"{status}: the key is wrong" in result.error
    assert len(model.requests) == 1


def silence(handler: Any) -> None:
    """No answer, until the runner goes away."""
    handler.rfile.read(1)


@pytest.mark.parametrize("then", [[], [silence]], ids=["between two tries", "while it is asked again"])
def test_an_endpoint_that_fails_for_ever_ends_with_the_deadline_and_says_why(
    pod: Any, model: Any, reply: Any, then: list[Any]
) -> None:
    model.script = [reply.raw(503, b'{"error": {"message": "still starting"}}'), *then]
    pod.task["limits"]["deadline"] = time.time() + 3.0
    result = pod.finish()
    assert result.reason == "Timeout"
    assert "503: still starting" in result.error


def test_an_answer_that_breaks_off_is_asked_for_again(pod: Any, model: Any, reply: Any) -> None:
    half = reply.stream(reply.delta(content="Half of"), done=False, break_off=True)
    model.script = [half, reply.says("The whole.")]
    assert pod.finish().response == "The whole."


def test_an_error_in_the_middle_of_a_stream(pod: Any, model: Any, reply: Any) -> None:
    broken = reply.stream(reply.delta(content="Ha"), {"error": {"message": "overloaded", "code": 503}}, done=False)
    model.script = [broken, reply.says("Done.")]
    assert pod.finish().response == "Done."


def test_a_refusal_in_the_middle_of_a_stream_is_final(pod: Any, model: Any, reply: Any) -> None:
    model.script = [reply.stream(reply.delta(content="Ha"), {"error": {"message": "content refused", "code": 400}}, done=False)]
    result = pod.finish()
    assert result.reason == "ModelError"
    assert "content refused" in result.error
    assert len(model.requests) == 1


@pytest.mark.parametrize("body", [b"<html>", b"[]", b'{"id": 1}', b"\xff\xfe", b""])
def test_an_answer_that_is_no_completion(pod: Any, model: Any, reply: Any, body: bytes) -> None:
    model.script = [reply.raw(200, body, "text/event-stream")]
    result = pod.finish()
    assert result.reason == "ModelError"
    assert result.error


def test_an_empty_answer_is_asked_for_once_more(pod: Any, model: Any, reply: Any) -> None:
    empty = reply.stream(reply.delta("stop", content=""))
    model.script = [empty, reply.says("Now.")]
    assert pod.finish().response == "Now."


def test_two_empty_answers_are_an_error(pod: Any, model: Any, reply: Any) -> None:
    model.script = [reply.stream(reply.delta("stop", content=" \n"))]
    result = pod.finish()
    assert result.reason == "ModelError"
    assert "nothing" in result.error
    assert len(model.requests) == 2


def test_reasoning_stands_in_for_an_empty_answer(pod: Any, model: Any, reply: Any) -> None:
    model.script = [reply.stream(reply.delta(reasoning_content="It is "), reply.delta("stop", reasoning_content="42."))]
    assert pod.finish().response == "It is 42."


def test_an_endpoint_that_does_not_stream(pod: Any, model: Any, reply: Any) -> None:
    message = {"role": "assistant", "content": "Whole."}
    body = json.dumps({"choices": [{"message": message, "finish_reason": "stop"}]}).encode()
    model.script = [reply.raw(200, body)]
    assert pod.finish().response == "Whole."


def test_whole_calls_without_ids_and_with_carriage_returns(pod: Any, model: Any, reply: Any) -> None:
    def whole(name: str, arguments: Any) -> dict[str, Any]:
        return {"type": "function", "function": {"name": name, "arguments": arguments}}

    both = [whole("list_directory", {}), whole("list_directory", '{"path": "/tmp"}')]
    model.script = [reply.stream(reply.delta("tool_calls", tool_calls=both), line=b"\r\n"), reply.says("Done.")]
    pod.finish()
    asked = model.bodies()[-1]["messages"][2]["tool_calls"]
    assert [call["id"] for call in asked] == ["call_1_0", "call_1_1"]
    assert model.tool_messages() == ["/workspace is empty.", "/tmp is empty."]


def test_ids_that_are_unsafe_or_used_twice_are_replaced(pod: Any, model: Any, reply: Any) -> None:
    model.script = [
        reply.calls(("list_directory", {}), ("list_directory", {}), ids=("../../x", "same")),
        reply.calls(("list_directory", {}), ids=("same",)),
        reply.says("Done."),
    ]
    pod.finish()
    ids = [call["id"] for message in model.bodies()[-1]["messages"] for call in message.get("tool_calls", [])]
    assert ids == ["call_1_0", "same", "call_2_0"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ("{oops", "not JSON"),
        ("[1]", "one JSON object"),
        ('"x"', "one JSON object"),
        ("{}", "path: is missing"),
        ("", "path: is missing"),
    ],
)
def test_the_model_is_told_of_bad_arguments(pod: Any, model: Any, reply: Any, arguments: str, says: str) -> None:
    model.script = [reply.calls(("read_file", arguments)), reply.says("Done.")]
    assert pod.finish().status == "success"
    (text,) = model.tool_messages()
    assert text.startswith("Error: ")
    assert says in text


def test_an_unknown_tool_is_answered_with_those_there_are(pod: Any, model: Any, reply: Any) -> None:
    model.script = [reply.calls(("no_such_tool", {})), reply.says("Done.")]
    pod.finish()
    (text,) = model.tool_messages()
    assert "'no_such_tool'" in text
    assert "read_file, write_file, edit_file, list_directory, grep_search" in text


def test_half_a_surrogate_pair_does_not_end_the_run(pod: Any, model: Any, reply: Any) -> None:
    model.script = [reply.calls(("write_file", '{"path": "x", "content": "a\\ud83d"}'), text="b\ud83d"), reply.says("Done.")]
    assert pod.finish().status == "success"
    assert (pod.workspace / "x").read_text() == "a?"


def test_an_answer_without_end_is_cut_off(pod: Any, model: Any, reply: Any) -> None:
    chunk = reply.delta(content="z" * 500_000)
    model.script = [reply.stream(*[chunk] * 12)]
    result = pod.finish()
    assert result.reason == "ModelError"
    assert "characters" in result.error


def test_a_dead_endpoint(pod: Any, model: Any) -> None:
    pod.task["model"]["baseURL"] = "http://127.0.0.1:1/v1"
    pod.task["limits"]["deadline"] = time.time() + 3.0
    result = pod.finish()
    assert result.reason == "Timeout"
    assert "cannot be reached: Connection refused" in result.error
