from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sympozium_core.cluster.selectors import MAX_SELECTOR, parse_fields, parse_labels, parse_selector
from sympozium_core.contracts.cluster import BadRequest, ResourceType

WIDGET = ResourceType("example.com", "v1", "Widget", "widgets")
EVENT = ResourceType("", "v1", "Event", "events", status=False)
SECRET = ResourceType("", "v1", "Secret", "secrets", status=False)


@pytest.mark.parametrize(
    ("selector", "labels", "matches"),
    [
        ("", {}, True),
        ("a=1", {"a": "1"}, True),
        ("a=1", {"a": "2"}, False),
        ("a=1", {}, False),
        ("a!=1", {}, True),
        ("a!=1", {"a": "1"}, False),
        ("a in (1,2)", {"a": "2"}, True),
        ("a in (1,2)", {}, False),
        ("a in (,1)", {"a": ""}, True),
        ("a notin (1,2)", {}, True),
        ("a notin (1,2)", {"a": "1"}, False),
        ("a", {"a": ""}, True),
        ("!a", {"a": ""}, False),
        ("! a", {}, True),
        (" a = 1 , b in ( 2 , 3 ) , !c ", {"a": "1", "b": "3"}, True),
        ("in=in,notin in (notin)", {"in": "in", "notin": "notin"}, True),
        ("x.y/z_1.A=B", {"x.y/z_1.A": "B"}, True),
    ],
)
def test_label_selectors(selector: str, labels: dict[str, str], matches: bool) -> None:
    assert all(one.matches(labels) for one in parse_labels(selector)) is matches


@pytest.mark.parametrize(
    "selector", ["a in", "a in b", "a in (b", "a=b)", "a,,b", "a=b=c", "a>1", "=b", "a in (b c)", "a b", "()", "ä=1", "(a)"]
)
def test_label_selectors_that_are_none(selector: str) -> None:
    with pytest.raises(BadRequest):
        parse_labels(selector)


@given(st.text(alphabet="ab=!,() in/.", max_size=60))
def test_any_text_is_a_selector_or_refused(text: str) -> None:
    try:
        parse_labels(text)
        parse_fields(text, ("a", "b"))
    except BadRequest:
        return


def test_a_selector_has_an_end() -> None:
    with pytest.raises(BadRequest, match="longest"):
        parse_labels("a" * (MAX_SELECTOR + 1))


def test_fields() -> None:
    selector = parse_selector(WIDGET, fields="metadata.name=x,status.phase!=Done")
    assert selector.matches({}, {"metadata.name": "x", "status.phase": ""})
    assert not selector.matches({}, {"metadata.name": "x", "status.phase": "Done"})
    assert not selector.matches({}, {"metadata.name": "y", "status.phase": ""})


@pytest.mark.parametrize(
    ("kind", "field"), [(EVENT, "involvedObject.uid"), (EVENT, "reason"), (SECRET, "type"), (WIDGET, "metadata.namespace")]
)
def test_each_kind_has_its_fields(kind: ResourceType, field: str) -> None:
    assert parse_selector(kind, fields=f"{field}=x").fields[0].key == field


def test_another_field_is_refused_with_those_that_can_be_used() -> None:
    with pytest.raises(BadRequest, match=r"spec\.task.*metadata\.name"):
        parse_selector(WIDGET, fields="spec.task=x")
