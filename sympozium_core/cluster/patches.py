"""JSON merge patch (RFC 7386) and JSON patch (RFC 6902), as pure functions on JSON values."""

from __future__ import annotations

import copy
from typing import Any

from sympozium_core.contracts.cluster import BadRequest, Invalid, TooLarge

MAX_OPERATIONS = 10_000
"""The API server's own bound on one JSON patch."""


def merge_patch(target: Any, patch: Any) -> Any:
    """The patched value; `target` is not changed. Shares parts with both arguments."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merge_patch(result.get(key), value)
    return result


def json_patch(target: Any, patch: Any) -> Any:
    """The patched value; `target` is not changed.

    Raises BadRequest for what is no JSON patch, Invalid when an operation cannot be done (a path that is not there, a test that
    fails), TooLarge for more than `MAX_OPERATIONS`.
    """
    if not isinstance(patch, list):
        raise BadRequest("a JSON patch is a list of operations")
    if len(patch) > MAX_OPERATIONS:
        raise TooLarge(f"the JSON patch has {len(patch)} operations; the most allowed is {MAX_OPERATIONS}")
    document = [copy.deepcopy(target)]  # in a list, so that the whole document has a place of its own
    for index, operation in enumerate(patch):
        _apply(document, _checked(operation, index), index)
    return document[0]


def _checked(operation: Any, index: int) -> dict[str, Any]:
    known = ("add", "remove", "replace", "move", "copy", "test")
    if not isinstance(operation, dict) or operation.get("op") not in known or not isinstance(operation.get("path"), str):
        raise BadRequest(f"operation {index} of the JSON patch needs op (one of {', '.join(known)}) and path")
    if operation["op"] in ("move", "copy") and not isinstance(operation.get("from"), str):
        raise BadRequest(f"operation {index} of the JSON patch needs from")
    if operation["op"] in ("add", "replace", "test") and "value" not in operation:
        raise BadRequest(f"operation {index} of the JSON patch needs value")
    return operation


def _apply(document: list[Any], operation: dict[str, Any], index: int) -> None:
    path = _pointer(operation["path"], index)
    match operation["op"]:
        case "add":
            _add(document, path, copy.deepcopy(operation["value"]), index)
        case "remove":
            _remove(document, path, index)
        case "replace":
            _find(document, path, index)
            parent, key = _parent(document, path, index)
            parent[key] = copy.deepcopy(operation["value"])
        case "test":
            if not _same(_find(document, path, index), operation["value"]):
                raise Invalid(f"operation {index} of the JSON patch: the test of {operation['path'][:200]!r} failed")
        case "copy":
            source = _find(document, _pointer(operation["from"], index), index)
            _add(document, path, copy.deepcopy(source), index)
        case "move":
            origin = _pointer(operation["from"], index)
            if len(path) > len(origin) and path[: len(origin)] == origin:
                raise Invalid(f"operation {index} of the JSON patch moves a value into itself")
            _add(document, path, _remove(document, origin, index), index)


def _pointer(text: str, index: int) -> list[str]:
    """RFC 6901. The result begins with the place of the whole document."""
    if text and not text.startswith("/"):
        raise BadRequest(f"operation {index} of the JSON patch: the path {text[:200]!r} must begin with a slash")
    return ["", *(part.replace("~1", "/").replace("~0", "~") for part in text.split("/")[1:])]


def _parent(document: list[Any], path: list[str], index: int) -> tuple[Any, Any]:
    """The container that holds the last step, and the key in it."""
    if len(path) == 1:
        return document, 0
    container = _find(document, path[:-1], index)
    if isinstance(container, list):
        return container, len(container) if path[-1] == "-" else _position(container, path, index)
    if isinstance(container, dict):
        return container, path[-1]
    raise _missing(path, index)


def _position(container: list[Any], path: list[str], index: int) -> int:
    step = path[-1]
    if not step.isascii() or not step.isdigit() or (len(step) > 1 and step[0] == "0") or len(step) > 9:
        raise _missing(path, index)
    if int(step) > len(container):
        raise _missing(path, index)
    return int(step)


def _find(document: list[Any], path: list[str], index: int) -> Any:
    value: Any = document[0]
    for depth, step in enumerate(path[1:], start=2):
        if isinstance(value, dict) and step in value:
            value = value[step]
        elif isinstance(value, list) and step != "-":
            position = _position(value, path[:depth], index)
            if position == len(value):
                raise _missing(path[:depth], index)
            value = value[position]
        else:
            raise _missing(path[:depth], index)
    return value


def _add(document: list[Any], path: list[str], value: Any, index: int) -> None:
    parent, key = _parent(document, path, index)
    if isinstance(parent, list) and len(path) > 1:
        parent.insert(key, value)
    else:
        parent[key] = value


def _remove(document: list[Any], path: list[str], index: int) -> Any:
    value = _find(document, path, index)
    if len(path) == 1:
        raise Invalid(f"operation {index} of the JSON patch removes the whole object")
    parent, key = _parent(document, path, index)
    del parent[key]
    return value


def _same(left: Any, right: Any) -> bool:
    """Equality of JSON values: in Python ``True == 1``, in JSON not."""
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(_same(left[key], right[key]) for key in left)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(_same(a, b) for a, b in zip(left, right, strict=True))
    return bool(left == right)


def _missing(path: list[str], index: int) -> Invalid:
    where = "/".join(path)[:200]
    return Invalid(f"operation {index} of the JSON patch: there is nothing at {where!r}")
