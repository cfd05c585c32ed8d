from __future__ import annotations

import json
from typing import Any

import pytest
from sympozium_provider_openai.failures import MAX_RETRY_AFTER, Redactor, from_error, from_status

from sympozium_core.contracts.provider import Failure

REDACT = Redactor(["hunter2-hunter2"])


def _body(**error: Any) -> bytes:
    return json.dumps({"error": error}).encode()


@pytest.mark.parametrize(
    ("status", "failure"),
    [
        (400, "refused"),
        (401, "auth"),
        (402, "refused"),
        (403, "auth"),
        (404, "refused"),
        (408, "timeout"),
        (409, "unavailable"),
        (413, "refused"),
        (422, "refused"),
        (429, "rate_limited"),
        (500, "unavailable"),
        (502, "unavailable"),
        (504, "timeout"),
        (529, "unavailable"),
    ],
)
def test_family_of_a_status(status: int, failure: Failure) -> None:
    error = from_status(status, {}, _body(message="No."), "host", REDACT)
    assert (error.failure, error.status) == (failure, status)
    assert "No." in error.message


def test_no_quota_is_not_worth_waiting_for() -> None:
    body = _body(message="You exceeded your current quota.", code="insufficient_quota")
    error = from_status(429, {"retry-after": "1"}, body, "host", REDACT)
    assert error.failure == "refused"
    assert "billing" in error.hint


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
        ({"retry-after": "Fri, 21 Nov 2025 10:00:30 GMT", "date": "Fri, 21 Nov 2025 10:00:00 GMT"}, 30.0),
        ({"retry-after": "Fri, 21 Nov 2025 10:00:30 GMT"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "999999"}, MAX_RETRY_AFTER),
        ({"retry-after-ms": "nan"}, None),
        ({}, None),
    ],
)
def test_retry_after(headers: dict[str, str], seconds: float | None) -> None:
    assert from_status(429, headers, b"{}", "host", REDACT).retry_after == seconds


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'{"error": "model not found"}', "model not found"),
        (b'{"detail": "Not Found"}', "Not Found"),
        (b'{"error": {"message": {"deep": 1}}}', "deep"),
        (b"<!DOCTYPE html><html><head><title>502 Bad\nGateway</title></head></html>", "a web page: 502 Bad Gateway"),
        (b"plain words", "plain words"),
        (b"\xff\xfe", "500"),
        (b"", "host answered 500"),
        (b"[1, 2]", "[1, 2]"),
    ],
)
def test_words_of_any_shape(body: bytes, words: str) -> None:
    assert words in from_status(500, {}, body, "host", REDACT).message


@pytest.mark.parametrize(
    "quoted",
    ["hunter2-hunter2", "sk-proj-abcdefgh1234", "sk-ab***************xyz", "Bearer abcdef", "Incorrect key: sk-12345678."],
)
def test_keys_are_taken_out(quoted: str) -> None:
    message = from_status(401, {}, _body(message=f"Bad {quoted}"), "host", REDACT).message
    for word in ("hunter2", "abcdef", "xyz", "12345678"):
        assert word not in message
    assert "[key]" in message


def test_words_are_bounded_and_of_one_line() -> None:
    message = from_status(400, {}, _body(message="a\x1b[31m\nb" * 5000), "host", REDACT).message
    assert len(message) < 700
    assert message.isprintable()


@pytest.mark.parametrize(
    ("error", "failure"),
    [
        ({"message": "x", "code": 502}, "unavailable"),
        ({"message": "x", "code": "429"}, "rate_limited"),
        ({"message": "x", "type": "rate_limit_error"}, "rate_limited"),
        ({"message": "x", "type": "authentication_error"}, "auth"),
        ({"message": "x", "type": "invalid_request_error", "code": "context_length_exceeded"}, "refused"),
        ({"message": "x", "code": "insufficient_quota"}, "refused"),
        ({"message": "x", "type": "server_error"}, "unavailable"),
        ("Unexpected endpoint or method. (POST /chat)", "refused"),
        ("anything", "unavailable"),
    ],
)
def test_errors_inside_a_stream(error: object, failure: Failure) -> None:
    assert from_error(error, "host", REDACT).failure == failure
