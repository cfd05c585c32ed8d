"""Replaces texts in a file, all of them or none."""

from __future__ import annotations

from sympozium_core.ipc.fields import Fields
from sympozium_core.ipc.protocol import ToolDefinition
from sympozium_core.runner.tools.roots import Roots, ToolFailure, failures
from sympozium_core.runner.tools.write_file import MAX_CONTENT, replace

MAX_FILE = 16 * 1024 * 1024
MAX_EDITS = 200

DEFINITION = ToolDefinition(
    name="edit_file",
    description=(
        "Replace texts in a file of /workspace or /tmp. The edits are made one after another; if one does not fit, none is made."
    ),
    parameters={
        "type": "object",
        "properties": {
            "path": {"type": "string", "description": "Path of the file, absolute or relative to /workspace."},
            "edits": {
                "type": "array",
                "minItems": 1,
                "items": {
                    "type": "object",
                    "properties": {
                        "old_string": {
                            "type": "string",
                            "description": "Text to replace, exactly as in the file; must be there once unless replace_all.",
                        },
                        "new_string": {"type": "string", "description": "Text to put in its place."},
                        "replace_all": {"type": "boolean", "description": "Replace every occurrence. Default: false."},
                    },
                    "required": ["old_string", "new_string"],
                    "additionalProperties": False,
                },
            },
        },
        "required": ["path", "edits"],
        "additionalProperties": False,
    },
)


def run(arguments: Fields, roots: Roots) -> str:
    location = roots.locate(arguments.text("path", 4096, least=1), write=True)
    edits = arguments.objects("edits", MAX_EDITS, required=True)
    if not edits:
        raise arguments.fail("edits", "is empty")
    with failures(location):
        data = location.root.read_bytes(location.path, MAX_FILE, single_link=False)
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise ToolFailure(f"{location.shown} is not UTF-8 text and cannot be edited") from error
    count = 0
    for edit in edits:
        text, made = _apply(text, edit)
        count += made
    replace(location, text.encode("utf-8", "replace"))
    return f"Made {count} replacement{'' if count == 1 else 's'} in {location.shown}."


def _apply(text: str, edit: Fields) -> tuple[str, int]:
    old = edit.text("old_string", MAX_CONTENT, least=1)
    new = edit.text("new_string", MAX_CONTENT)
    every = edit.flag("replace_all")
    count = text.count(old)
    if count == 0:
        raise ToolFailure(
            f"{edit.name('old_string')} is not in the file; read the file and copy the text exactly. No edit was made"
        )
    if count > 1 and not every:
        raise ToolFailure(
            f"{edit.name('old_string')} is in the file {count} times; add lines around it, or set replace_all. No edit was made"
        )
    if len(text) + count * (len(new) - len(old)) > MAX_FILE:
        raise ToolFailure(f"the file would have more than {MAX_FILE} characters. No edit was made")
    return text.replace(old, new), count
