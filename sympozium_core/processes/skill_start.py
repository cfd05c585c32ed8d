"""How a skill's tool server is started on this machine: as a Python module, by a command, or by the server of declared tools."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sympozium_core.contracts.skill import Skill
from sympozium_core.resources.skill_command import declared_tools, local_command
from sympozium_core.sidecar.interpreter import python_command

SERVE_DECLARED = "sympozium_core.sidecar"
"""The module that serves declared tools: ``python -m sympozium_core.sidecar NAME '{"tools": […]}'``."""


def package_command(skill: Skill) -> tuple[str, ...]:
    """What the package's class says; empty where it leaves that to the folder. Raises ModuleNotFoundError."""
    module = skill.module()
    return tuple(skill.command()) or tuple(python_command(module) if module else ())


def folder_command(name: str, folder: Path, pack: Mapping[str, Any]) -> tuple[str, ...]:
    """What the folder says; empty where it brings no server. Raises Refused, naming the field, for a file that is not there."""
    if command := local_command(folder, pack):
        return command
    tools = declared_tools(folder, pack)
    return (*python_command(SERVE_DECLARED), name, tools) if tools else ()


def command_of(name: str, folder: Path, pack: Mapping[str, Any], skill: Skill | None) -> tuple[str, ...]:
    """The command line, by whichever way there is; empty for none."""
    return (package_command(skill) if skill is not None else ()) or folder_command(name, folder, pack)
