"""What the library's server does beyond the protocol: deadlines, cancels, large results, crashes, and arguments that do not fit."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from typing import Any

import pytest

from sympozium_core.sidecar import Server

CODE = """
import os, sys, time
from typing import Annotated, Literal
from sympozium_core.sidecar import Call, Outcome, Server, tool

@tool
def greet(name: Annotated[str, "Who."], times: int = 1, how: Literal["loud", "soft"] = "soft", extra: list[str] | None = None) -> str:
    "Greet somebody.\\n\\n    At length."
    return f"{how} {name} " * times + ",".join(extra or [])

@tool(name="say.more")
def other() -> dict:
    "Other."
    return {"a": [1, "é"]}

@tool
def fail() -> str:
    raise RuntimeError("the reason")

@tool
def leave() -> str:
    os._exit(9)

@tool
def large(size: int) -> str:
    return "x" * size

@tool
def wait(call: Call, seconds: float = 60.0) -> str:
    with open("WORKSPACE/began-" + call.id, "w"):
        pass
    end = time.monotonic() + seconds
    while not call.cancelled and time.monotonic() < end:
        time.sleep(0.01)
    return "cancelled" if call.cancelled else "waited"

@tool(timeout=0.3)
def stubborn() -> str:
    time.sleep(3)
    return "too late"

@tool
def keep(call: Call, text: str) -> Outcome:
    return Outcome("kept", artifacts=(call.save("a.txt", text.encode()),))

