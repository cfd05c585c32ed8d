"""Readers and JSON Schemas say the same: a file is read exactly if the schema takes it."""

from __future__ import annotations

import contextlib
import copy
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import sympozium_core.ipc
from sympozium_core.ipc.documents import parse_object
from sympozium_core.ipc.fields import ProtocolError
from sympozium_core.ipc.files import FileRefused
from sympozium_core.ipc.legacy import parse_legacy_request, parse_legacy_result
from sympozium_core.ipc.protocol import (
    parse_manifest,
    parse_run_result,
    parse_stream_event,
    parse_tool_progress,
    parse_tool_request,
    parse_tool_result,
)
from sympozium_core.ipc.task import parse_task

DOCS = Path(__file__).parents[2] / "docs" / "ipc.md"
SCHEMAS = Path(next(iter(sympozium_core.ipc.__path__))) / "schemas"

PARSERS: dict[str, Callable[[Any, str], Any]] = {
    "tool-request": parse_tool_request,
    "tool-result": parse_tool_result,
    "tool-progress": parse_tool_progress,
    "manifest": parse_manifest,
    "result": parse_run_result,
    "stream": parse_stream_event,
    "task": parse_task,
    "exec-request": parse_legacy_request,
    "exec-result": parse_legacy_result,
}

EXAMPLES: dict[str, dict[str, Any]] = {
    "tool-request": {"id": "c1", "tool": "t", "arguments": {"a": 1}, "deadline": 1.5, "trace": "00-1", "argv": ["ls"]},
    "tool-result": {"id": "c1", "status": "ok", "content": "x", "exitCode": 1, "truncated": True, "artifacts": ["a.txt"]},
    "tool-progress": {"id": "c1", "text": "half"},
    "manifest": {
        "version": 1,
        "tools": [{"name": "t", "description": "d", "parameters": {"type": "object", "properties": {}}}],
    },
    "result": {
        "version": 1,
        "status": "error",
        "reason": "Timeout",
        "response": "",
        "error": "e",
        "metrics": {"turns": 1, "toolCalls": 2, "durationMs": 3},
    },
    "stream": {"type": "turn", "turn": 1},
    "task": {
        "version": 1,
        "run": {"uid": "u", "name": "n", "namespace": "ns", "instance": "i", "attempt": 2},
        "task": "t",
        "systemPrompt": "s",
        "promptSections": ["p"],
        "model": {"baseURL": "http://127.0.0.1:4180/v1", "token": "t", "name": "m"},
        "tools": [
            {
                "name": "execute_command",
                "server": "shell",
                "description": "d",
                "parameters": {},
                "servers": ["shell", "k8s-ops"],
            }
        ],
        "skills": [{"name": "n", "description": "d", "path": "/skills/p/n.md"}],
        "limits": {
            "maxTurns": 5,
            "maxToolCalls": 0,
            "deadline": 1.0,
            "contextBytes": 1000,
            "toolResultBytes": 200,
            "approvalSeconds": 900.0,
        },
        "resume": {
            "messages": [{"role": "user", "content": "c"}],
            "toolResults": {"c1": {"status": "ok", "content": "x", "artifacts": []}},
            "unknown": ["c2"],
            "workspaceLost": True,
        },
    },
    "exec-request": {
        "id": "c1",
        "command": "id",
        "args": ["a"],
        "workDir": "/workspace",
        "timeout": 30,
        "target": "k8s-ops",
        "argv": ["id"],
        "stdin": "",
        "_meta": {},
    },
    "exec-result": {"id": "c1", "exitCode": 0, "stdout": "o", "stderr": "e", "timedOut": False},
}

ODD: list[Any] = [
    None,
    True,
    0,
    1,
    -1,
    1.0,
    1.5,
    2.0,
    10**12,
    -5000,
    "",
    "x",
    "x\n",
    "../x",
    "a" * 65,
    "a" * 300,
    "Ü",
    "ok",
    "success",
    "Completed",
    "turn",
    "user",
    "http://x",
    [],
    [1],
    ["x"],
    ["../x"],
    ["A B"],
    {},
    {"type": "object"},
    {"type": "array"},
    {"properties": []},
    {"x": {}},
    [{}],
    [{"name": "x"}],
    [{"role": "user"}],
    {"c1": {"status": "ok"}},
    {"c1": 1},
    {"a b": {"status": "ok"}},
]


