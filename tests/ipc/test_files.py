"""Files that somebody hostile has made, or changes at this moment."""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sympozium_core.ipc.files import FileRefused, Root


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Root]:
    (tmp_path / "volume").mkdir()
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret.json").write_text('{"secret": true}')
    with Root(tmp_path / "volume") as root:
        before = len(os.listdir("/proc/self/fd"))
        yield root
        assert len(os.listdir("/proc/self/fd")) == before, "a descriptor was left open"


@pytest.fixture
def volume(tmp_path: Path) -> Path:
    return tmp_path / "volume"


def test_what_is_written_is_read(root: Root, volume: Path) -> None:
    root.write_json("a/b/c.json", {"text": "é\n", "half": "\ud800", "number": 1.5})
    assert root.read_json("a/b/c.json", 1000) == {"text": "é\n", "half": "?", "number": 1.5}
    assert root.names("a/b") == ["c.json"]
    assert os.listdir(volume / "a" / "b") == ["c.json"], "nothing but the file is left"
    root.write_json("a/b/c.json", {})
    assert root.read_json("a/b/c.json", 1000) == {}


@pytest.mark.parametrize("path", ["/etc/passwd", "../outside/secret.json", "a/../../x", "a//b", "./a", "a/./b", "a\0b", ""])
def test_paths_that_lead_out_are_refused(root: Root, path: str) -> None:
    for act in (lambda: root.read_bytes(path, 10), lambda: root.write_bytes(path, b""), lambda: root.remove(path)):
        with pytest.raises(FileRefused):
            act()


def test_links_are_never_followed(root: Root, volume: Path) -> None:
    os.symlink("../outside", volume / "directory")
    os.symlink("../outside/secret.json", volume / "file.json")
    os.symlink("nowhere", volume / "dangling")
    for path in ("directory/secret.json", "file.json", "dangling"):
        with pytest.raises(FileRefused):
            root.read_json(path, 1000)
    for path in ("directory/new", "directory/deep/new"):
        with pytest.raises(FileRefused):
            root.write_bytes(path, b"x")
    with pytest.raises(FileRefused):
        root.names("directory")
    # A write replaces a link instead of following it.
    root.write_json("file.json", {"mine": 1})
    assert json.loads((volume.parent / "outside" / "secret.json").read_text()) == {"secret": True}
    assert sorted(os.listdir(volume.parent / "outside")) == ["secret.json"]


def test_what_is_no_regular_file_is_refused_at_once(root: Root, volume: Path) -> None:
    os.mkfifo(volume / "fifo")
    (volume / "directory").mkdir()
    os.link(volume.parent / "outside" / "secret.json", volume / "linked.json")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(volume / "s"))
        begin = time.monotonic()
        for name in ("fifo", "directory", "linked.json", "s"):
            with pytest.raises(FileRefused):
                root.read_json(name, 1000)
        assert time.monotonic() - begin < 1
    with pytest.raises(FileRefused, match="is a directory"):
        root.write_bytes("directory", b"")
    assert sorted(os.listdir(volume)) == ["directory", "fifo", "linked.json", "s"], "a failed write left something"
    with pytest.raises(FileNotFoundError):
        root.read_json("missing.json", 1000)


