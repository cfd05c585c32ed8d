"""Nothing that is written is missed: before the watch, in a burst, by rename or plainly; by inotify and by polling."""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sympozium_core.ipc.async_watch import changes
from sympozium_core.ipc.files import Root
from sympozium_core.ipc.inotify import DELETE_SELF, ONLYDIR
from sympozium_core.ipc.watch import ENV_POLLING, Found, Watch


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


@pytest.fixture
def silent(monkeypatch: pytest.MonkeyPatch) -> None:
    """An inotify as in a sandbox that does not tell of what other containers do."""
    monkeypatch.setattr("sympozium_core.ipc.inotify._MASK", DELETE_SELF | ONLYDIR)
    monkeypatch.setattr("sympozium_core.ipc.watch.SILENCE", 0.05)


def test_where_inotify_is_silent_it_polls(root: Root, silent: None) -> None:
    root.write_json("in/before.json", {})
    with Watch(root, ["in"]) as watch:
        assert collect(watch, {"in/before.json"})
        assert not watch.wait(0.2)
        assert not watch.polling, "nothing has come of which it could have told"
        root.write_json("in/a.json", {})
        assert collect(watch, {"in/a.json"}) == {"in/a.json"}
        assert watch.polling
        root.write_json("in/b.json", {})
        assert collect(watch, {"in/b.json"}) == {"in/b.json"}


async def test_where_inotify_is_silent_an_event_loop_polls(root: Root, silent: None) -> None:
    with Watch(root, ["in"]) as watch:
        async with asyncio.timeout(10), contextlib.aclosing(changes(watch)) as batches:
            for name in ("a.json", "b.json"):
                root.write_json(f"in/{name}", {})
                assert [each.name for each in await anext(batches)] == [name]
        assert watch.polling


def test_inotify_that_tells_is_believed(root: Root, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sympozium_core.ipc.watch.SILENCE", 0.01)
    with Watch(root, ["in"]) as watch:
        for number in range(20):
            root.write_json(f"in/{number}.json", {})
            assert collect(watch, {f"in/{number}.json"})
        assert not watch.polling
        assert watch.due is None


def test_what_happens_within_a_directory_is_no_news_of_it(root: Root, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sympozium_core.ipc.watch.SILENCE", 0.01)
    root.make_directory("in/requests")
    with Watch(root, ["in"]) as watch:
        assert collect(watch, {"in/requests"})
        for number in range(5):
            root.write_json(f"in/requests/{number}.json", {})
            assert watch.wait(0.02) == []
        assert not watch.polling, "inotify has told of all that it should"


async def test_an_event_loop_that_polls_does_not_spin(root: Root, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sympozium_core.ipc.watch.SILENCE", 0.0)
    with Watch(root, ["in"], interval=0.05) as watch:
        looks = 0

        def read(watch: Watch) -> list[Found]:
            nonlocal looks
            looks += 1
            return real(watch)

        real = Watch.read
        monkeypatch.setattr(Watch, "read", read)
        async with asyncio.timeout(10), contextlib.aclosing(changes(watch)) as batches:
            first = asyncio.create_task(anext(batches))
            await asyncio.wait((first,), timeout=0.05)
            with (tmp_path / "in/open.json").open("w"):  # a look finds it, inotify does not tell of it before it is closed
                assert [each.name for each in await first] == ["open.json"]
            assert watch.polling
            looks = 0
            following = asyncio.create_task(anext(batches))
            await asyncio.wait((following,), timeout=0.5)
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)
        assert looks <= 12, "one look an interval"


@pytest.mark.parametrize("turns", range(6))
async def test_it_ends_when_it_is_cancelled_at_the_moment_at_which_something_comes(turns: int) -> None:
    class Telling:
        """A watch whose descriptor says that there is something, and there is nothing."""

        due = 60.0

        def __init__(self) -> None:
            self.descriptor = os.eventfd(0)

        def fileno(self) -> int:
            return self.descriptor

        def read(self) -> list[Found]:
            return []

    watch: Any = Telling()
    try:
        following = asyncio.create_task(anext(changes(watch)))
        await asyncio.sleep(0.01)
        os.eventfd_write(watch.descriptor, 1)
        for _ in range(turns):
            await asyncio.sleep(0)
        following.cancel()
        done, _ = await asyncio.wait((following,), timeout=1)
        assert done, "the cancellation was lost"
    finally:
        os.close(watch.descriptor)


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
