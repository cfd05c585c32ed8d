"""The native tools by name, in the order in which they are documented."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sympozium_core.ipc.fields import Fields
from sympozium_core.ipc.protocol import ToolDefinition
from sympozium_core.runner.tools import edit_file, grep_search, list_directory, read_file, write_file
from sympozium_core.runner.tools.roots import Roots


@dataclass(frozen=True)
class NativeTool:
    definition: ToolDefinition
    run: Callable[[Fields, Roots], str]
    mutates: bool = False


NATIVE: dict[str, NativeTool] = {
    tool.definition.name: tool
    for tool in (
        NativeTool(read_file.DEFINITION, read_file.run),
        NativeTool(write_file.DEFINITION, write_file.run, mutates=True),
        NativeTool(edit_file.DEFINITION, edit_file.run, mutates=True),
        NativeTool(list_directory.DEFINITION, list_directory.run),
        NativeTool(grep_search.DEFINITION, grep_search.run),
    )
}
