from __future__ import annotations

import pytest

from sympozium_core.cluster.status import MethodNotAllowed, UnsupportedMediaType, error_of, status_of
from sympozium_core.contracts.cluster import (
    API_ERRORS,
    AlreadyExists,
    ApiError,
    Conflict,
    Gone,
    Invalid,
    NotFound,
    ResourceType,
    Unavailable,
)
from sympozium_core.errors import Cause

WIDGET = ResourceType("example.com", "v1", "Widget", "widgets")


@pytest.mark.parametrize("type", [*API_ERRORS, MethodNotAllowed, UnsupportedMediaType])
def test_every_error_crosses_the_border(type: type[ApiError]) -> None:
    error = type("it is wrong", hint="mend it", causes=[Cause("spec.size", "too big", "at most 3")])
    back = error_of(status_of(error, kind=WIDGET, name="one"))
    assert back.__class__ is type
    assert (back.code, back.reason) == (type.code, type.reason)
    assert str(back) == "it is wrong (mend it)"
    assert back.causes == (Cause("spec.size", "too big (at most 3)"),)


def test_the_body_is_a_status() -> None:
    body = status_of(NotFound("gone"), kind=WIDGET, name="one")
    assert (body["kind"], body["apiVersion"], body["status"], body["code"], body["reason"]) == (
        "Status",
        "v1",
        "Failure",
        404,
        "NotFound",
    )
    assert body["details"] == {"name": "one", "group": "example.com", "kind": "widgets"}


@pytest.mark.parametrize(
    ("body", "code", "type"),
    [
        (None, 404, NotFound),
        ("<html>", 503, Unavailable),
        ({"kind": "Status", "reason": "AlreadyExists", "code": 409}, 409, AlreadyExists),
        ({"kind": "Status", "code": 409}, 409, Conflict),
        ({"kind": "Status", "reason": "Gone", "code": 410}, 410, Gone),
        ({"kind": "Status", "reason": "Expired", "code": 410}, 200, Gone),
        ({"kind": "Status", "reason": "TooManyRequests", "code": 429}, 429, Unavailable),
        ({"kind": "Status", "reason": "Invalid", "details": {"causes": ["x", {"field": 1}]}}, 422, Invalid),
        ({"kind": "Status", "details": []}, 502, Unavailable),
        ({"kind": "Status", "code": "x"}, 418, ApiError),
    ],
)
def test_answers_of_other_servers(body: object, code: int, type: type[ApiError]) -> None:
    error = error_of(body, code)
    assert error.__class__ is type
    assert error.message


def test_causes_of_a_real_server_are_said_once_and_have_no_odd_fields() -> None:
    twice = {"reason": "FieldValueInvalid", "field": "metadata.uid", "message": "field is immutable"}
    rest = {"field": "<nil>", "message": "some validation rules were not checked"}
    error = error_of({"kind": "Status", "reason": "Invalid", "details": {"causes": [twice, twice, rest]}}, 422)
    assert error.causes == (
        Cause("metadata.uid", "field is immutable"),
        Cause("", "some validation rules were not checked"),
    )
