"""A hostile program in the place of the runner, behind bubblewrap: whatever it tries, it gets no further than an honest one, and the record is true."""

from __future__ import annotations

import json
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from sympozium_core.processes import embedded
from sympozium_core.resources.kinds import AGENT_RUN
from sympozium_core.testing.embedded import OpenPlane, Plane, furnish, phase_of, status_of
from sympozium_core.testing.servers.openai import OpenAIServer
from sympozium_core.testing.servers.script import Answer, Conversation, Script
from tests.redteam.policy import CALLS, ONLY, POLICY, TOLD, TURNS, WORDS, through
from tests.stories.conftest import data_dir, model, open_plane  # noqa: F401

START = """
import json, sys, types
package = types.ModuleType("tests.redteam")
sys.modules |= {"tests": types.ModuleType("tests"), "tests.redteam": package}
for name, text in json.loads(sys.argv[1]).items():
    module = types.ModuleType(name)
    exec(compile(text, name, "exec"), module.__dict__)
    setattr(package, name, module)
package.agent.main()
"""
"""The files of these tests are not to be seen in the sandbox, so that their texts are its arguments."""
PROGRAMS = {
    name: Path(__file__).with_name(f"{name}.py").read_text(encoding="utf-8") for name in ("container", "protocol", "agent")
}


@pytest.fixture
def sandbox() -> str:
    return "bubblewrap"


@pytest.fixture
def hostile(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every run's agent is the hostile program."""
    monkeypatch.setitem(embedded.COMMANDS, "agent", (sys.executable, "-I", "-c", START, json.dumps(PROGRAMS)))


@contextmanager
def listening() -> Iterator[tuple[int, str]]:
    """A port of this machine's loopback, and an abstract socket: both there for everybody who shares its network namespace."""
    with socket.create_server(("127.0.0.1", 0)) as port, socket.socket(socket.AF_UNIX) as abstract:
        name = f"sympozium-redteam-{os.getpid()}"
        abstract.bind(f"\0{name}")
        abstract.listen()
        yield port.getsockname()[1], name


def told(port: int, abstract: str, data_dir: Path, model: OpenAIServer) -> dict[str, Any]:  # noqa: F811
    places = [str(data_dir), str(data_dir / "store.db"), "/var/run/docker.sock", "/run/containerd", "/etc/shadow", "/home"]
    return {
        "targets": {
            "a port of this machine": ["127.0.0.1", port, "tcp"],
            "an outside address": ["198.51.100.2", 80, "tcp"],
            "the metadata address": ["169.254.169.254", 80, "tcp"],
            "DNS outside": ["198.51.100.2", 53, "udp"],
        },
        "abstract": [abstract],
        "needles": [model.key[::-1]],
        "absent": places,
        "others": ["sympozium_core.bridge", "sympozium_skill", "pytest"],
        **TOLD,
        "port": model.port,
    }


async def attacked(plane: Plane, model: OpenAIServer, data_dir: Path) -> tuple[dict[str, str], dict[str, Any]]:  # noqa: F811
    """What came of each attempt, and the run as it ended."""
    model.script = Script((Conversation((Answer("Hello."),)),))
    await plane.apply(POLICY)
    await furnish(plane, model, policy="watchful")
    with listening() as (port, abstract):
        task = json.dumps(told(port, abstract, data_dir, model))
        ended = await plane.ended(await plane.run(task), within=100)
    assert phase_of(ended) == "Succeeded", status_of(ended)
    found: dict[str, str] = json.loads(status_of(ended)["result"])
    return found, ended


@pytest.mark.timeout(120)
async def test_a_hostile_runner_gets_no_further_than_an_honest_one(
    open_plane: OpenPlane,  # noqa: F811
    model: OpenAIServer,  # noqa: F811
    data_dir: Path,  # noqa: F811
    hostile: None,
) -> None:
    async with open_plane() as plane:
        found, ended = await attacked(plane, model, data_dir)
        journal = await plane.journal(ended)
        runs = await plane.client.list(AGENT_RUN, plane.namespace)
    assert not through(found)
    assert len(found) >= 100, len(found)

    requested = [entry for entry in journal if entry["type"] == "tool.requested"]
    denied = {entry["call"] for entry in journal if entry["type"] == "tool.denied"}
    assert {entry["tool"] for entry in requested} == {"execute_command", "fetch_url"}
    waited = {entry["call"]: entry["approval"] for entry in journal if entry["type"] == "tool.waiting"}
    assert len(waited) == 2
    assert not {entry["call"] for entry in requested} & waited.keys()
    assert {entry["approval"] for entry in journal if entry["type"] == "tool.denied" and entry["call"] in waited} == {
        "withdrawn"
    }
    assert not [entry for entry in journal if entry["type"] == "fetch.answer" and "status" in entry]
    assert len({entry["call"] for entry in requested}) == len(requested) <= CALLS, "each call once, and no more than allowed"
    assert not {entry["call"] for entry in requested} & denied
    assert "forged-result" not in str(journal), "its own word for a result is nowhere"
    results = [entry for entry in journal if entry["type"] == "result"]
    assert [entry["source"] for entry in results] == ["pod"]
    assert "changed my mind" not in str(journal)
    assert len([entry for entry in journal if entry["type"] == "problem"]) <= 200

    answers = [entry for entry in journal if entry["type"] == "model.answer"]
    assert {entry["source"] for entry in answers} == {"gw"}
    assert len(answers) <= TURNS
    assert {request.body["model"] for request in model.requests} == {model.model}, "the model of the instance and no other"
    usage = status_of(ended)["tokenUsage"]
    counted = sum(entry["usage"]["totalTokens"] for entry in answers)
    assert usage["totalTokens"] == counted, "what it claims of itself is not counted"
    assert [run["metadata"]["uid"] for run in runs.items] == [ended["metadata"]["uid"]]


@pytest.mark.timeout(120)
async def test_a_condition_on_words_is_not_passed_by_more_of_them(
    open_plane: OpenPlane,  # noqa: F811
    model: OpenAIServer,  # noqa: F811
    hostile: None,
) -> None:
    async with open_plane() as plane:
        await plane.apply(WORDS)
        await furnish(plane, model, policy=WORDS["metadata"]["name"])
        ended = await plane.ended(await plane.run(json.dumps({**TOLD, "needles": [], "only": ONLY})), within=100)
    assert phase_of(ended) == "Succeeded", status_of(ended)
    found: dict[str, str] = json.loads(status_of(ended)["result"])
    assert not through(found)
    assert len(found) > 20
