"""Which objects are meant, by their labels, in the form that Kubernetes has for it (`metav1.LabelSelector`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from sympozium_core.resources.fields import Text
from sympozium_core.resources.strictness import Strict

Operator = Literal["In", "NotIn", "Exists", "DoesNotExist"]


class LabelExpression(Strict):
    key: Text
    operator: Operator
    values: list[str] = []
    """For ``In`` and ``NotIn``."""


class LabelSelector(Strict):
    """All of it has to fit; one that says nothing fits everything."""

    match_labels: dict[str, str] = {}
    match_expressions: list[LabelExpression] = []


def selects(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """Whether the selector, in its JSON form, fits these labels. As in Kubernetes, ``NotIn`` fits where the label is missing."""
    if any(labels.get(key) != value for key, value in (selector.get("matchLabels") or {}).items()):
        return False
    return all(_fits(each, labels.get(each["key"])) for each in selector.get("matchExpressions") or ())


def _fits(expression: Mapping[str, Any], value: str | None) -> bool:
    listed = value is not None and value in (expression.get("values") or ())
    match expression["operator"]:
        case "In":
            return listed
        case "NotIn":
            return not listed
        case "Exists":
            return value is not None
        case _:
            return value is None
