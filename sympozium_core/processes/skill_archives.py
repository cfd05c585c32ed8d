"""Where a Python skill's code comes from in a pod, and that of a memory's backend: the image of Python skills has it, or it is brought as an archive,
or neither will do."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from sympozium_core import names
from sympozium_core.errors import Permanent
from sympozium_core.planning.inputs import SkillSource
from sympozium_core.registry.archive import Archive, archive_of, is_listed, read_list


class SkillArchives:
    """Each archive is made once: a process knows its packages as they were when they were first needed. Safe to call from several threads."""

    def __init__(self, in_image: frozenset[tuple[str, str]] = frozenset()) -> None:
        """`in_image` are the distributions of which the image has the code, with their versions."""
        self._in_image = in_image
        self._made: dict[tuple[str, ...], Archive | Permanent] = {}
        """By the modules that it brings."""
        self._listed: dict[str, bool] = {}
        """By module; finding it out reads the metadata of all that is installed."""
        self._lock = threading.Lock()

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> SkillArchives:
        listed = environment.get(names.ENV_SKILL_IMAGE_LIST)
        return cls(read_list(Path(listed)) if listed else frozenset())

    def place_all(self, skills: tuple[SkillSource, ...]) -> tuple[SkillSource, ...]:
        return tuple(map(self.place, skills))

    def place(self, skill: SkillSource) -> SkillSource:
        """The skill with `code` or `problem` said. A package that cannot be brought leaves its skill to the image that its pack names."""
        missing = tuple(module for module in skill.modules if not self._is_in_image(module))
        if not skill.module or not missing:
            return skill
        made = self._archive(missing)
        if isinstance(made, Archive):
            return replace(skill, code=made.sha256)
        return replace(skill, module="") if skill.sidecar.get("image") else replace(skill, problem=str(made))

    def data(self, digest: str) -> bytes | None:
        """The archive with that digest, if it was made here."""
        with self._lock:
            return next(
                (made.data for made in self._made.values() if isinstance(made, Archive) and made.sha256 == digest), None
            )

    def _is_in_image(self, module: str) -> bool:
        with self._lock:
            if module not in self._listed:
                self._listed[module] = is_listed(module, self._in_image)
            return self._listed[module]

    def _archive(self, modules: tuple[str, ...]) -> Archive | Permanent:
        with self._lock:
            if modules not in self._made:
                try:
                    self._made[modules] = archive_of(*modules, beside=self._in_image)
                except Permanent as error:
                    self._made[modules] = error
            return self._made[modules]
