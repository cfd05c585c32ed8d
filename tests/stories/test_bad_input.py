"""What a user can get wrong at the command line, and sizes that nobody should send: typed errors, with a place and an advice."""

from __future__ import annotations

from pathlib import Path

import pytest

from sympozium_core.testing.conversations import command, results, turns
from sympozium_core.testing.embedded import Plane, phase_of, status_of, sympozium
from sympozium_core.testing.servers.openai import OpenAIServer
from sympozium_core.testing.servers.script import Answer

INVALID = 4
MANIFESTS = {
    "bad YAML": ("kind: [unclosed\nmetadata: {}", "is not YAML: line"),
    "no object": ("just words", "is not an object"),
    "no kind": ("metadata: {name: a}", "no apiVersion or no kind"),
    "unknown kind": ("apiVersion: sympozium.ai/v1alpha1\nkind: AgentRunn\nmetadata: {name: a}", "AgentRun"),
    "unknown field": (
        "apiVersion: sympozium.ai/v1alpha1\nkind: AgentRun\nmetadata: {name: a}\nspec: {instanceRef: agent, input: x, timeuot: 5m}",
        "timeout",
    ),
    "bad value": (
        "apiVersion: sympozium.ai/v1alpha1\nkind: AgentRun\nmetadata: {name: a}\nspec: {instanceRef: agent, input: x, timeout: soon}",
        "spec.timeout",
    ),
    "nothing to do": (
        "apiVersion: sympozium.ai/v1alpha1\nkind: AgentRun\nmetadata: {name: a}\nspec: {instanceRef: agent}",
        "spec.task",
    ),
}


@pytest.mark.parametrize("what", MANIFESTS)
async def test_apply_refuses(plane: Plane, data_dir: Path, what: str) -> None:
    text, said = MANIFESTS[what]
    code, out, err = await sympozium("apply", "-f", "-", data_dir=data_dir, text=text)
    assert (code, out) == (INVALID, ""), err
    assert said in err
    assert "Traceback" not in err


async def test_run_for_an_instance_that_is_not_there(plane: Plane, data_dir: Path) -> None:
    code, out, err = await sympozium("run", "anything", "--instance", "nobody", data_dir=data_dir)
    assert code == 5
    assert out == ""
    assert "nobody" in err
    assert "instances list" in err


@pytest.mark.parametrize("sandbox", ["process", "bubblewrap"])
async def test_a_tool_that_says_ten_megabytes(plane: Plane, model: OpenAIServer, data_dir: Path) -> None:
    model.script = turns(
        Answer("", (command("head -c 10000000 /dev/zero | tr '\\0' x; echo the-end"),)),
        Answer("", (command("yes y | head -c 5000000 >&2; exit 3"),)),
        Answer("That was long."),
    )
    ended = await plane.ended(await plane.run("be loud"), within=30)
    assert phase_of(ended) == "Succeeded", status_of(ended)
    first, second = results(model.requests[-1])
    assert len(first) < 20_000
    assert "the-end" in first, "the end of long output is what matters most"
    assert "3" in second
    assert all(entry["truncated"] for entry in await plane.journal(ended, "tool.result"))


async def test_an_answer_that_is_long(plane: Plane, model: OpenAIServer) -> None:
    long = "word " * 20_000
    model.script = turns(Answer(long))
    ended = await plane.ended(await plane.run("say much"), within=30)
    status = status_of(ended)
    assert phase_of(ended) == "Succeeded", status
    assert status["resultSize"] == len(long.rstrip()) or status["resultSize"] == len(long)
    assert long.startswith(status["result"])
    assert len(status["result"]) <= 64 * 1024
    assert status["resultArtifact"]
