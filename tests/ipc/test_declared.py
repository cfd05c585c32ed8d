"""From a declared tool and the model's arguments to a command line."""

from __future__ import annotations

from typing import Any

import pytest

from sympozium_core.ipc.declared import DeclaredCommand, parse_declared
from sympozium_core.ipc.fields import Fields, ProtocolError
from sympozium_core.ipc.legacy import call_of, same_target

PROPERTIES: dict[str, Any] = {name: {} for name in ("path", "dry_run", "tag", "count", "to")}


def declared(**fields: Any) -> DeclaredCommand:
    data = {"name": "t", "description": "d", "exec": ["tool"], "parameters": {"properties": PROPERTIES}, **fields}
    return parse_declared(Fields(data, "f"))


@pytest.mark.parametrize(
    ("fields", "arguments", "words", "stdin"),
    [
        ({}, {}, ["tool"], ""),
        ({"subcommand": "sub"}, {"count": 3}, ["tool", "sub", "--count", "3"], ""),
        ({}, {"tag": ["a", "b"], "dry_run": True}, ["tool", "--dry-run", "--tag", "a", "--tag", "b"], ""),
        ({}, {"dry_run": False, "tag": None}, ["tool"], ""),
        ({"positionalArgs": ["path", "to"]}, {"path": "-rf", "count": 1}, ["tool", "--count", "1", "--", "-rf"], ""),
        ({"positionalArgs": ["path"]}, {"path": ["a", "--b"]}, ["tool", "--", "a", "--b"], ""),
        ({}, {"zeta": {"a": 1}, "tag": "é; rm"}, ["tool", "--tag", "é; rm", "--zeta", '{"a":1}'], ""),
        ({"inputMode": "stdin", "subcommand": "s"}, {"path": "x"}, ["tool", "s"], '{"path":"x"}'),
    ],
)
def test_command_lines(fields: dict[str, Any], arguments: dict[str, Any], words: list[str], stdin: str) -> None:
    assert declared(**fields).command_line(arguments) == (words, stdin)


def test_a_gap_in_positional_arguments_and_a_nul_are_refused() -> None:
    with pytest.raises(ValueError, match="'path' is missing"):
        declared(positionalArgs=["path", "to"]).command_line({"to": "x"})
    with pytest.raises(ValueError, match="NUL"):
        declared().command_line({"path": "a\0b"})


@pytest.mark.parametrize(
    ("field", "fields"),
    [
        ("exec", {"exec": []}),
        ("positionalArgs", {"positionalArgs": ["no"]}),
        ("inputMode", {"inputMode": "x"}),
        ("name", {"name": "a b"}),
    ],
)
def test_bad_declarations_name_the_field(field: str, fields: dict[str, Any]) -> None:
    with pytest.raises(ProtocolError) as caught:
        declared(**fields)
    assert caught.value.field == field


def test_legacy_names() -> None:
    assert call_of("exec-request-a1.json") == "a1"
    for name in (
        "exec-request-.json",
        "exec-request-a/b.json",
        "exec-result-a.json",
        "exec-request-a.json.tmp",
        "exec-request-a",
    ):
        assert call_of(name) == ""
    assert same_target("K8s_Ops", "k8s-ops")
    assert same_target("skill-shell", "shell")
    assert not same_target("k8s-ops", "shell")
