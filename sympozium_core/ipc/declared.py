"""Tools that a SkillPack declares for its sidecar (``sidecar.tools[]``): how a call of one becomes a command line.

Whoever runs the command uses this: a tool server of ours, or the bridge when it speaks the legacy pair to an image of the original. No
shell is involved, and what the model wrote is never taken for an option: positional arguments come after ``--``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sympozium_core.ipc.fields import TOOL_NAME, Fields
from sympozium_core.ipc.protocol import MAX_DESCRIPTION, ToolDefinition


@dataclass(frozen=True)
class DeclaredCommand:
    name: str
    description: str
    exec: tuple[str, ...]
    subcommand: str = ""
    stdin: bool = False
    """The arguments go to standard input as one JSON object, instead of onto the command line."""
    positional: tuple[str, ...] = ()
    parameters: Mapping[str, Any] = field(default_factory=dict)

    @property
    def definition(self) -> ToolDefinition:
        return ToolDefinition(self.name, self.description, {"type": "object", **self.parameters})

    def command_line(self, arguments: Mapping[str, Any]) -> tuple[list[str], str]:
        """Words and standard input of a call.

        Options come in the schema's order, then any others by name: ``--name value``, ``--flag`` for true (nothing for false or null),
        a list repeats its option; underscores become hyphens. Raises ValueError where a positional argument in the middle is missing.
        """
        words = [*self.exec, *([self.subcommand] if self.subcommand else [])]
        if self.stdin:
            return words, json.dumps(arguments, ensure_ascii=False, separators=(",", ":"))
        known = list(self.parameters.get("properties", {}))
        for name in [item for item in known if item in arguments] + sorted(set(arguments) - set(known)):
            if name not in self.positional:
                words += _option(name, arguments[name])
        given = [name for name in self.positional if arguments.get(name) is not None]
        if given != list(self.positional[: len(given)]):
            missing = next(name for name in self.positional if arguments.get(name) is None)
            raise ValueError(f"the argument {missing!r} is missing; it comes before {given[-1]!r} on the command line")
        values = [word for name in given for word in _words(arguments[name])]
        return words + (["--", *values] if values else []), ""


def parse_declared(fields: Fields) -> DeclaredCommand:
    """One entry of ``sidecar.tools[]``. Raises ProtocolError."""
    command = fields.texts("exec", 64, 4096)
    if not command:
        raise fields.fail("exec", "is empty; it is the command that serves the tool, as a list of words")
    parameters = fields.mapping("parameters")
    properties = parameters.get("properties", {})
    if not isinstance(properties, dict):
        raise fields.fail("parameters.properties", "must be an object")
    positional = fields.texts("positionalArgs", 64, 64)
    for name in positional:
        if name not in properties:
            raise fields.fail("positionalArgs", f"{name!r} is no property of the parameters")
    return DeclaredCommand(
        name=fields.match("name", TOOL_NAME),
        description=fields.text("description", MAX_DESCRIPTION, ""),
        exec=command,
        subcommand=fields.text("subcommand", 256, ""),
        stdin=fields.choice("inputMode", ("args", "stdin"), "args") == "stdin",
        positional=positional,
        parameters=parameters,
    )


def _option(name: str, value: Any) -> list[str]:
    option = "--" + name.replace("_", "-")
    if value is True:
        return [option]
    if value is False or value is None:
        return []
    if isinstance(value, list):
        return [word for item in value for word in (option, _word(item))]
    return [option, _word(value)]


def _words(value: Any) -> list[str]:
    return [_word(item) for item in value] if isinstance(value, list) else [_word(value)]


def _word(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    if "\0" in text:
        raise ValueError("an argument of a command cannot hold a NUL")
    return text
