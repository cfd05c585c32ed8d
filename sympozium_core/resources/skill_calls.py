"""``tests/calls.yaml`` of a skill: calls that show its tools at work, and those whose effect the conformance suite knows.

calls:
- {tool: count_words, arguments: {text: to be or not}, contains: "4"}
probes:
  echo: {tool: say, arguments: {text: "{text}"}}     # the suite puts a text of its own in the place of {text}
  slow: {tool: wait, arguments: {seconds: 60}}
lacks: {flood: no tool gives so much}
knownGaps: {test_large_arguments_come_through: the vendor takes no more}
speaksLegacy: false
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sympozium_core.errors import Cause, Refused
from sympozium_core.ipc.fields import TOOL_NAME, Fields, ProtocolError

PLACE = "tests/calls.yaml"
PROBES = ("echo", "slow", "flood", "count", "wrong")
LACKS = ("example", *PROBES)
STATUSES = ("ok", "error", "timeout")
MAX_FILE = 1_000_000


@dataclass(frozen=True)
class AskedCall:
    """A call, and what of its result is known beforehand."""

    tool: str
    arguments: Mapping[str, Any]
    status: str = "ok"
    contains: str = ""
    exit_code: int | None = None


@dataclass(frozen=True)
class SkillCalls:
    calls: tuple[AskedCall, ...] = ()
    probes: Mapping[str, AskedCall] | None = None
    lacks: Mapping[str, str] | None = None
    known_gaps: Mapping[str, str] | None = None
    speaks_legacy: bool = False


def read_calls(file: Path) -> SkillCalls:
    """Raises Refused, naming the field; a file that is not there has nothing in it."""
    if not file.is_file():
        return SkillCalls()
    try:
        return _read(Fields(_yaml(file), file.name))
    except ProtocolError as error:
        raise Refused(
            [
                Cause(
                    f"{error.file}: {error.field}",
                    str(error.message).removeprefix(f"{error.file}: {error.field}: "),
                    "see docs/reference/skill-folder.md",
                )
            ]
        ) from error


def _read(fields: Fields) -> SkillCalls:
    unknown = sorted(set(fields.data) - {"calls", "probes", "lacks", "knownGaps", "speaksLegacy"})
    if unknown:
        raise fields.fail(str(unknown[0]), "is not known; calls, probes, lacks, knownGaps and speaksLegacy are")
    probes = Fields(fields.mapping("probes"), fields.file, "probes")
    for name in probes.data:
        if name not in PROBES:
            raise probes.fail(str(name), f"is no probe; {', '.join(PROBES)} are")
    return SkillCalls(
        calls=tuple(_call(item) for item in fields.objects("calls", 256)),
        probes={name: _call(probes.inner(name)) for name in probes.data},
        lacks=_reasons(fields, "lacks", LACKS),
        known_gaps=_reasons(fields, "knownGaps", ()),
        speaks_legacy=fields.flag("speaksLegacy"),
    )


def _call(fields: Fields) -> AskedCall:
    unknown = sorted(set(fields.data) - {"tool", "arguments", "status", "contains", "exitCode"})
    if unknown:
        raise fields.fail(str(unknown[0]), "is not known; tool, arguments, status, contains and exitCode are")
    return AskedCall(
        tool=fields.match("tool", TOOL_NAME),
        arguments=fields.mapping("arguments"),
        status=fields.choice("status", STATUSES, "ok"),
        contains=fields.text("contains", 10_000, ""),
        exit_code=fields.integer("exitCode", -1024, 1 << 31) if fields.has("exitCode") else None,
    )


def _reasons(fields: Fields, key: str, known: tuple[str, ...]) -> Mapping[str, str]:
    given = Fields(fields.mapping(key), fields.file, key)
    for name in given.data:
        if known and name not in known:
            raise given.fail(str(name), f"is no probe; {', '.join(known)} are")
    return {str(name): given.text(name, 500, least=1) for name in given.data}


def _yaml(file: Path) -> Any:
    import yaml

    text = file.read_bytes()[:MAX_FILE].decode("utf-8", "replace")
    try:
        return yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)) or {}
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f"line {mark.line + 1}" if mark is not None else ""
        raise ProtocolError(file.name, line, "is not YAML") from error
