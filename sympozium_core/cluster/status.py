"""`Status` bodies: how an error crosses the REST border, in both directions.

Format: https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/status/
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sympozium_core.contracts.cluster import API_ERRORS, AlreadyExists, ApiError, Invalid, Object, ResourceType
from sympozium_core.errors import Cause


class MethodNotAllowed(ApiError):
    code, reason = 405, "MethodNotAllowed"


class UnsupportedMediaType(ApiError):
    code, reason = 415, "UnsupportedMediaType"


_ERRORS: tuple[type[ApiError], ...] = (*API_ERRORS, MethodNotAllowed, UnsupportedMediaType)
_BY_REASON = {error.reason: error for error in _ERRORS}
_BY_CODE = {error.code: error for error in _ERRORS if error is not AlreadyExists}
_BY_REASON["Gone"] = _BY_REASON["Expired"]
_BY_REASON["TooManyRequests"] = _BY_REASON["ServiceUnavailable"]


def status_of(error: ApiError, *, kind: ResourceType | None = None, name: str = "") -> Object:
    """The body that says `error`; `kind` and `name` are what the request was about."""
    details: dict[str, Any] = {}
    if name:
        details["name"] = name
    if kind is not None:
        details |= {"group": kind.group, "kind": kind.kind if isinstance(error, Invalid) else kind.plural}
    if error.causes:
        details["causes"] = [_cause_body(cause) for cause in error.causes]
    body: Object = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure"}
    body |= {"message": str(error), "reason": error.reason, "code": error.code}
    if details:
        body["details"] = details
    return body


def deleted_status(kind: ResourceType, name: str, uid: str) -> Object:
    """The answer to a DELETE that removed the object at once."""
    details = {"name": name, "group": kind.group, "kind": kind.plural, "uid": uid}
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}


def error_of(body: Any, code: int = 0) -> ApiError:
    """The error that a `Status` body says. `code` is the HTTP status, for a body that is no Status."""
    found: Mapping[str, Any] = body if isinstance(body, Mapping) and body.get("kind") == "Status" else {}
    number = found.get("code") if isinstance(found.get("code"), int) else code
    reason = str(found.get("reason") or "")
    type = _BY_REASON.get(reason) or _BY_CODE.get(number or 0) or (_BY_CODE[503] if number in (429, 502, 504) else ApiError)
    message = str(found.get("message") or f"the API server answered {number or code}")
    error = type(message, causes=_causes(found))
    if type is ApiError:
        error.code = number or 500
        error.reason = reason or error.reason
    return error


def _causes(body: Mapping[str, Any]) -> list[Cause]:
    details = body.get("details")
    causes = details.get("causes") if isinstance(details, Mapping) else None
    if not isinstance(causes, list):
        return []
    found = [_cause(one) for one in causes if isinstance(one, Mapping)]
    return list(dict.fromkeys(found))  # an API server that checks twice says it twice


def _cause(body: Mapping[str, Any]) -> Cause:
    field = str(body.get("field") or "")
    return Cause("" if field == "<nil>" else field, str(body.get("message") or ""))


def _cause_body(cause: Cause) -> dict[str, str]:
    message = f"{cause.message} ({cause.hint})" if cause.hint else cause.message
    return {"reason": "FieldValueInvalid", "field": cause.field, "message": message}
