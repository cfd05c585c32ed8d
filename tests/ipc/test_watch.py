"""Nothing that is written is missed: before the watch, in a burst, by rename or plainly; by inotify and by polling."""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sympozium_core.ipc.async_watch import changes
from sympozium_core.ipc.files import Root
from sympozium_core.ipc.watch import ENV_POLLING, Watch


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Root]:
    with Root(tmp_path) as root:
        yield root


@pytest.fixture(params=[False, True], ids=["inotify", "polling"])
def polling(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


def collect(watch: Watch, want: set[str], timeout: float = 10.0) -> set[str]:
    found: set[str] = set()
    end = time.monotonic() + timeout
    while not want <= found and (left := end - time.monotonic()) > 0:
        found |= {item.path for item in watch.wait(left)}
    return found


def test_what_was_there_before_is_found(root: Root, polling: bool) -> None:
    root.write_json("in/a.json", {})
    with Watch(root, ["in", "other"], polling=polling) as watch:
        assert watch.polling == polling
        assert collect(watch, {"in/a.json"}) == {"in/a.json"}
        root.write_json("other/b.json", {})
        assert collect(watch, {"other/b.json"}) == {"other/b.json"}
        assert watch.wait(0.05) == []


@pytest.mark.parametrize("count", [50, 500, 2000])
@pytest.mark.parametrize("plain", [False, True], ids=["rename", "plain"])
def test_bursts_are_found_whole(root: Root, tmp_path: Path, polling: bool, count: int, plain: bool) -> None:
    want = {f"in/{number}.json" for number in range(count)}
    with Watch(root, ["in"], polling=polling) as watch:

        def write() -> None:
            for path in sorted(want):
                if plain:
                    (tmp_path / path).write_bytes(b"{}")
                else:
                    root.write_bytes(path, b"{}")

        writer = threading.Thread(target=write)
        writer.start()
        found = collect(watch, want, 20)
        writer.join()
        assert found == want


def test_a_burst_beyond_the_kernels_queue_is_found(root: Root, tmp_path: Path) -> None:
    """Overflow: each plain write is three events, and nobody reads meanwhile."""
    limit = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    with Watch(root, ["in"]) as watch:
        watch.wait(0)
        for _ in range(limit // 2 // 200 + 1):
            for number in range(200):
                (tmp_path / "in" / f"{number}").write_bytes(b"")
        (tmp_path / "in" / "last").write_bytes(b"")
        assert "in/last" in collect(watch, {"in/last"})


def test_hidden_files_and_half_written_ones_are_not_reported(root: Root, tmp_path: Path) -> None:
    with Watch(root, ["in"], polling=False) as watch:
        watch.wait(0)
        (tmp_path / "in" / ".hidden").write_bytes(b"x")
        (tmp_path / "in" / "x.tmp").write_bytes(b"x")
        with open(tmp_path / "in" / "slow.json", "wb", buffering=0) as file:
            file.write(b'{"half":')
            assert watch.wait(0.1) == []
            file.write(b"1}")
        assert collect(watch, {"in/slow.json"}) == {"in/slow.json"}
        assert root.read_json("in/slow.json", 100) == {"half": 1}


def test_polling_reports_a_file_again_when_it_has_changed(root: Root, tmp_path: Path) -> None:
    with Watch(root, ["in"], polling=True) as watch:
        (tmp_path / "in" / "f").write_bytes(b"{")
        assert collect(watch, {"in/f"})
        (tmp_path / "in" / "f").write_bytes(b"{}")
        assert collect(watch, {"in/f"})


def test_a_directory_that_is_removed_is_watched_again(root: Root, tmp_path: Path, polling: bool) -> None:
    with Watch(root, ["in"], polling=polling) as watch:
        watch.wait(0)
        os.rename(tmp_path / "in", tmp_path / "aside")
        os.mkdir(tmp_path / "in")
        root.write_json("in/a.json", {})
        assert collect(watch, {"in/a.json"}) == {"in/a.json"}
        root.write_json("in/b.json", {})
        assert "in/b.json" in collect(watch, {"in/b.json"})


def test_a_link_in_its_place_is_not_followed(root: Root, tmp_path: Path, polling: bool) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").touch()
    os.symlink("outside", tmp_path / "in")
    with Watch(root, ["in"], polling=polling) as watch:
        assert watch.wait(0.1) == []
        (outside / "more").touch()
        assert watch.wait(0.1) == []
        os.unlink(tmp_path / "in")
        os.mkdir(tmp_path / "in")
        root.write_json("in/a.json", {})
        assert collect(watch, {"in/a.json"}) == {"in/a.json"}


def test_another_descriptor_wakes_it(root: Root, polling: bool) -> None:
    wake = os.eventfd(0)
    try:
        with Watch(root, ["in"], polling=polling) as watch:
            watch.wait(0)
            timer = threading.Timer(0.05, os.eventfd_write, (wake, 1))
            timer.start()
            begin = time.monotonic()
            assert watch.wait(10, wake=wake) == []
            assert time.monotonic() - begin < 5
            timer.join()
    finally:
        os.close(wake)


def test_the_environment_forces_polling(root: Root, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ENV_POLLING, "1")
    with Watch(root, ["in"]) as watch:
        assert watch.polling


def test_without_inotify_it_polls(root: Root, monkeypatch: pytest.MonkeyPatch) -> None:
    def none_left() -> None:
        raise OSError("no inotify instances left")

    monkeypatch.setattr("sympozium_core.ipc.inotify.Inotify", none_left)
    with Watch(root, ["in"]) as watch:
        assert watch.polling
        root.write_json("in/a.json", {})
        assert collect(watch, {"in/a.json"})


async def test_on_an_event_loop(root: Root, polling: bool) -> None:
    root.write_json("in/before.json", {})
    want = {f"in/{number}.json" for number in range(2000)} | {"in/before.json"}
    found: set[str] = set()
    with Watch(root, ["in"], polling=polling) as watch:

        async def follow() -> None:
            async with contextlib.aclosing(changes(watch)) as batches:
                async for batch in batches:
                    found.update(item.path for item in batch)
                    if want <= found:
                        return

        def write() -> None:
            for path in want - {"in/before.json"}:
                root.write_bytes(path, b"{}")

        following = asyncio.create_task(follow())
        await asyncio.to_thread(write)
        await asyncio.wait_for(following, 20)
    assert found == want
