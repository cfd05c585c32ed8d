"""Paths as the agent knows them (/workspace, /tmp, /skills) and where they are on this machine.

In a container both are the same. Where nothing can be mounted (the `process` sandbox) they differ, and a command that says
``cat /workspace/a`` has to work all the same, and its output must not depend on the machine.
"""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Iterable, Mapping

_VARIABLES = {"/workspace": "SYMPOZIUM_WORKSPACE", "/tmp": "SYMPOZIUM_TMP", "/skills": "SYMPOZIUM_SKILLS"}
WORKSPACE = "/workspace"


class Paths:
    """Translates between the two; where a volume is at its usual place, its paths are left alone."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        self._real = {shown: environment.get(variable) or shown for shown, variable in _VARIABLES.items()}
        moved = {shown: real.rstrip("/") for shown, real in self._real.items() if real.rstrip("/") != shown}
        # A whole path only: not /workspaces, not my/workspace, not file:/workspace. One pass, because one may lie within another.
        self._moved = moved
        self._known = _any_of(moved, r"(?<![\w./:-])", r"(?![\w-]|\.\w)")
        self._back = {real: shown for shown, real in moved.items()}
        self._real_paths = _any_of(self._back, "", "")

    def directory(self, shown: str) -> str:
        """The directory behind a path of the agent's. Raises ValueError for one outside of the volumes."""
        path = posixpath.normpath(posixpath.join(WORKSPACE, shown))
        for top, real in self._real.items():
            if path == top or path.startswith(top + "/"):
                return real + path[len(top) :]
        raise ValueError(f"workdir {shown!r} is outside of {', '.join(self._real)}")

    def to_real(self, command: str) -> str:
        return self._known.sub(lambda match: self._moved[match[0]], command) if self._known else command

    def to_shown(self, output: str) -> str:
        return self._real_paths.sub(lambda match: self._back[match[0]], output) if self._real_paths else output


def _any_of(words: Iterable[str], ahead: str, behind: str) -> re.Pattern[str] | None:
    """Matches any of them, the longest first; None for no words."""
    choices = "|".join(re.escape(word) for word in sorted(words, key=len, reverse=True))
    return re.compile(f"{ahead}(?:{choices}){behind}") if choices else None
