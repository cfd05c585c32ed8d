"""Cassettes as YAML: read strictly, with messages that name the place; written atomically.

The file leaves out what follows from the entry before: messages that stay (`keep` says how many, when not all), and tools and parameters that
have not changed. The format is documented in docs/replay.md.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from sympozium_provider_replay.cassette import (
    VERSION,
    Cassette,
    Entry,
    Mask,
    Message,
    Recorded,
    RecordedAnswer,
    RecordedCall,
    Source,
)
from sympozium_provider_replay.conversation import Index, conversation_after, shared_messages

MAX_FILE = 16 * 1024 * 1024
"""Bytes."""
MAX_MASKS = 32
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class CassetteError(ValueError):
    """The file is no cassette; the message names the field, and never quotes the file."""


def read(path: Path) -> Cassette:
    """Raises CassetteError, OSError."""
    if path.stat().st_size > MAX_FILE:
        raise CassetteError(f"the file is larger than {MAX_FILE} bytes")
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise CassetteError("the file is not UTF-8 text") from error
    return parse(text)


def parse(text: str) -> Cassette:
    """Raises CassetteError."""
    try:
        # An alias could make a small file endless.
        if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, Loader=_Loader)):
            raise CassetteError("aliases (*name) are not allowed")
        data = yaml.load(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        line = f" in line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise CassetteError(f"the file is not YAML: {error.problem or 'broken'}{line}") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise error if isinstance(error, CassetteError) else CassetteError("the file is not YAML") from None
    top = _Fields(data, "", ("cassette", "record", "recorded", "pause", "volatile", "entries"))
    if top.value("cassette", int, 0) != VERSION:
        raise CassetteError(f"cassette: expected {VERSION}, the version of the format")
    return Cassette(
        entries=_entries(top.value("entries", list, [])),
        record=_source(data["record"]) if data.get("record") is not None else None,
        recorded=_recorded(data["recorded"]) if data.get("recorded") is not None else None,
        masks=_masks(top.value("volatile", list, [])),
        pause=_seconds(top, "pause"),
    )


def write(path: Path, cassette: Cassette) -> None:
    """Replaces the file in one step, keeping its mode. Raises OSError, and CassetteError if it could not be read back the same."""
    text = render(cassette)
    if len(text.encode("utf-8", "replace")) > MAX_FILE or parse(text) != cassette:
        raise CassetteError(
            "the conversation cannot be kept in a cassette: it is too long, or holds characters that are no text"
        )
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, path.stat().st_mode & 0o777)
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def render(cassette: Cassette) -> str:
    """The file's text."""
    data: dict[str, Any] = {"cassette": VERSION}
    if cassette.record is not None:
        source = cassette.record
        data["record"] = {"provider": source.provider, "model": source.model}
        if source.base_url:
            data["record"]["baseURL"] = source.base_url
    if cassette.recorded is not None:
        data["recorded"] = dict(vars(cassette.recorded))
    if cassette.pause:
        data["pause"] = cassette.pause
    if cassette.masks:
        data["volatile"] = [{"pattern": mask.pattern, "as": mask.replacement} for mask in cassette.masks]
    data["entries"] = []
    before: Entry | None = None
    for entry in cassette.entries:
        data["entries"].append(_entry_data(entry, before))
        before = entry
    return yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text_node(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    """Lines as a block that people can read; with anything unprintable in it, quoted, which alone keeps every character."""
    plain = all(char.isprintable() or char == "\n" for char in text)
    style = '"' if not plain else "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text_node)


def _entry_data(entry: Entry, before: Entry | None) -> dict[str, Any]:
    so_far = conversation_after(before) if before else ()
    kept = shared_messages(Index(Cassette()), so_far, entry.messages)
    request: dict[str, Any] = {} if kept == len(so_far) else {"keep": kept}
    request["messages"] = [dict(message) for message in entry.messages[kept:]]
    if before is None or dict(before.tools) != dict(entry.tools):
        request["tools"] = dict(entry.tools)
    if dict(before.parameters if before else {}) != dict(entry.parameters):
        request["parameters"] = dict(entry.parameters)
    data: dict[str, Any] = {"request": request, "answer": _answer_data(entry.answer)}
    if entry.pause:
        data["pause"] = entry.pause
    return data


def _answer_data(answer: RecordedAnswer) -> dict[str, Any]:
    data: dict[str, Any] = {}
    if answer.text:
        data["text"] = answer.text
    if answer.tool_calls:
        data["toolCalls"] = [{"id": call.id, "name": call.name, "arguments": call.arguments} for call in answer.tool_calls]
    data["finishReason"] = answer.finish_reason
    if answer.prompt_tokens is not None and answer.completion_tokens is not None:
        data["usage"] = {"promptTokens": answer.prompt_tokens, "completionTokens": answer.completion_tokens}
    if answer.extra:
        data["extra"] = dict(answer.extra)
    return data


class _Fields:
    """A mapping of the file, with its path for messages. Unknown fields are errors: a typo must not do nothing."""

    def __init__(self, data: Any, where: str, known: tuple[str, ...]) -> None:
        if not isinstance(data, dict):
            raise CassetteError(f"{where or 'the file'}: expected a mapping with {', '.join(known)}")
        self.where = where
        self._data = data
        for name in data:
            if name not in known:
                raise CassetteError(f"{self.path(str(name)[:64])}: unknown field; known are {', '.join(known)}")

    def path(self, name: str) -> str:
        return f"{self.where}.{name}" if self.where else name

    def value(self, name: str, kind: type, default: Any = None) -> Any:
        value = self._data.get(name, default)
        if value is None and default is None:
            raise CassetteError(f"{self.path(name)}: missing")
        if value is None:
            return default
        if type(value) is not kind:
            hint = "; put it in quotes" if kind is str else ""
            raise CassetteError(f"{self.path(name)}: expected {kind.__name__}, found {type(value).__name__}{hint}")
        return value


def _entries(items: list[Any]) -> tuple[Entry, ...]:
    entries: list[Entry] = []
    for number, item in enumerate(items):
        where = f"entries[{number}]"
        fields = _Fields(item, where, ("request", "answer", "pause"))
        before = entries[-1] if entries else None
        messages, tools, parameters = _request(fields.value("request", dict), f"{where}.request", before)
        answer = _answer(fields.value("answer", dict), f"{where}.answer")
        entries.append(Entry(messages, tools, parameters, answer, _seconds(fields, "pause")))
    return tuple(entries)


def _request(data: Any, where: str, before: Entry | None) -> tuple[tuple[Message, ...], Mapping[str, str], Mapping[str, Any]]:
    fields = _Fields(data, where, ("keep", "messages", "tools", "parameters"))
    so_far = conversation_after(before) if before else ()
    keep = fields.value("keep", int, len(so_far))
    if not 0 <= keep <= len(so_far):
        raise CassetteError(f"{where}.keep: the conversation so far has {len(so_far)} messages")
    messages = fields.value("messages", list)
    for number, message in enumerate(messages):
        if not isinstance(message, dict) or not isinstance(message.get("role"), str):
            raise CassetteError(f"{where}.messages[{number}]: expected a message with a role")
        _json_only(message, f"{where}.messages[{number}]")
    tools = fields.value("tools", dict, dict(before.tools) if before else {})
    if not all(isinstance(name, str) and isinstance(value, str) for name, value in tools.items()):
        raise CassetteError(f"{where}.tools: expected a digest, in quotes, for each tool's name")
    parameters = fields.value("parameters", dict, dict(before.parameters) if before else {})
    _json_only(parameters, f"{where}.parameters")
    return (*so_far[:keep], *messages), tools, parameters


def _answer(data: Any, where: str) -> RecordedAnswer:
    fields = _Fields(data, where, ("text", "toolCalls", "finishReason", "usage", "extra"))
    calls = []
    for number, item in enumerate(fields.value("toolCalls", list, [])):
        call = _Fields(item, f"{where}.toolCalls[{number}]", ("id", "name", "arguments"))
        arguments = item.get("arguments", {})
        if not isinstance(arguments, str | dict):
            raise CassetteError(f"{call.path('arguments')}: expected a mapping or text")
        _json_only(arguments, call.path("arguments"))
        calls.append(RecordedCall(call.value("id", str), call.value("name", str), arguments))
    usage = _Fields(fields.value("usage", dict, {}), f"{where}.usage", ("promptTokens", "completionTokens"))
    counted = "usage" in data
    extra = fields.value("extra", dict, {})
    if not all(isinstance(name, str) and isinstance(value, str) for name, value in extra.items()):
        raise CassetteError(f"{where}.extra: expected texts")
    return RecordedAnswer(
        text=fields.value("text", str, ""),
        tool_calls=tuple(calls),
        finish_reason=fields.value("finishReason", str, "tool_calls" if calls else "stop"),
        prompt_tokens=usage.value("promptTokens", int) if counted else None,
        completion_tokens=usage.value("completionTokens", int) if counted else None,
        extra=extra,
    )


def _source(data: Any) -> Source:
    fields = _Fields(data, "record", ("provider", "model", "baseURL"))
    source = Source(fields.value("provider", str), fields.value("model", str), fields.value("baseURL", str, "").rstrip("/"))
    if source.provider == "replay":
        raise CassetteError("record.provider: a cassette cannot be recorded from a cassette")
    if "@" in source.base_url:
        raise CassetteError("record.baseURL: no user or password here; the key comes from the instance's Secret")
    return source


def _recorded(data: Any) -> Recorded:
    fields = _Fields(data, "recorded", ("provider", "model", "at", "run"))
    return Recorded(*(fields.value(name, str, "") for name in ("provider", "model", "at", "run")))


def _masks(items: list[Any]) -> tuple[Mask, ...]:
    if len(items) > MAX_MASKS:
        raise CassetteError(f"volatile: at most {MAX_MASKS} patterns")
    masks = []
    for number, item in enumerate(items):
        fields = _Fields(item, f"volatile[{number}]", ("pattern", "as"))
        mask = Mask(fields.value("pattern", str), fields.value("as", str))
        try:
            matches_nothing = re.compile(mask.pattern).match("") is not None
        except re.error as error:
            raise CassetteError(f"{fields.path('pattern')}: {error.msg}") from None
        if matches_nothing:
            raise CassetteError(f"{fields.path('pattern')}: matches nothing at all, which would hide everything")
        masks.append(mask)
    return tuple(masks)


def _seconds(fields: _Fields, name: str) -> float:
    value = fields._data.get(name, 0.0)
    if type(value) not in (int, float) or not 0 <= value <= 10:
        raise CassetteError(f"{fields.path(name)}: expected seconds from 0 to 10")
    return float(value)


def _json_only(value: Any, where: str) -> None:
    """YAML reads an unquoted 2026-01-01 as a date; messages and arguments hold what JSON can."""
    if isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str):
                raise CassetteError(f"{where}: a key that is not text; put it in quotes")
            _json_only(item, f"{where}.{key[:64]}")
    elif isinstance(value, list):
        for number, item in enumerate(value):
            _json_only(item, f"{where}[{number}]")
    elif value is not None and type(value) not in (str, int, float, bool):
        raise CassetteError(f"{where}: a {type(value).__name__}; put it in quotes")
