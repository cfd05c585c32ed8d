"""Deletes a folder that a hostile process has filled."""

from __future__ import annotations

import os
from collections import deque
from pathlib import Path


def delete_tree(root: Path) -> None:
    """Deletes everything below `root` and itself; nothing outside. No process may write there any more. Raises OSError.

    Nested folders are first moved up into `root`, so neither depth nor length of a path has a bound here, links are never followed,
    and a folder without rights is given them back.
    """
    if not os.path.lexists(root):
        return
    if root.is_symlink() or not root.is_dir():
        root.unlink()
        return
    os.chmod(root, 0o700)
    top = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        moved = 0
        waiting = deque(_delete_files(top))
        while waiting:
            name = waiting.popleft()
            os.chmod(name, 0o700, dir_fd=top)
            folder = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=top)
            try:
                for inner in _delete_files(folder):
                    os.chmod(inner, 0o700, dir_fd=folder)  # A folder can only be moved by whom it lets write.
                    moved += 1
                    unique = f".moved-{moved}-{os.urandom(4).hex()}"
                    os.rename(inner, unique, src_dir_fd=folder, dst_dir_fd=top)
                    waiting.append(unique)
            finally:
                os.close(folder)
            os.rmdir(name, dir_fd=top)
    finally:
        os.close(top)
    os.rmdir(root)


def _delete_files(folder: int) -> list[str]:
    """Unlinks all that is not a folder; returns the names of the folders."""
    folders = []
    with os.scandir(folder) as entries:
        names = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
    for name, is_folder in names:
        if is_folder:
            folders.append(name)
        else:
            os.unlink(name, dir_fd=folder)
    return folders
