"""Finds the skill in a folder that an author names: a skill folder, or a package that brings one, installed or not."""

from __future__ import annotations

import configparser
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sympozium_core.contracts.skill import Skill
from sympozium_core.errors import Cause, Refused
from sympozium_core.names import GROUP_SKILLS
from sympozium_core.processes.skill_start import command_of
from sympozium_core.registry.drivers import driver_fault
from sympozium_core.registry.loading import load_value, one_line
from sympozium_core.resources.skill_calls import PLACE, SkillCalls, read_calls
from sympozium_core.resources.skill_folder import is_skill_folder, read_skill_folder


@dataclass(frozen=True)
class Located:
    """Where a skill is written down, before anything of it is read."""

    folder: Path
    home: Path
    """The package, or the folder itself: where ``tests/calls.yaml`` lies."""
    entry_point: str = ""
    skill: Skill | None = None


@dataclass(frozen=True)
class FoundFolder:
    """A skill, read."""

    name: str
    folder: Path
    home: Path
    pack: Mapping[str, Any]
    command: tuple[str, ...]
    """How its server is started here; empty for none."""
    calls: SkillCalls

    @property
    def sidecar(self) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self.pack["spec"].get("sidecar") or {}
        return found


def locate(place: Path) -> list[Located]:
    """The skills of a skill folder, or of a package's folder; the package's code is imported. Raises Refused."""
    place = place.resolve()
    if is_skill_folder(place):
        return [Located(place, place)]
    points = _entry_points(place)
    if not points:
        hint = "a folder with skillpack.yaml or SKILL.md, or that of a package with an entry point in sympozium.skills"
        raise Refused([Cause("", f"{place} holds no skill", hint)])
    for source in (place / "src", place):
        if source.is_dir() and str(source) not in sys.path:
            sys.path.insert(0, str(source))
    return [_of_package(place, name, value) for name, value in points.items()]


def read(located: Located) -> FoundFolder:
    """Raises Refused with everything that keeps it from being run."""
    pack = read_skill_folder(located.folder)
    name = str(pack["metadata"]["name"])
    command = command_of(name, located.folder, pack, located.skill)
    return FoundFolder(name, located.folder, located.home, pack, command, read_calls(located.home / PLACE))


def _of_package(place: Path, name: str, value: str) -> Located:
    try:
        loaded = load_value(value)
        fault = driver_fault(loaded, Skill)
        skill: Skill | None = None if fault else loaded()
    except (Exception, SystemExit) as error:
        fault, skill = one_line(error), None
    if skill is None:
        raise Refused(
            [
                Cause(
                    f"entry point {name}",
                    f"{value} cannot be used: {fault}",
                    "a subclass of sympozium_core.contracts.skill.Skill",
                )
            ]
        )
    return Located(skill.folder(), place, name, skill)


def _entry_points(place: Path) -> dict[str, str]:
    """Of the group of skills, as ``setup.cfg`` or ``pyproject.toml`` declare them."""
    found: dict[str, str] = {}
    config = configparser.ConfigParser(interpolation=None)
    if config.read(place / "setup.cfg", encoding="utf-8"):
        lines = config.get("options.entry_points", GROUP_SKILLS, fallback="").splitlines()
        found = {name.strip(): value.strip() for name, sep, value in (line.partition("=") for line in lines) if sep}
    if not found and (place / "pyproject.toml").is_file():
        project = tomllib.loads((place / "pyproject.toml").read_text("utf-8")).get("project", {})
        found = dict(project.get("entry-points", {}).get(GROUP_SKILLS, {}))
    return found
