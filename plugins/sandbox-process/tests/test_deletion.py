"""A hostile tree is deleted, and nothing else."""

from __future__ import annotations

import os
from pathlib import Path

from sympozium_sandbox_process.deletion import delete_tree


def test_nothing_is_there(tmp_path: Path) -> None:
    delete_tree(tmp_path / "never")


def test_a_link_is_deleted_and_not_followed(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "file").touch()
    (tmp_path / "link").symlink_to(kept)
    delete_tree(tmp_path / "link")
    assert not os.path.lexists(tmp_path / "link")
    assert (kept / "file").exists()


def test_paths_longer_than_the_kernel_takes(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    here = os.open(root, os.O_RDONLY)
    for _ in range(100):
        os.mkdir("d" * 200, dir_fd=here)
        (inner, outer) = os.open("d" * 200, os.O_RDONLY, dir_fd=here), here
        os.close(outer)
        here = inner
    os.close(os.open("file", os.O_CREAT | os.O_WRONLY, dir_fd=here))
    os.close(here)
    delete_tree(root)
    assert list(tmp_path.iterdir()) == []


def test_every_kind_of_entry_at_every_depth(tmp_path: Path) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    outside.mkdir()
    (outside / "file").write_text("stays")
    for folder in (root, root / "a", root / "a" / "a", root / ".moved-1", root / "b", root / "b" / ".moved-2"):
        folder.mkdir()
        (folder / "file").touch()
        (folder / "to-folder").symlink_to(outside)
        (folder / "broken").symlink_to("nowhere")
        os.mkfifo(folder / "pipe")
        os.link(outside / "file", folder / "hard")
    for folder in (root / "a" / "a", root / "a", root / "b"):
        folder.chmod(0)
    delete_tree(root)
    assert list(tmp_path.iterdir()) == [outside]
    assert (outside / "file").read_text() == "stays"
