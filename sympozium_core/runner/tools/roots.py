"""The directories that native tools may use, under the paths that the model sees: /workspace, /tmp, and /skills for reading.

A path is taken apart as text and then opened one component at a time without following links (`ipc.files.Root`): nothing is resolved first
and opened later, so nothing can be swapped in between.
"""

from __future__ import annotations

import errno
import os
import posixpath
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from sympozium_core.ipc.files import FileRefused, Root
from sympozium_core.runner.places import Places

WORKSPACE = "/workspace"
MAX_PATH = 4096


class ToolFailure(Exception):
    """What the model is told instead of a result: what is wrong and what to do. Never shows a path of this machine."""


@dataclass(frozen=True)
class Location:
    root: Root
    path: str
    """Relative to the root; empty for the root itself."""
    shown: str
    """As the model knows it, such as ``/workspace/a.txt``."""


class Roots:
    """`result_bytes` is what of one result reaches the model: tools that can stop earlier do."""

    def __init__(self, places: Places, result_bytes: int = 8_000) -> None:
        self.result_bytes = result_bytes
        self._directories = {WORKSPACE: places.workspace, "/tmp": places.tmp, "/skills": places.skills}
        self._roots: dict[str, Root] = {}

    def locate(self, path: str, *, write: bool = False) -> Location:
        """Where a path of the model's leads. Relative ones are taken from /workspace. Raises ToolFailure."""
        if "\0" in path or len(path) > MAX_PATH:
            raise ToolFailure(f"the path is not usable: it has a NUL, or more than {MAX_PATH} characters")
        absolute = "/" + posixpath.normpath(posixpath.join(WORKSPACE, path)).lstrip("/")
        top, _, rest = absolute[1:].partition("/")
        name = "/" + top
        if name not in self._directories:
            raise ToolFailure(f"{absolute} is outside of /workspace, /tmp and /skills")
        if write and name == "/skills":
            raise ToolFailure(f"{absolute} is read-only; write to /workspace or /tmp")
        return Location(self._root(name), rest, absolute)

    def close(self) -> None:
        for root in self._roots.values():
            root.close()

    def _root(self, name: str) -> Root:
        if name not in self._roots:
            try:
                self._roots[name] = Root(self._directories[name])
            except OSError as error:
                raise ToolFailure(f"there is no {name} in this run") from error
        return self._roots[name]


@contextmanager
def failures(location: Location) -> Iterator[None]:
    """Turns errors of the system inside the block into a ToolFailure that names the path as the model knows it."""
    shown = location.shown
    try:
        yield
    except FileNotFoundError as error:
        raise ToolFailure(f"{shown} does not exist") from error
    except FileRefused as error:
        if _is_directory(location):
            raise ToolFailure(f"{shown} is a directory") from error
        raise ToolFailure(f"{shown} {error.what}; links are not followed") from error
    except OSError as error:
        known = {errno.ENOSPC: "the disk is full", errno.EDQUOT: "the disk is full", errno.EACCES: "permission denied"}
        raise ToolFailure(f"{shown}: {known.get(error.errno or 0, os.strerror(error.errno or 0))}") from error


def _is_directory(location: Location) -> bool:
    try:
        os.close(location.root.open_directory(location.path))
        return True
    except (OSError, FileRefused):
        return False
