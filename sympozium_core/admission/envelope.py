"""AdmissionReview bodies, in and out. Format: https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/

What comes in need not come from an API server: whoever reaches the port may send anything. So everything is checked before it is believed.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sympozium_core.cluster.status import status_of
from sympozium_core.contracts.cluster import ApiError, Object, ResourceType, Review, User
from sympozium_core.errors import Permanent
from sympozium_core.resources import kinds

API_VERSION = "admission.k8s.io/v1"
MAX_BODY = 7 * 1024 * 1024
"""Bytes: an API server takes 3 MiB a request, and sends the old object and the new one."""
MAX_UID = 128
MAX_WORD = 1024
"""Characters of a user's name, a group, a verb: far beyond what any of them has."""
MAX_LIST = 10_000
MAX_MESSAGE = 16 * 1024
"""Characters of a refusal; what does not fit is in its causes."""
MAX_WARNING = 256
"""Characters beyond which an API server cuts a warning."""

_OPERATIONS: Mapping[str, Literal["CREATE", "UPDATE", "DELETE"]] = {
    "CREATE": "CREATE",
    "UPDATE": "UPDATE",
    "DELETE": "DELETE",
}


class Malformed(Permanent):
    """No AdmissionReview. `uid` is that of the request where it could be read: then it is answered, otherwise there is nobody to answer."""

    reason = "BadRequest"

    def __init__(self, message: str, uid: str = "") -> None:
        super().__init__(message)
        self.uid = uid


@dataclass(frozen=True)
class Request:
    uid: str
    review: Review


def read(body: bytes) -> Request:
    """Raises Malformed."""
    try:
        found = json.loads(body, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise Malformed(f"the body is no JSON: {type(error).__name__}") from None
    if not isinstance(found, dict) or found.get("kind") != "AdmissionReview" or found.get("apiVersion") != API_VERSION:
        raise Malformed(f"the body is no AdmissionReview of {API_VERSION}")
    request = found.get("request")
    if not isinstance(request, dict):
        raise Malformed("the AdmissionReview has no request")
    uid = request.get("uid")
    if not isinstance(uid, str) or not 0 < len(uid) <= MAX_UID or not uid.isprintable():
        raise Malformed("request.uid is no identifier")
    try:
        return Request(uid, _review(request))
    except Malformed as error:
        raise Malformed(error.message, uid) from None


def allowed(uid: str, *, patch: Sequence[Mapping[str, Any]] = (), warnings: Sequence[str] = ()) -> Object:
    response: Object = {"uid": uid, "allowed": True}
    if patch:
        text = json.dumps(list(patch), separators=(",", ":")).encode()
        response |= {"patchType": "JSONPatch", "patch": base64.b64encode(text).decode("ascii")}
    return _answer(response, warnings)


def denied(uid: str, error: ApiError, kind: ResourceType | None = None, name: str = "", warnings: Sequence[str] = ()) -> Object:
    status = status_of(error, kind=kind, name=name)
    status["message"] = _message(error)
    return _answer({"uid": uid, "allowed": False, "status": status}, warnings)


def _message(error: ApiError) -> str:
    """With every cause: the text of an error is cut earlier than that of an answer has to be."""
    head = error.message.partition(": ")[0] if error.causes else str(error)
    text = ": ".join(part for part in (head, "; ".join(str(cause) for cause in error.causes)) if part)
    return text if len(text) <= MAX_MESSAGE else f"{text[:MAX_MESSAGE]}… ({len(error.causes)} causes)"


def _answer(response: Object, warnings: Sequence[str]) -> Object:
    if warnings:
        response["warnings"] = [warning[:MAX_WARNING] for warning in warnings]
    return {"apiVersion": API_VERSION, "kind": "AdmissionReview", "response": response}


def _review(request: Mapping[str, Any]) -> Review:
    operation = _OPERATIONS.get(_word(request, "operation"))
    if operation is None:
        raise Malformed("request.operation is none of CREATE, UPDATE, DELETE")
    obj, old = _object(request, "object"), _object(request, "oldObject")
    if obj is None and operation != "DELETE":
        raise Malformed(f"request.object is missing from an {operation}")
    if old is None and operation == "UPDATE":
        raise Malformed("request.oldObject is missing from an UPDATE")
    kind, namespace = _kind(request), _word(request, "namespace")
    if kind.namespaced and not namespace:
        raise Malformed("request.namespace is missing")
    return Review(
        operation=operation,
        kind=kind,
        namespace=namespace or None,
        name=_word(request, "name"),
        user=_user(request.get("userInfo")),
        object=obj,
        old_object=old,
        subresource=_word(request, "subResource"),
        dry_run=request.get("dryRun") is True,
    )


def _kind(request: Mapping[str, Any]) -> ResourceType:
    """One of ours as we know it; any other as far as the request tells."""
    kind, resource = request.get("kind"), request.get("resource")
    if not isinstance(kind, dict) or not isinstance(resource, dict):
        raise Malformed("request.kind or request.resource is missing")
    group, version, name = (_word(kind, field) for field in ("group", "version", "kind"))
    found = next((ours for ours in kinds.OURS if (ours.group, ours.version, ours.kind) == (group, version, name)), None)
    return found or ResourceType(group, version, name, _word(resource, "resource"), namespaced=False)


def _object(request: Mapping[str, Any], field: str) -> Object | None:
    found = request.get(field)
    if found is None:
        return None
    if not isinstance(found, dict) or not isinstance(found.get("metadata"), dict):
        raise Malformed(f"request.{field} is no object with metadata")
    return found


def _user(found: Any) -> User:
    if not isinstance(found, dict):
        raise Malformed("request.userInfo is missing")
    extra = {} if found.get("extra") is None else found["extra"]
    if not isinstance(extra, dict) or len(extra) > MAX_LIST:
        raise Malformed("request.userInfo.extra is no object")
    return User(
        _word(found, "username"),
        _words(found.get("groups"), "groups"),
        _word(found, "uid"),
        {key: _words(values, "extra") for key, values in extra.items()},
    )


def _words(found: Any, field: str) -> tuple[str, ...]:
    if found is None:
        return ()
    if not isinstance(found, list) or len(found) > MAX_LIST or not all(isinstance(word, str) for word in found):
        raise Malformed(f"request.userInfo.{field} is no list of text")
    return tuple(found)


def _word(found: Mapping[str, Any], field: str) -> str:
    """Text, or empty where it is not there."""
    word = found.get(field)
    if word is None:
        return ""
    if not isinstance(word, str) or len(word) > MAX_WORD:
        raise Malformed(f"{field} is no text of at most {MAX_WORD} characters")
    return word


def _refuse_constant(name: str) -> Any:
    raise ValueError(name)
