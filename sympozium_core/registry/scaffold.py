"""Writes the package of a new plugin: one that installs, passes ruff, mypy and the suite of its kind before its author has changed a line."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path, PurePosixPath
from string import Template

from sympozium_core.errors import Permanent
from sympozium_core.names import CORE_SERVERS

KINDS = ("skill", "provider", "channel", "sandbox", "memory", "harness", "hook")
LONGEST = 24
_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_ENDING = ".template"
_TOP = PurePosixPath()


class BadName(Permanent):
    """A plugin cannot be called that."""


class UnknownKind(Permanent):
    """There is no template for that kind of plugin."""


class InTheWay(Permanent):
    """Something is there already, and is not overwritten."""


@dataclass(frozen=True)
class NewPackage:
    kind: str
    name: str

    @property
    def distribution(self) -> str:
        return f"sympozium-{self.kind}-{self.name}"

    @property
    def words(self) -> dict[str, str]:
        """What stands for what in a template."""
        package = self.distribution.replace("-", "_")
        class_name = "".join(word.capitalize() for word in self.name.split("-"))
        constant = self.name.replace("-", "_").upper()
        return {
            "name": self.name,
            "distribution": self.distribution,
            "package": package,
            "Class": class_name,
            "CONSTANT": constant,
        }


def write_package(kind: str, name: str, parent: Path) -> list[Path]:
    """The files of a new folder ``<parent>/<distribution>``, written. Raises UnknownKind, BadName or InTheWay before anything is."""
    if kind not in KINDS:
        raise UnknownKind(f"there is no kind of plugin {kind!r}", hint=f"one of {', '.join(KINDS)}")
    if not _NAME.fullmatch(name) or len(name) > LONGEST or name in CORE_SERVERS:
        raise BadName(
            f"{name!r} cannot name a plugin",
            hint=f"lower-case words with '-', at most {LONGEST} characters, such as word-count",
        )
    new = NewPackage(kind, name)
    folder = parent / new.distribution
    if folder.exists():
        raise InTheWay(f"{folder} is there already", hint="another name, or another place with --directory")
    made = []
    for path, text in _rendered(new):
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        made.append(file)
    return sorted(made)


def _rendered(new: NewPackage) -> Iterator[tuple[PurePosixPath, str]]:
    templates = files("sympozium_core.registry").joinpath("templates")
    for path, text in [*_files(templates.joinpath("common")), *_files(templates.joinpath(new.kind))]:
        place = path.with_name(path.name.removesuffix(_ENDING))
        if place.name == "py.typed":
            place = PurePosixPath("src", "package", "py.typed")
        parts = [{"package": new.words["package"], "name": new.name}.get(part, part) for part in place.parts]
        yield PurePosixPath(*parts), Template(text).substitute(new.words)


def _files(folder: Traversable, below: PurePosixPath = _TOP) -> Iterator[tuple[PurePosixPath, str]]:
    for each in folder.iterdir():
        if each.is_dir():
            yield from _files(each, below / each.name)
        elif each.name.endswith(_ENDING):
            yield below / each.name, each.read_text("utf-8")
