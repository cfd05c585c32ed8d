"""Compiles and evaluates the CEL of a rule's `when`, with Google's own implementation: checked for types before anything runs, without side effects.

Bounds: an expression has MAX_LENGTH characters and the library's depth, the arguments that it sees MAX_ARGUMENTS bytes, its macros 10,000 steps
together (the library's), and its regular expressions run in linear time (RE2).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cel_expr_python import cel

MAX_LENGTH = 2048
"""Characters of an expression."""
MAX_ARGUMENTS = 64 * 1024
"""Bytes, as JSON, of the arguments that a condition is asked about; of longer ones it cannot be told."""
KEPT = 1024
"""Compiled expressions that a process keeps."""
EXAMPLE = "argv.slice(0, 2) == ['kubectl', 'get']"
"""A good one, for messages."""
_PLACE = re.compile(r"<input>:(\d+):(\d+): ([^\n]*)")
_PATTERN = re.compile(r"""\bmatches\(\s*(r?'[^'\\\n]*'|r?"[^"\\\n]*")\s*\)""")
"""A regular expression that is written out, which the library looks at no sooner than a call is."""
_SOMETIMES = ("argv", "annotations")
"""What only some calls have."""
_NUL = "\\u0000"
"""As JSON has it. The library ends a text at its first one, so that what it compares is not what the tool gets."""
_KNOWN = "known are args, argv, annotations, tool and server"


class BadCondition(ValueError):
    """An expression that is none: `str()` says where and why, without the expression."""


@dataclass(frozen=True)
class Facts:
    """What an expression sees of a call."""

    tool: str
    server: str
    arguments: Mapping[str, Any]
    argv: Sequence[str] | None
    """None: there is none."""
    annotations: Mapping[str, bool] | None = None
    """As `contracts.mcp.Annotations.facts` has them; None: there are none."""


class Condition:
    """One compiled expression."""

    def __init__(self, program: cel.Expression, uses_argv: bool, uses_annotations: bool) -> None:
        self._program = program
        self.uses_argv = uses_argv
        """It names `argv`, so that it can be told only of a call that has one."""
        self.uses_annotations = uses_annotations
        """As `uses_argv`, for `annotations`."""

    def holds(self, facts: Facts) -> bool | None:
        """Whether it is true of the call; None where that cannot be told: it fails, or names what there is none of."""
        if (self.uses_argv and facts.argv is None) or (self.uses_annotations and facts.annotations is None):
            return None
        data = {"tool": facts.tool, "server": facts.server, "args": facts.arguments}
        if self.uses_argv:
            data["argv"] = list(facts.argv or ())
        if self.uses_annotations:
            data["annotations"] = dict(facts.annotations or {})
        try:
            text = json.dumps(facts.arguments)
            if len(text) > MAX_ARGUMENTS or _NUL in text:
                return None
            answer = self._program.eval(data=data).value()
        except (
            RuntimeError,
            TypeError,
            ValueError,
            RecursionError,
        ):  # a value that CEL does not have, such as an integer of 65 bits
            return None
        return answer if isinstance(answer, bool) else None


@lru_cache(KEPT)
def condition(source: str) -> Condition:
    """Raises BadCondition."""
    if len(source) > MAX_LENGTH:
        raise BadCondition(f"has {len(source)} characters, at most {MAX_LENGTH} are allowed")
    if not source.strip():
        raise BadCondition("is empty")
    if "\0" in source:
        raise BadCondition("has a NUL in it")
    from cel_expr_python import cel

    without = _environment()
    try:
        program = _environment("argv", "annotations").compile(source)
    except (RuntimeError, TypeError) as error:
        raise BadCondition(_words(str(error))) from None
    for found in _PATTERN.finditer(source):
        if without.compile(f"''.matches({found[1]})").eval(data={}).type() != cel.Type.BOOL:
            raise BadCondition(f"{found[1]} is no regular expression (RE2)")
    if program.return_type() != cel.Type.BOOL:
        raise BadCondition(f"is of type {program.return_type().name()}, and has to be true or false: compare it with something")
    used = [name for name in _SOMETIMES if name in source and not _compiles(_without(name), source)]
    return Condition(_environment(*used).compile(source), "argv" in used, "annotations" in used)


def _without(name: str) -> cel.Env:
    return _environment(*(other for other in _SOMETIMES if other != name))


def _compiles(environment: cel.Env, source: str) -> bool:
    try:
        environment.compile(source)
    except RuntimeError:
        return False
    return True


def constant(source: str) -> bool | None:
    """What an expression is that looks at nothing of a call; None for every other."""
    from cel_expr_python import cel

    try:
        answer = cel.NewEnv().compile(source).eval(data={}).value()
    except (RuntimeError, TypeError):
        return None
    return answer if isinstance(answer, bool) else None


@cache
def _environment(*sometimes: str) -> cel.Env:
    """With those of `_SOMETIMES`, and without the others."""
    from cel_expr_python import cel

    kinds = cel.Type
    words = kinds.List(kinds.STRING)
    more = {"argv": words, "annotations": kinds.Map(kinds.STRING, kinds.BOOL)}
    overload = cel.Overload("list_slice", words, [words, kinds.INT, kinds.INT], is_member=True, impl=_slice)
    functions = [cel.FunctionDecl("slice", [overload])]
    common = {"args": kinds.Map(kinds.STRING, kinds.DYN), "tool": kinds.STRING, "server": kinds.STRING}
    return cel.NewEnv(variables={**common, **{name: more[name] for name in sometimes}}, functions=functions)


def _slice(words: Sequence[str], start: int, end: int) -> list[str]:
    """From `start` up to, not including, `end`; of a list that is shorter, what there is of it."""
    return list(words)[max(0, start) : max(0, end)]


def _words(told: str) -> str:
    """The library's first complaint with its place."""
    found = _PLACE.search(told)
    if found is None:
        return "is nested too deeply" if "recursion limit" in told else "cannot be compiled"
    line, column, what = found.groups()
    what = what.removeprefix("Syntax error: ").partition(" expecting ")[0].replace("'<EOF>'", "the end of the expression")
    what, container, _ = what.partition(" (in container")
    return f"line {line}, column {column}: {what}" + (f"; {_KNOWN}" if container else "")
