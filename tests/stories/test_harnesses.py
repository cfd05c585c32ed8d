"""A harness that somebody has written, as `sympozium plugins new harness` begins it, is the program of an agent: by its name in the instance."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from sympozium_core.contracts.cluster import Forbidden
from sympozium_core.registry.scaffold import write_package as write_new
from sympozium_core.testing import leftovers
from sympozium_core.testing.conversations import asked, call, command, results, turns
from sympozium_core.testing.embedded import OpenPlane, Plane, furnish, phase_of, status_of
from sympozium_core.testing.packages import write_package
from sympozium_core.testing.servers.openai import OpenAIServer
from sympozium_core.testing.servers.script import Answer

IMAGE_ONLY = """
    from sympozium_core.contracts.harness import Harness

    class Boxed(Harness):
        def image(self):
            return "ghcr.io/acme/agent:1"
"""


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Two packages with harnesses, found by this process and by those that it starts."""
    folder = tmp_path / "site"
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(folder), os.environ.get("PYTHONPATH", "")])))
    before = set(sys.modules)
    made = write_new("harness", "own-loop", tmp_path)
    modules = {
        f"{path.parent.name}.{path.stem}": path.read_text() for path in made if "src" in path.parts and path.suffix == ".py"
    }
    entry = {"sympozium.harnesses": {"own-loop": "sympozium_harness_own_loop:OwnLoopHarness"}}
    write_package(folder, "sympozium-harness-own-loop", modules, entry)
    write_package(folder, "acme-boxed", {"acme_boxed": IMAGE_ONLY}, {"sympozium.harnesses": {"boxed": "acme_boxed:Boxed"}})
    yield folder
    for module in set(sys.modules) - before:
        if str(folder) in str(getattr(sys.modules[module], "__file__", "")):
            del sys.modules[module]


@pytest.mark.parametrize("sandbox", ["process", "bubblewrap"])
async def test_a_run_of_ones_own_program(site: Path, open_plane: OpenPlane, model: OpenAIServer, sandbox: str) -> None:
    model.script = turns(
        Answer("", (command("echo 12 > apples && cat apples"), call("no_such_tool"))), Answer("There are 12 apples.")
    )
    async with open_plane() as plane:
        await furnish(plane, model, harness="own-loop")
        ended = await plane.ended(await plane.run("count the apples"))
        status = status_of(ended)
        assert (phase_of(ended), status["result"], status["harness"]) == ("Succeeded", "There are 12 apples.", "own-loop")
        assert status["sandbox"] == sandbox
        assert results(model.requests[1])[0].startswith("12")
        assert "no_such_tool" in results(model.requests[1])[1]
        offered = {tool["function"]["name"] for tool in model.requests[0].body["tools"]}
        assert "execute_command" in offered
        assert "read_file" not in offered, "it has no file tools of its own"
        (said,) = [each["message"] for each in await plane.events(ended, "NotProvided") if "file tools" in each["message"]]
        assert said.startswith("harness own-loop has no file tools")
        await leftovers.gone(ended, plane.data_dir)


async def test_a_run_is_cancelled_whatever_its_program(site: Path, open_plane: OpenPlane, model: OpenAIServer) -> None:
    never = threading.Event()
    model.script = turns(Answer("Half of", until=never.is_set))
    async with open_plane() as plane:
        await furnish(plane, model, harness="own-loop")
        run = await plane.run("wait")
        await model.until_requested(1, timeout=20)
        await plane.cancel(run)
        ended = await plane.ended(run)
        assert (phase_of(ended), status_of(ended)["reason"]) == ("Cancelled", "Cancelled")


async def test_a_program_that_begins_again_is_answered_from_the_record(
    site: Path, open_plane: OpenPlane, model: OpenAIServer
) -> None:
    """It knows nothing of attempts: what finished before the first one died is neither asked nor done twice."""
    go_on = threading.Event()
    model.script = turns(
        Answer("", (command("echo one >> lines; cat lines"),)), Answer("I have looked at it.", until=go_on.is_set)
    )
    async with open_plane() as plane:
        await furnish(plane, model, harness="own-loop")
        run = await plane.run("count", limits={"maxTurns": 2})
        await model.until_requested(2, timeout=20)
        await _kill_the_agent(plane, run)
        go_on.set()
        ended = await plane.ended(run, within=30)
        status = status_of(ended)
        assert (phase_of(ended), status["result"], status["attempt"]) == ("Succeeded", "I have looked at it.", 2)
        assert asked(model)[0] == 1
        assert results(model.requests[-1])[0].split() == ["one"]
        assert len(await plane.journal(run, "tool.requested")) == 1


async def test_bounds_hold_for_a_program_that_knows_none(site: Path, open_plane: OpenPlane, model: OpenAIServer) -> None:
    file = site / "sympozium_harness_own_loop" / "agent.py"
    source = file.read_text()
    for bound in ('self.limits.get("maxTurns", 50)', 'self.limits.get("maxToolCalls", 200)'):
        assert bound in source
        source = source.replace(bound, "1000")
    file.write_text(source)
    model.script = turns(*[Answer("", (command("echo one >> lines; cat lines"),))] * 5, Answer("Done."))
    async with open_plane() as plane:
        await furnish(plane, model, harness="own-loop")
        ended = await plane.ended(await plane.run("go on", limits={"maxTurns": 2}))
        assert (phase_of(ended), status_of(ended)["reason"]) == ("Failed", "BudgetExceeded"), status_of(ended)
        assert "maxTurns" in status_of(ended)["message"]
        assert len(model.requests) == 2
        ended = await plane.ended(await plane.run("call", limits={"maxToolCalls": 2}))
        assert phase_of(ended) == "Succeeded"
        assert [text.count("one") for text in results(model.requests[-1])][:2] == [1, 2]
        assert all("has made its 2 tool calls" in text for text in results(model.requests[-1])[2:])


async def _kill_the_agent(plane: Plane, run: dict[str, object]) -> None:
    now = await plane.now(run)
    for process in leftovers.of_run(now, "agent"):
        os.kill(process.pid, signal.SIGKILL)


@pytest.mark.parametrize(
    ("name", "because"),
    [
        ("none-such", "it is not installed; there are boxed, own-loop, runner"),
        ("boxed", "only as container image 'ghcr.io/acme/agent:1', which needs a cluster"),
    ],
)
async def test_one_that_cannot_be_had_here_is_refused(
    site: Path, open_plane: OpenPlane, model: OpenAIServer, name: str, because: str
) -> None:
    async with open_plane() as plane:
        await furnish(plane, model, harness=name)
        assert [warning for warning in plane.warnings if because in warning]
        with pytest.raises(Forbidden, match="harness") as refused:
            await plane.run("anything")
        assert because in str(refused.value)