def test_size_is_bounded(root: Root, volume: Path) -> None:
    (volume / "large").write_bytes(b"x" * 101)
    with pytest.raises(FileRefused, match="101 bytes, 100 are allowed"):
        root.read_bytes("large", 100)
    assert len(root.read_bytes("large", 101)) == 101
    with open(volume / "sparse", "wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(FileRefused):
        root.read_bytes("sparse", 1 << 20)


def test_a_file_that_grows_while_it_is_read_is_bounded(root: Root, volume: Path) -> None:
    stop = threading.Event()

    def grow() -> None:
        with open(volume / "growing", "ab", buffering=0) as file:
            while not stop.is_set():
                file.write(b"x" * 4096)
                if file.tell() > 1 << 26:
                    file.truncate(0)

    (volume / "growing").touch()
    writer = threading.Thread(target=grow)
    writer.start()
    try:
        for _ in range(200):
            try:
                assert len(root.read_bytes("growing", 100_000)) <= 100_000
            except FileRefused:
                continue
    finally:
        stop.set()
        writer.join()


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"[1]", "not a JSON object"),
        (b"null", "not a JSON object"),
        (b'{"a": NaN}', "not JSON"),
        (b'{"a": 1e999}', "not JSON"),
        (b'{"a": "\xff"}', "not UTF-8"),
        (b'{"a": "\\ud800"}', "surrogate"),
        (b'{"a": ' + b"9" * 5000 + b"}", "not JSON"),
        (b'{"a":' * 65 + b"1" + b"}" * 65, "nested deeper"),
        (b'{"a":' + b"[" * 50_000 + b"]" * 50_000 + b"}", "nested deeper"),
        (b'{"a":[' + b"[]," * 100_000 + b"[]]}", "objects and lists"),
    ],
)
def test_content_that_is_no_bounded_object_is_refused(root: Root, volume: Path, data: bytes, says: str) -> None:
    (volume / "f.json").write_bytes(data)
    with pytest.raises(FileRefused, match=says) as caught:
        root.read_json("f.json", 1 << 20)
    assert "f.json" in str(caught.value)


def test_brackets_within_a_text_do_not_count(root: Root) -> None:
    root.write_json("f.json", {"text": '[{"' * 100_000})
    assert len(root.read_json("f.json", 1 << 20)["text"]) == 300_000


def test_a_directory_that_is_swapped_for_a_link_leads_nowhere(root: Root, volume: Path) -> None:
    """The race that a resolve-then-open check loses."""
    (volume / "real").mkdir()
    (volume / "real" / "secret.json").write_text('{"secret": false}')
    os.symlink("../outside", volume / "link")
    stop = threading.Event()

    def swap() -> None:
        while not stop.is_set():
            os.rename(volume / "real", volume / "aside")
            os.rename(volume / "link", volume / "real")
            os.rename(volume / "real", volume / "link")
            os.rename(volume / "aside", volume / "real")

    swapper = threading.Thread(target=swap)
    swapper.start()
    seen = 0
    try:
        end = time.monotonic() + 1
        while time.monotonic() < end:
            try:
                assert root.read_json("real/secret.json", 100) == {"secret": False}
                seen += 1
            except (FileRefused, FileNotFoundError):
                continue
    finally:
        stop.set()
        swapper.join()
    assert seen


def test_of_several_that_claim_one_succeeds(root: Root) -> None:
    for number in range(50):
        root.write_json(f"requests/{number}.json", {})
    won: list[tuple[str, int]] = []

    def claim(who: int) -> None:
        for number in range(50):
            if root.rename(f"requests/{number}.json", f"claimed/{number}.json"):
                won.append(("rename", number))
            if root.make_new_directory(f"claims/{number}"):
                won.append(("mkdir", number))

    threads = [threading.Thread(target=claim, args=(who,)) for who in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(won) == sorted([("rename", n) for n in range(50)] + [("mkdir", n) for n in range(50)])


def test_what_is_shared_is_shared_by_the_group(volume: Path) -> None:
    """As the volume of a pod is, whose directories hand their group down."""
    volume.mkdir()
    volume.chmod(0o2777)
    with Root(volume) as own, Root(volume, shared=True) as shared:
        own.make_directory("own/requests")
        shared.make_directory("shared/requests")
    modes = {path: (volume / path).stat().st_mode & 0o7777 for path in ("own", "own/requests", "shared", "shared/requests")}
    assert modes == {"own": 0o2755, "own/requests": 0o2755, "shared": 0o2775, "shared/requests": 0o2775}


def test_hidden_names_are_not_listed_and_lists_are_bounded(root: Root, volume: Path) -> None:
    for name in (".hidden", "half.tmp", "a", "b", "c"):
        (volume / name).touch()
    assert root.names() == ["a", "b", "c"]
    assert len(root.names(limit=2)) <= 2
    assert root.names("missing") == []