Server("demo", [greet, other, fail, leave, large, wait, stubborn, keep], parallel=PARALLEL).serve()
"""


@pytest.fixture
def volume(new_volume: Callable[[str], Any]) -> Any:
    made = new_volume("demo")

    def begin(parallel: int = 8) -> Any:
        code = CODE.replace("WORKSPACE", str(made.workspace)).replace("PARALLEL", str(parallel))
        return made.start_python(code)

    made.begin = begin
    return made


def test_the_schema_comes_from_the_signature(volume: Any) -> None:
    volume.begin()
    greet, other, *_ = volume.manifest().tools
    assert greet.description == "Greet somebody.\n\nAt length."
    assert greet.parameters == {
        "type": "object",
        "properties": {
            "name": {"type": "string", "description": "Who."},
            "times": {"type": "integer", "default": 1},
            "how": {"enum": ["loud", "soft"], "default": "soft"},
            "extra": {"anyOf": [{"type": "array", "items": {"type": "string"}}, {"type": "null"}]},
        },
        "required": ["name"],
        "additionalProperties": False,
    }
    assert other.name == "say.more"
    assert volume.call("c1", "greet", name="Ann", times=2.0, extra=["x"]).content == "soft Ann soft Ann x"
    assert volume.call("c2", "say.more").content == '{"a": [1, "é"]}'


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({}, "'name' is missing"),
        ({"name": 1}, "'name' must be of type string"),
        ({"name": "a", "times": "2"}, "'times' must be of type integer"),
        ({"name": "a", "times": True}, "'times' must be of type integer"),
        ({"name": "a", "how": "x"}, "'how' must be one of loud, soft"),
        ({"name": "a", "extra": [1]}, "'extra' has an item that must be of type string"),
        ({"nam": "a"}, "there is no 'nam'"),
    ],
)
def test_arguments_that_do_not_fit_are_named(volume: Any, arguments: dict[str, Any], says: str) -> None:
    volume.begin()
    volume.manifest()
    result = volume.call("c1", "greet", **arguments)
    assert result.status == "error"
    assert says in result.content


def test_what_goes_wrong_is_a_result_and_the_server_lives(volume: Any) -> None:
    volume.begin()
    volume.manifest()
    assert volume.call("c1", "fail").content == "RuntimeError: the reason"
    assert "has no tool 'nothing'" in volume.call("c2", "nothing").content
    for call, data in (("c3", b"{"), ("c4", b'{"id": "other", "tool": "greet"}'), ("c5", b'{"id": "c5", "tool": "a b"}')):
        volume.root.write_bytes(f"{volume.directory}/requests/{call}.json", data)
        result = volume.result(call)
        assert result.status == "error"
        assert "cannot be read" in result.content
    volume.root.write_bytes(f"{volume.directory}/requests/a b.json", b"{}")
    assert volume.call("c6", "greet", name="Ann").status == "ok"
    assert volume.end() == 0


def test_a_large_result_is_cut_and_kept(volume: Any) -> None:
    volume.begin()
    volume.manifest()
    result = volume.call("c1", "large", size=3_000_000)
    assert result.truncated
    assert len(result.content) < 300_000
    assert result.artifacts == ("c1-content.txt",)
    assert volume.artifact("c1-content.txt") == b"x" * 3_000_000
    assert volume.call("c2", "keep", text="é").artifacts == ("c2-a.txt",)
    assert volume.artifact("c2-a.txt").decode() == "é"


def test_a_call_that_is_cancelled_before_it_begins_ends_when_it_does(volume: Any) -> None:
    volume.begin(parallel=1)
    volume.manifest()
    volume.ask("c1", "wait")
    volume.until((volume.workspace / "began-c1").exists)
    volume.ask("c2", "wait")
    volume.root.write_bytes(f"{volume.directory}/cancel/c2", b"")
    volume.until(lambda: not volume.root.exists(f"{volume.directory}/cancel/c2"))
    volume.root.write_bytes(f"{volume.directory}/cancel/c1", b"")
    assert volume.result("c2", 5).content == "cancelled"


def test_cancel_reaches_the_call(volume: Any) -> None:
    volume.begin()
    volume.manifest()
    volume.ask("c1", "wait")
    volume.until((volume.workspace / "began-c1").exists)
    volume.root.write_bytes(f"{volume.directory}/cancel/c1", b"")
    assert volume.result("c1", 5).content == "cancelled"


def test_a_tool_that_does_not_keep_its_time_is_answered_for(volume: Any) -> None:
    volume.begin(parallel=1)
    volume.manifest()
    begin = time.monotonic()
    assert volume.call("c1", "stubborn").status == "timeout"
    assert time.monotonic() - begin < 2.5
    assert volume.call("c2", "greet", name="Ann").status == "ok", "its place is taken by another worker"
    volume.ask("c3", "wait", deadline=time.time() + 0.3)
    assert volume.result("c3").status == "timeout"
    volume.ask("c4", "wait", deadline=time.time() - 1)
    assert volume.result("c4").status == "timeout"
    assert not (volume.workspace / "began-c4").exists(), "a call that is late already is not begun"


def test_no_more_than_the_bound_run_at_once_and_the_rest_is_left_for_others(volume: Any) -> None:
    volume.begin(parallel=2)
    volume.manifest()
    for number in range(5):
        volume.ask(f"c{number}", "wait")
    volume.until(lambda: len(list(volume.workspace.iterdir())) == 2)
    assert len(volume.root.names(f"{volume.directory}/requests")) == 3
    began: set[str] = set()
    while len(began) < 5:
        # Each that is ended makes room for one more.
        running = {path.name.removeprefix("began-") for path in volume.workspace.iterdir()} - began
        assert len(running) <= 2
        for call in running:
            volume.root.write_bytes(f"{volume.directory}/cancel/{call}", b"")
            assert volume.result(call).content == "cancelled"
            began.add(call)


def test_a_call_whose_server_died_is_unknown_and_never_run_again(volume: Any) -> None:
    first = volume.begin()
    volume.manifest()
    volume.ask("c1", "wait")
    volume.until((volume.workspace / "began-c1").exists)
    first.kill()
    first.wait()
    (volume.workspace / "began-c1").unlink()
    volume.begin()
    assert volume.result("c1").status == "unknown"
    assert volume.call("c2", "greet", name="Ann").status == "ok"
    assert not (volume.workspace / "began-c1").exists()


def test_a_second_server_leaves_running_calls_alone(volume: Any) -> None:
    volume.begin()
    volume.manifest()
    volume.ask("c1", "wait")
    volume.until((volume.workspace / "began-c1").exists)
    volume.root.remove(f"{volume.directory}/manifest.json")
    volume.begin()
    volume.manifest()
    assert not volume.answered("c1")
    volume.root.write_bytes(f"{volume.directory}/cancel/c1", b"")


@pytest.mark.parametrize("how", ["done", "SIGTERM"])
def test_it_ends_soon_also_while_calls_run(volume: Any, how: str) -> None:
    process = volume.begin()
    volume.manifest()
    volume.ask("c1", "wait")
    volume.until((volume.workspace / "began-c1").exists)
    begin = time.monotonic()
    if how == "done":
        assert volume.end() == 0
    else:
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
    assert time.monotonic() - begin < 3


def test_a_signal_ends_it_that_interrupts_nothing(volume: Any) -> None:
    """It may come just before the server's wait begins. Here another thread is given it, for the same effect."""
    code = """
import signal, threading
from sympozium_core.sidecar import Server, tool

threading.Thread(target=threading.Event().wait, daemon=True).start()
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])

@tool
def answer() -> str:
    return "42"

Server("demo", [answer]).serve()
"""
    process = volume.start_python(code)
    volume.manifest()
    volume.ask("c1", "answer")
    volume.until(lambda: volume.answered("c1"))
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == 0


def test_bad_servers_are_refused_when_they_are_made() -> None:
    def untyped(x) -> str:
        return str(x)

    def same() -> str:
        return ""

    with pytest.raises(TypeError, match="'x'"):
        Server("demo", [untyped])
    with pytest.raises(ValueError, match="'same'"):
        Server("demo", [same, same])
    with pytest.raises(ValueError, match="name of a tool server"):
        Server("Demo/..")
