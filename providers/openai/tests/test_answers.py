from __future__ import annotations

import json
from typing import Any

import pytest
from sympozium_provider_openai.answers import StreamCheck, whole_as_chunk
from sympozium_provider_openai.failures import Redactor

from sympozium_core.contracts.provider import ProviderError

REDACT = Redactor([])


def _check() -> StreamCheck:
    return StreamCheck("host", REDACT)


def _choice(delta: Any, finish: str | None = None, **more: Any) -> str:
    return json.dumps({"choices": [{"index": 0, "delta": delta, "finish_reason": finish, **more}]})


def test_sound_chunks_pass_unchanged() -> None:
    check = _check()
    text = '{"id": "x", "new_field": [1], "choices": [{"index": 0, "delta": {"tool_calls": [{"index": 0, "id": "a"}]}, "finish_reason": "stop"}]}'
    assert check.chunk(text) == json.loads(text)
    check.end()


@pytest.mark.parametrize(
    "text",
    ["{", "[]", '"x"', '{"choices": 1}', '{"choices": [1]}', '{"choices": [{"delta": []}]}', '{"choices": [{"delta": {"tool_calls": [1]}}]}',
     '{"choices": [{"index": "0", "delta": {}}]}'],
)  # fmt: skip
def test_what_is_no_chunk(text: str) -> None:
    with pytest.raises(ProviderError) as raised:
        _check().chunk(text)
    assert raised.value.failure == "garbage"


def test_an_end_needs_a_finish_reason_for_every_choice() -> None:
    check = _check()
    check.chunk(_choice({"content": "a"}, "stop"))
    check.end()
    check.chunk('{"choices": [{"index": 1, "delta": {"content": "b"}}]}')
    with pytest.raises(ProviderError, match="finish reason"):
        check.end()
    with pytest.raises(ProviderError, match="without content"):
        _check().end()


def test_calls_without_index_are_numbered_by_their_ids() -> None:
    check = _check()
    calls = [{"id": "a", "function": {"name": "x"}}, {"id": "b", "function": {"name": "y"}}]
    chunks = [check.chunk(_choice({"tool_calls": [call]})) for call in calls]
    chunks.append(check.chunk(_choice({"tool_calls": [{"function": {"arguments": "{}"}}]})))
    assert [chunk["choices"][0]["delta"]["tool_calls"][0]["index"] for chunk in chunks] == [0, 1, 1]


def test_an_error_event_ends_the_answer() -> None:
    with pytest.raises(ProviderError, match="crashed"):
        _check().chunk('{"message": "crashed"}', "error")


@pytest.mark.parametrize("body", [b"<html>", b"[]", b'{"choices": []}', b'{"choices": [{"text": "x"}]}', b'{"object": "list"}'])
def test_what_is_no_whole_answer(body: bytes) -> None:
    with pytest.raises(ProviderError) as raised:
        whole_as_chunk(body, "host", REDACT)
    assert raised.value.failure == "garbage"
