"""Skills whose tool servers are no Python module: a program of the package's folder, and commands that the package declares."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sympozium_core.testing.conversations import call, results, turns
from sympozium_core.testing.embedded import OpenPlane, furnish, phase_of, status_of
from sympozium_core.testing.packages import write_package
from sympozium_core.testing.servers.openai import OpenAIServer
from sympozium_core.testing.servers.script import Answer

SKILL = """
    from pathlib import Path
    from sympozium_core.contracts.skill import Skill

    class Counting(Skill):
        def folder(self):
            return Path(__file__).parent / "counting"
"""
PACK = """
apiVersion: sympozium.ai/v1alpha1
kind: SkillPack
metadata: {name: counting}
spec:
  skills: [{name: counting, description: counts, content: "# Count"}]
  sidecar:
    image: example.com/counting:1
"""
PROGRAM = "    command: [python3, ./server.py]\n"
SERVER = """
import time
from sympozium_core.sidecar import Call, Server, tool

@tool
def count(text: str, call: Call) -> int:
    "Counts words."
    for number in range(8):
        call.say(f"looked {number} times\\n")
        time.sleep(0.1)
    return len(text.split())

Server("counting", [count]).serve()
"""
DECLARED = """
    tools:
    - name: count
      description: Counts words.
      exec: [./count.sh]
      positionalArgs: [text]
      parameters: {type: object, properties: {text: {type: string}}, required: [text]}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An installed package whose skill folder the test fills."""
    site = tmp_path / "site"
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(site), os.environ.get("PYTHONPATH", "")])))
    write_package(site, "counting", {"counting_skill": SKILL}, {"sympozium.skills": {"counting": "counting_skill:Counting"}})
    (site / "counting").mkdir()
    yield site / "counting"
    sys.modules.pop("counting_skill", None)


@pytest.mark.parametrize("sandbox", ["process", "bubblewrap"])
async def test_a_program_of_the_folder_serves_and_is_heard_meanwhile(
    folder: Path, open_plane: OpenPlane, model: OpenAIServer
) -> None:
    (folder / "skillpack.yaml").write_text(PACK + PROGRAM)
    (folder / "server.py").write_text(SERVER)
    model.script = turns(Answer("", (call("count", text="to be or not"),)), Answer("4 words"))
    async with open_plane() as plane:
        await furnish(plane, model, skills=["counting"])
        ended = await plane.ended(await plane.run("count"))
        assert phase_of(ended) == "Succeeded", status_of(ended)
        assert results(model.requests[1]) == ["4"]
        said = [event for entry in await plane.journal(ended, "progress") for event in entry["events"]]
        output = [event for event in said if event["type"] == "tool.output"]
        assert output, said
        assert output[0]["server"] == "counting"
        assert "looked 0 times" in output[0]["text"]


@pytest.mark.parametrize("sandbox", ["process", "bubblewrap"])
async def test_declared_commands_are_served(folder: Path, open_plane: OpenPlane, model: OpenAIServer) -> None:
    (folder / "skillpack.yaml").write_text(PACK + DECLARED)
    (folder / "count.sh").write_text('#!/bin/sh\n[ "$1" = -- ] && echo "$2" | wc -w\n')
    (folder / "count.sh").chmod(0o755)
    model.script = turns(Answer("", (call("count", text="--help me; id"),)), Answer("done"))
    async with open_plane() as plane:
        await furnish(plane, model, skills=["counting"])
        ended = await plane.ended(await plane.run("count"))
        assert phase_of(ended) == "Succeeded", status_of(ended)
        assert results(model.requests[1])[0].split() == ["3"]


@pytest.mark.parametrize("sandbox", ["process"])
async def test_a_program_that_is_not_there_is_named(folder: Path, open_plane: OpenPlane, model: OpenAIServer) -> None:
    (folder / "skillpack.yaml").write_text(PACK + PROGRAM)
    async with open_plane() as plane:
        await furnish(plane, model, skills=["counting"])
        ended = await plane.ended(await plane.run("count"))
        assert phase_of(ended) == "Failed"
        assert "spec.sidecar.command: './server.py' is no file of" in status_of(ended)["message"]
