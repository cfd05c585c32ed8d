"""Progress is written beside the run, in its order, and whole at the end."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sympozium_core.ipc.files import Root
from sympozium_core.runner import progress
from sympozium_core.runner.progress import Progress


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Root]:
    with Root(tmp_path) as root:
        yield root


def written(root: Root) -> list[dict[str, object]]:
    return [root.read_json(f"output/stream-{number}.json", 65_536) for number in range(len(root.names("output")))]


def test_what_was_said_is_there_when_it_is_closed(root: Root, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "TOGETHER", 3600.0)
    told = Progress(root)
    told.begin_turn(1)
    told.text("Hel")
    told.text("lo")
    told.flush()
    told.tool("c1", "read_file", "started")
    told.tool("c1", "read_file", "ok", 3)
    told.tool("c2", "read_file", "started")
    assert root.names("output") == [], "nobody waited for a file"
    told.close()
    assert [(event["type"], event.get("text", event.get("status"))) for event in written(root)] == [
        ("text", "Hello"),
        ("tool", "ok"),
        ("tool", "started"),
    ], "what a later one makes old news is not written"
    told.begin_turn(2)
    told.close()
    assert len(root.names("output")) == 3


def test_it_is_written_without_being_asked_to(root: Root) -> None:
    told = Progress(root)
    told.begin_turn(1)
    end = time.monotonic() + 10
    while not root.names("output"):
        assert time.monotonic() < end
        time.sleep(0.005)
    assert written(root) == [{"type": "turn", "turn": 1}]
    told.close()


def test_threads_get_numbers_without_a_gap_and_each_keeps_its_order(root: Root) -> None:
    told = Progress(root)

    def say(name: str) -> None:
        for number in range(50):
            told.tool(f"{name}-{number}", "t", "started")

    threads = [threading.Thread(target=say, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    told.close()
    calls = [str(event["call"]) for event in written(root)]
    assert len(calls) == 200
    for name in "abcd":
        assert [call for call in calls if call.startswith(name)] == [f"{name}-{number}" for number in range(50)]


def test_it_is_bounded(root: Root, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "MAX_EVENTS", 10)
    told = Progress(root)
    for turn in range(50):
        told.begin_turn(turn)
    told.close()
    assert [event["turn"] for event in written(root)] == list(range(10))
