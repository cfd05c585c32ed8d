"""What an expression may be, and what it is told of a call."""

from __future__ import annotations

import subprocess
import sys
import time
from typing import Any

import pytest

from sympozium_core.call_conditions.expression import MAX_LENGTH, BadCondition, Facts, condition, constant


def holds(source: str, arguments: dict[str, Any] | None = None, argv: tuple[str, ...] | None = None) -> bool | None:
    return condition(source).holds(Facts("execute_command", "shell", arguments or {}, argv))


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("", "is empty"),
        (" ", "is empty"),
        ("argv[0] ==", "line 1, column 11: mismatched input the end of the expression"),
        (
            "true &&\n agrv[0] == 'x'",
            "line 2, column 2: undeclared reference to 'agrv'; known are args, argv, annotations, tool and server",
        ),
        ("argv[0] = 'x'", "line 1, column 9: token recognition error at: '= '"),
        ("args.command", "is of type DYN, and has to be true or false"),
        ("argv", "is of type LIST<STRING>"),
        ("argv == 'ls'", "line 1, column 6: found no matching overload"),
        ("args.command.matches('(')", "'(' is no regular expression (RE2)"),
        ("true" + " " * MAX_LENGTH, f"has {MAX_LENGTH + 4} characters, at most {MAX_LENGTH} are allowed"),
        ("(" * 200 + "true" + ")" * 200, "nested too deeply"),
        ("tool == '\ud800'", "cannot be compiled"),
        ("true\0 && false", "has a NUL in it"),
    ],
)
def test_what_is_none_says_where(source: str, words: str) -> None:
    with pytest.raises(BadCondition) as refused:
        condition(source)
    assert words in str(refused.value)
    assert "expecting" not in str(refused.value), "no list of what the grammar would take"


@pytest.mark.parametrize(
    ("source", "arguments", "argv", "answer"),
    [
        ("args.namespace == 'staging'", {"namespace": "staging"}, None, True),
        ("args.namespace == 'staging'", {"namespace": "prod"}, None, False),
        ("args.namespace == 'staging'", {}, None, None),
        ("args.namespace == 'staging'", {"namespace": 3}, None, False),
        ("!has(args.force) || args.force == false", {}, None, True),
        ("args.replicas <= 3", {"replicas": 3}, None, True),
        ("args.replicas <= 3", {"replicas": 3.5}, None, False),
        ("args.replicas <= 3", {"replicas": "3"}, None, None),
        ("args.replicas <= 3", {"replicas": 2**70}, None, None),
        ("args.path.startsWith('/workspace/')", {"path": "/workspace/a"}, None, True),
        ("'a' in args.names", {"names": ["b", "a"]}, None, True),
        ("args.names.all(name, name.matches('^[a-z]+$'))", {"names": ["b", "A"]}, None, False),
        ("args.deep.er == null", {"deep": {"er": None}}, None, True),
        ("tool == 'execute_command' && server == 'shell'", {}, None, True),
        ("argv[0] == 'kubectl'", {}, ("kubectl", "get"), True),
        ("argv[0] == 'kubectl'", {}, None, None),
        ("tool == 'execute_command' || argv[0] == 'x'", {}, None, None),
        ("argv[5] == 'x'", {}, ("a",), None),
        ("argv.slice(0, 2) == ['kubectl', 'get']", {}, ("kubectl", "get", "pods"), True),
        ("argv.slice(0, 2) == ['kubectl', 'get']", {}, ("kubectl",), False),
        ("argv.slice(1, 99) == ['b']", {}, ("a", "b"), True),
        ("argv.slice(-5, -1) == []", {}, ("a", "b"), True),
        ("size(argv) == 1", {}, ("a",), True),
        ("args.a == args.b", {"a": float("nan"), "b": 1}, None, False),
        ("args.a == 'x'", {"a": "\ud800"}, None, None),
        ("args.a == 'x'", {"a": "x\0y"}, None, None),
        ("args.a == 'x'", {"a": "x", "b": [{"c\0": 1}]}, None, None),
    ],
)
def test_a_condition_of_a_call(
    source: str, arguments: dict[str, Any], argv: tuple[str, ...] | None, answer: bool | None
) -> None:
    assert holds(source, arguments, argv) is answer


def test_what_it_costs_is_bounded() -> None:
    many = [f"word{number}" for number in range(512)]
    began = time.monotonic()
    assert holds("argv.all(a, argv.all(b, argv.all(c, a + b + c != '')))", argv=tuple(many)) is None, "too many steps"
    assert holds("args.a.matches('(a|aa)+b')", {"a": "a" * 60_000}) is False, "linear in the text"
    assert holds("args.a == 'x'", {"a": "x" * 70_000}) is None, "longer than a condition is asked about"
    deep: Any = 1
    for _ in range(900):
        deep = [deep]
    assert holds("args.a == args.a", {"a": deep}) is True
    assert time.monotonic() - began < 20, "a machine may be slow, not stuck"


def test_it_is_told_whether_argv_is_looked_at() -> None:
    assert condition("argv[0] == 'a'").uses_argv
    assert condition("args.x == 1 || (tool == 'y' && size(argv) == 2)").uses_argv
    assert not condition("args.argv == 'argv'").uses_argv
    assert not condition("['x'].exists(argv, argv == args.x)").uses_argv


ANNOTATIONS = {"readOnly": True, "destructive": False, "idempotent": True, "openWorld": False}


@pytest.mark.parametrize(
    ("source", "annotations", "answer"),
    [
        ("annotations.readOnly", ANNOTATIONS, True),
        ("annotations.destructive || annotations.openWorld", ANNOTATIONS, False),
        ("annotations['readOnly'] && args.x == 1", ANNOTATIONS, True),
        ("annotations.readOnly", None, None),
        ("args.x == 1 || annotations.readOnly", None, None),
        ("annotations.unheardOf", ANNOTATIONS, None),
        ("has(annotations.unheardOf)", ANNOTATIONS, False),
        ("annotations.readOnly || argv[0] == 'ls'", ANNOTATIONS, None),
        ("args.x == 1", None, True),
    ],
)
def test_what_a_server_says_of_its_tool(source: str, annotations: dict[str, bool] | None, answer: bool | None) -> None:
    assert condition(source).holds(Facts("gh_get", "mcp", {"x": 1}, None, annotations)) is answer


def test_it_is_told_whether_annotations_are_looked_at() -> None:
    assert condition("annotations.readOnly").uses_annotations
    assert not condition("args.annotations == 'x'").uses_annotations
    both = condition("annotations.readOnly && argv[0] == 'ls'")
    assert both.uses_annotations
    assert both.uses_argv
    assert not condition("annotations.readOnly").uses_argv


def test_constants() -> None:
    assert constant("1 == 1") is True
    assert constant("'a' == 'b'") is False
    assert constant("tool == tool") is None


def test_cel_is_loaded_by_the_first_expression_alone() -> None:
    code = """
import sys, sympozium_core.call_conditions.expression, sympozium_core.call_conditions.examined, sympozium_core.resources.policy
assert "cel_expr_python" not in sys.modules
sympozium_core.call_conditions.expression.condition("true")
assert "cel_expr_python" in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)
