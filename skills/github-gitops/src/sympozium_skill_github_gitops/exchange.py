"""Files between the sidecar's own clone and the folder of the workspace in which the agent works on them.

The agent may put anything there, and change it at any moment: links, pipes, a `.git` of its own. So nothing is reached by its path, only from
directory to directory without following links, and what is no file of ours is left out and said.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from sympozium_core.errors import Permanent
from sympozium_core.ipc.files import Root
from sympozium_core.names import ENV_WORKSPACE
from sympozium_core.sidecar.definition import ToolError

MAX_FILES, MAX_FILE, MAX_ALL = 20_000, 50 * 1024 * 1024, 500 * 1024 * 1024
MAX_DEPTH = 64
LEFT_OUT = (".git", "node_modules", "__pycache__", ".venv")
"""Folders that are no part of a change, wherever they are; what a repository has tracked in one of them stays as it is."""
ALL_BUT = (".", *(f":(exclude,glob)**/{name}/**" for name in LEFT_OUT[1:]))
"""The same for git."""


@dataclass
class Taken:
    files: set[str] = field(default_factory=set)
    left_out: list[str] = field(default_factory=list)
    size: int = 0


def open_workspace() -> Root:
    return Root(os.environ.get(ENV_WORKSPACE) or "/workspace")


def hand_out(clone: Path, tracked: list[str], workspace: Root, folder: str) -> None:
    """Writes the tracked files of the clone into a folder of the workspace, over whatever is there."""
    workspace.make_directory(folder)
    for name in tracked:
        source, target = clone / name, f"{folder}/{name}"
        if source.is_symlink():
            _write_link(workspace, target, os.readlink(source))
        elif source.is_file():
            status = source.stat()
            if status.st_size > MAX_FILE:
                raise ToolError(
                    f"{name} has {status.st_size} bytes; a repository with files over {MAX_FILE} is not for this skill"
                )
            workspace.write_bytes(target, source.read_bytes(), mode=stat.S_IMODE(status.st_mode) & 0o755)


def take_away(workspace: Root, folder: str) -> None:
    """Removes the folder from the workspace, and nothing that a link in it leads to."""
    parent = workspace.open_directory("")
    try:
        status = os.stat(folder, dir_fd=parent, follow_symlinks=False)
        if stat.S_ISDIR(status.st_mode):
            shutil.rmtree(folder, dir_fd=parent)
        else:
            os.unlink(folder, dir_fd=parent)
    except FileNotFoundError:
        pass
    finally:
        os.close(parent)


def take_in(workspace: Root, folder: str, clone: Path) -> Taken:
    """Makes the clone's files those of the workspace. What is left out keeps, in the clone, the state of its last commit."""
    taken = Taken()
    fresh = clone.parent / f"{clone.name}.taken"
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    try:
        for name in _walk(workspace, folder, "", taken):
            _copy(workspace, f"{folder}/{name}", fresh / name, name, taken)
        for entry in [entry for entry in clone.iterdir() if entry.name != ".git"]:
            shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()
        shutil.copytree(fresh, clone, symlinks=True, dirs_exist_ok=True)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return taken


def _walk(workspace: Root, folder: str, below: str, taken: Taken) -> Iterator[str]:
    """Names of files and links, relative to `folder`."""
    try:
        descriptor = workspace.open_directory(f"{folder}/{below}".rstrip("/"))
    except (FileNotFoundError, Permanent):
        if not below:
            raise ToolError(f"/workspace/{folder} is not there, or is a link: call repo_clone again") from None
        return
    try:
        with os.scandir(descriptor) as entries:
            found = sorted((entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries)
    finally:
        os.close(descriptor)
    for name, is_folder in found:
        path = f"{below}/{name}".lstrip("/")
        if name.lower() in LEFT_OUT or (is_folder and path.count("/") >= MAX_DEPTH):
            continue
        if is_folder:
            yield from _walk(workspace, folder, path, taken)
        else:
            yield path


def _copy(workspace: Root, source: str, target: Path, name: str, taken: Taken) -> None:
    if len(taken.files) >= MAX_FILES or taken.size > MAX_ALL:
        raise ToolError(f"there are more than {MAX_FILES} files or {MAX_ALL >> 20} MiB; remove what is not part of the change")
    target.parent.mkdir(parents=True, exist_ok=True)
    link = _link(workspace, source)
    if link is not None:
        target.symlink_to(link)
        taken.files.add(name)
        return
    try:
        descriptor = workspace.open_file(source, single_link=False)
        try:
            mode = os.fstat(descriptor).st_mode
        finally:
            os.close(descriptor)
        data = workspace.read_bytes(source, MAX_FILE, single_link=False)
    except (OSError, Permanent) as error:
        taken.left_out.append(f"{name} ({getattr(error, 'message', None) or error})")
        return
    target.write_bytes(data)
    target.chmod(0o755 if mode & 0o100 else 0o644)
    taken.files.add(name)
    taken.size += len(data)


def _link(workspace: Root, path: str) -> str | None:
    """What a link says; it is not followed, and neither does git."""
    parent, _, name = path.rpartition("/")
    try:
        descriptor = workspace.open_directory(parent)
    except (OSError, Permanent):
        return None
    try:
        return os.readlink(name, dir_fd=descriptor)
    except OSError:
        return None
    finally:
        os.close(descriptor)


def _write_link(workspace: Root, path: str, target: str) -> None:
    workspace.remove(path)
    parent, _, name = path.rpartition("/")
    workspace.make_directory(parent)
    descriptor = workspace.open_directory(parent)
    try:
        with contextlib.suppress(FileExistsError):
            os.symlink(target, name, dir_fd=descriptor)
    finally:
        os.close(descriptor)
