"""Turns what a model refuses into what a person can mend: the field as they wrote it, the value, what was meant, and a good value."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from sympozium_core.errors import Cause
from sympozium_core.resources import suggestions
from sympozium_core.resources.faults import Fault, shown
from sympozium_core.resources.paths import Path, origin, written

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

    from sympozium_core.resources.rules import Complaint
    from sympozium_core.resources.strictness import Resource

_WANTED = {
    "string_type": "text",
    "bool_type": "true or false",
    "int_type": "a whole number",
    "list_type": "a list",
    "dict_type": "an object",
    "model_type": "an object",
}


def without_nulls(
    model_class: type[Resource],
    normal: Mapping[str, Any],
    fault: ValidationError | None,
    broken: Iterable[Complaint],
    origins: Mapping[Path, Path],
) -> tuple[Resource | None, list[Cause]]:
    """Reads the object again as if what is null were not there (as Kubernetes has it), and explains what is wrong even then."""
    model = None
    nulls = _null_fields(model_class, fault) if fault else []
    if nulls:
        normal = _pruned(normal, nulls)
    if nulls or fault is None:
        try:
            model, fault = model_class.model_validate(normal), None
        except ValidationError as error:
            fault = error
    explainer = _Explainer(model_class, origins)
    causes = [explainer.cause(error) for error in fault.errors(include_url=False)] if fault else []
    causes += [Cause(written(origin(path, origins)), message, hint) for path, message, hint in broken]
    return (None if causes else model), _distinct(causes)


def _null_fields(model_class: type[Resource], fault: ValidationError) -> list[Path]:
    """Fields that are refused for being null. Values of maps and items of lists are none: there null is a fault."""
    places = [error["loc"] for error in fault.errors(include_url=False) if error["input"] is None and error["loc"]]
    return [path for path in places if path[-1] in suggestions.names_at(model_class, path[:-1])]


def _distinct(causes: list[Cause]) -> list[Cause]:
    """One cause a field and message, in the order of the model."""
    return list(dict.fromkeys(causes))


def _pruned(value: Any, places: Iterable[Path]) -> Any:
    """A copy without the members of objects at the places."""
    for path in places:
        value = _without(value, path)
    return value


def _without(value: Any, path: Path) -> Any:
    if isinstance(value, dict) and path and path[0] in value:
        copy = dict(value)
        if len(path) == 1:
            del copy[path[0]]
        else:
            copy[path[0]] = _without(copy[path[0]], path[1:])
        return copy
    if isinstance(value, list) and len(path) > 1 and isinstance(path[0], int) and path[0] < len(value):
        items = list(value)
        items[path[0]] = _without(items[path[0]], path[1:])
        return items
    return value


class _Explainer:
    def __init__(self, model_class: type[Resource], origins: Mapping[Path, Path]) -> None:
        self.model_class = model_class
        self.origins = origins

    def cause(self, error: ErrorDetails) -> Cause:
        loc: Path = error["loc"]
        if loc and loc[-1] == "[key]":
            loc = loc[:-1]
        place = origin(loc, self.origins)
        message, hint = self._said(error, loc, place)
        return Cause(written(place), message, hint)

    def _said(self, error: ErrorDetails, loc: Path, place: Path) -> tuple[str, str]:
        value, context = error["input"], error.get("ctx", {})
        match error["type"]:
            case "extra_forbidden":
                return "unknown field", suggestions.unknown(self.model_class, loc, value)
            case "missing":
                return "is missing", suggestions.good(place)
            case "literal_error":
                return f"{shown(value)} is not allowed", suggestions.choice(value, _expected(context))
            case "value_error":
                fault = context.get("error")
                return str(fault), fault.hint if isinstance(fault, Fault) and fault.hint else suggestions.good(place)
            case "greater_than_equal":
                least = context.get("ge")
                return f"is {shown(value)}", f"{least} or more"
            case "less_than_equal":
                return f"is {shown(value)}", f"at most {context.get('le')}"
            case "string_too_long":
                return f"has {len(value)} characters", f"at most {context.get('max_length')}"
            case "too_short":
                return "is empty", suggestions.good(place)
            case kind if kind in _WANTED:
                return f"is {_typed(value)} instead of {_WANTED[kind]}", suggestions.retyped(kind, value, place)
        return error["msg"], suggestions.good(place)


def _typed(value: Any) -> str:
    """The value for a message about its type; text is not shown, as it may be a prompt or a key."""
    return "text" if isinstance(value, str) else shown(value)


def _expected(context: Mapping[str, Any]) -> list[str]:
    """The values of a choice, from pydantic's own words for them: ``'delete' or 'keep'``."""
    return [part.strip().strip("'") for part in str(context.get("expected", "")).replace(" or ", ", ").split(",")]