def schema(name: str) -> Any:
    """As shipped. In JSON Schema ``$`` is the very end; Python's `re` takes a newline before it as well, so it is made strict."""
    text = json.loads((SCHEMAS / f"{name}.json").read_text())
    jsonschema.Draft202012Validator.check_schema(text)
    return json.loads(re.sub(r'("pattern": "[^"]*)\$"', r'\1\\\\Z"', json.dumps(text)))


def paths(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield at
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from paths(item, (*at, key))


def change(value: Any, path: tuple[Any, ...], to: Any) -> Any:
    made = copy.deepcopy(value)
    place = made
    for key in path[:-1]:
        place = place[key]
    if to is ...:
        del place[path[-1]]
    else:
        place[path[-1]] = to
    return made


def takes(parse: Callable[[Any, str], Any], data: Any) -> bool:
    refusal = ""
    try:
        parse(data, "f.json")
    except ProtocolError as error:
        refusal = str(error)
    assert not refusal or refusal.startswith("f.json"), "a refusal names the file"
    return not refusal


@pytest.mark.parametrize("name", PARSERS)
def test_the_example_is_taken(name: str) -> None:
    jsonschema.validate(EXAMPLES[name], schema(name))
    parsed = PARSERS[name](EXAMPLES[name], "f.json")
    if hasattr(parsed, "to_json"):
        again = parsed.to_json()
        jsonschema.validate(again, schema(name))
        assert PARSERS[name](again, "f.json") == parsed


@pytest.mark.parametrize("name", PARSERS)
def test_reader_and_schema_agree_on_every_change_of_every_field(name: str) -> None:
    validator = jsonschema.Draft202012Validator(schema(name))
    for path in paths(EXAMPLES[name]):
        for odd in [*ODD, ...]:
            if not path or (odd is ... and isinstance(path[-1], int)):
                continue
            data = change(EXAMPLES[name], path, odd)
            assert takes(PARSERS[name], data) == validator.is_valid(data), f"{path} = {odd!r}"


@pytest.mark.parametrize("name", PARSERS)
@settings(max_examples=50, deadline=None)
@given(
    data=st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
        lambda x: st.lists(x) | st.dictionaries(st.text(), x),
        max_leaves=10,
    )
)
def test_anything_at_all_is_taken_or_refused_by_both(name: str, data: Any) -> None:
    validator = jsonschema.Draft202012Validator(schema(name))
    assert takes(PARSERS[name], data) == validator.is_valid(data)


@given(st.binary(max_size=200))
def test_any_bytes_are_an_object_or_refused(data: bytes) -> None:
    with contextlib.suppress(FileRefused):
        assert isinstance(parse_object(data, "f.json"), dict)


def test_messages_name_file_and_field_and_what_to_do() -> None:
    with pytest.raises(ProtocolError) as caught:
        parse_task(change(EXAMPLES["task"], ("tools", 0, "name"), "a b"), "input/task.json")
    assert caught.value.field == "tools[0].name"
    assert str(caught.value).startswith("input/task.json: tools[0].name: 'a b' does not match ^[A-Za-z_]")
    assert "docs/ipc.md" in str(caught.value)


def test_two_tools_of_one_name_are_refused() -> None:
    tool = {"name": "t"}
    with pytest.raises(ProtocolError, match="twice"):
        parse_manifest({"version": 1, "tools": [tool, tool]}, "manifest.json")


def test_the_token_is_not_shown() -> None:
    assert "secret" not in repr(parse_task(change(EXAMPLES["task"], ("model", "token"), "secret"), "f"))


def test_every_json_example_of_the_documentation_validates() -> None:
    text = DOCS.read_text()
    blocks = re.findall(r"<!-- schema: ([a-z-]+) -->\n```json\n(.*?)```", text, re.DOTALL)
    assert len(re.findall("```json", text)) == len(blocks), "a JSON example does not say which schema it follows"
    assert {name for name, _ in blocks} == set(PARSERS), "each file has an example"
    for name, block in blocks:
        data = json.loads(block)
        jsonschema.validate(data, schema(name))
        PARSERS[name](data, name)


def test_the_documentation_has_every_field() -> None:
    text = DOCS.read_text()

    def names(value: Any) -> Iterator[str]:
        if isinstance(value, dict):
            for key, item in value.get("properties", {}).items():
                if isinstance(item, dict):
                    yield key
            for item in value.values():
                yield from names(item)
        elif isinstance(value, list):
            for item in value:
                yield from names(item)

    for path in SCHEMAS.glob("*.json"):
        for name in names(json.loads(path.read_text())):
            assert f"`{name}`" in text or f'"{name}"' in text, f"{path.name}: {name}"
