"""A skill folder as the rules of `skill_lint` look at it, and the two things that a rule can say."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from sympozium_core.errors import Cause
from sympozium_core.resources.skill_folder import INSTRUCTIONS, skill_folders

Level = Literal["error", "warning"]
Said = tuple[Level, Cause]


@dataclass(frozen=True)
class Read:
    """A skill folder that could be read."""

    folder: Path
    pack: Mapping[str, Any]
    """The SkillPack in normal form."""
    name: str = ""
    """Under which it is to be found: the entry point's; empty where nothing is known of one."""
    served: frozenset[str] | None = None
    """Tools of its server; None where nobody has asked it."""

    @property
    def sidecar(self) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self.pack["spec"].get("sidecar") or {}
        return found

    @property
    def declared(self) -> list[Mapping[str, Any]]:
        found: list[Mapping[str, Any]] = self.sidecar.get("tools") or []
        return found

    def skills(self) -> Iterator[tuple[str, Path, str]]:
        """Of each folder of instructions: its file as a message names it, itself, and the text."""
        for folder in skill_folders(self.folder):
            where = INSTRUCTIONS if folder == self.folder else f"skills/{folder.name}/{INSTRUCTIONS}"
            yield where, folder, (folder / INSTRUCTIONS).read_text("utf-8")


def error(where: str, message: str, hint: str) -> Said:
    """`where` is the file, and the field in it."""
    return "error", Cause(where, message, hint)


def warning(where: str, message: str, hint: str) -> Said:
    return "warning", Cause(where, message, hint)
