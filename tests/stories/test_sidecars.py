"""Sidecars as they come: many at once, and broken in every way that a sidecar can be. A run goes on, and says what was wrong."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sympozium_core.resources.kinds import SYMPOZIUM_INSTANCE
from sympozium_core.testing.conversations import call, results, told, turns
from sympozium_core.testing.embedded import OpenPlane, furnish, phase_of, status_of
from sympozium_core.testing.packages import write_package
from sympozium_core.testing.servers.openai import OpenAIServer
from sympozium_core.testing.servers.script import Answer

SKILL = """
    import sys
    from pathlib import Path
    from sympozium_core.contracts.skill import Skill

    class Any(Skill):
        def folder(self):
            return Path(__file__).parent / f"folder-{NAME}"

        def command(self):
            return (sys.executable, "-m", f"server_{NAME}")
"""
PACK = "apiVersion: sympozium.ai/v1alpha1\nkind: SkillPack\nmetadata: {name: NAME}\nspec: {sidecar: {mountWorkspace: false}}\n"
GOOD = """
    from sympozium_core.sidecar import Server, tool

    @tool(name="ask_NAME")
    def ask(what: str) -> str:
        "Answers."
        return "NAME says " + what

    Server("NAME", [ask]).serve()
"""
BY_HAND = """
    import json, os, time
    from pathlib import Path

    here = Path(os.environ["SYMPOZIUM_IPC"]) / "tools" / "NAME"
    (here / "results").mkdir(parents=True, exist_ok=True)

    def put(path, text):
        (here / path).with_name(".new").write_text(text)
        os.rename((here / path).with_name(".new"), here / path)

    tool = {"name": "ask_NAME", "description": "Answers.", "parameters": {"type": "object"}}
    put("manifest.json", json.dumps({"version": 1, "server": "NAME", "tools": [tool]}))
    while True:
        for file in (here / "requests").glob("[!.]*.json"):
            answer(file.stem)
        time.sleep(0.02)
"""
BROKEN = {
    "mute": "import time\ntime.sleep(600)\n",
    "stillborn": "raise SystemExit(3)\n",
    "deaf": BY_HAND.replace("answer(file.stem)", "pass"),
    "garbled": BY_HAND.replace("answer(file.stem)", "put(f'results/{file.stem}.json', '{')"),
    "liar": BY_HAND.replace("answer(file.stem)", "put(f'results/{file.stem}.json', json.dumps({'id': 'other', 'status': 'ok', 'content': ''}))"),
    "flood": BY_HAND.replace("answer(file.stem)", "put(f'results/{file.stem}.json', json.dumps({'id': file.stem, 'status': 'ok', 'content': 'x' * 50_000_000}))"),
}  # fmt: skip
FRAGILE = BY_HAND.replace("answer(file.stem)", "os._exit(9)")
Install = Callable[[str, str], None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Makes a skill of that name with that server findable for this process and for those that it starts."""
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(tmp_path), os.environ.get("PYTHONPATH", "")])))

    def installed(name: str, server: str) -> None:
        modules = {f"skill_{name}": f"    NAME = {name!r}\n{SKILL}", f"server_{name}": server.replace("NAME", name)}
        write_package(tmp_path, f"acme-{name}", modules, {"sympozium.skills": {name: f"skill_{name}:Any"}})
        (tmp_path / f"folder-{name}").mkdir()
        (tmp_path / f"folder-{name}" / "skillpack.yaml").write_text(PACK.replace("NAME", name))

    yield installed
    for module in [each for each in sys.modules if each.startswith(("skill_", "server_"))]:
        del sys.modules[module]


async def test_broken_sidecars_harm_neither_the_run_nor_each_other(
    install: Install, open_plane: OpenPlane, model: OpenAIServer
) -> None:
    for name, server in BROKEN.items():
        install(name, server)
    install("good", GOOD)
    asked = ["deaf", "garbled", "liar", "flood", "good"]
    calls = (*(call(f"ask_{name}", what="it", timeout=1) for name in asked[:-1]), call("ask_good", what="it"))
    model.script = turns(Answer("", calls), Answer("done"))
    async with open_plane() as plane:
        await furnish(plane, model, skills=[*BROKEN, "good"])
        ended = await plane.ended(await plane.run("ask them"), within=60)
        assert phase_of(ended) == "Succeeded", status_of(ended)
        answers = dict(zip(asked, results(model.requests[1]), strict=True))
        assert answers["good"] == "good says it"
        assert "did not answer by the deadline" in answers["deaf"]
        assert "its result was refused" in answers["garbled"]
        assert "names another call" in answers["liar"]
        assert "its result was refused" in answers["flood"]
        assert len(told(model)) < 100_000
        started = (await plane.journal(ended, "started"))[0]
        assert sorted(started["missing"]) == ["mute", "stillborn"]


async def test_a_sidecar_that_dies_in_a_call_costs_an_attempt_and_its_call_is_not_repeated(
    install: Install, open_plane: OpenPlane, model: OpenAIServer
) -> None:
    install("fragile", FRAGILE)
    model.script = turns(Answer("", (call("ask_fragile", what="it"),)), Answer("done"))
    async with open_plane() as plane:
        await furnish(plane, model, skills=["fragile"])
        ended = await plane.ended(await plane.run("ask it"), within=60)
        assert (phase_of(ended), status_of(ended)["attempt"]) == ("Succeeded", 2), status_of(ended)
        assert len(await plane.journal(ended, "tool.requested")) == 1
        assert "unknown" in results(model.requests[1])[0]


@pytest.mark.parametrize("sandbox", ["process", "bubblewrap"])
async def test_twenty_skills_on_one_run(install: Install, open_plane: OpenPlane, model: OpenAIServer) -> None:
    names = [f"s{number}" for number in range(20)]
    for name in names:
        install(name, GOOD)
    model.script = turns(Answer("", tuple(call(f"ask_{name}", what="it") for name in names)), Answer("done"))
    async with open_plane() as plane:
        await furnish(plane, model, skills=names)
        ended = await plane.ended(await plane.run("ask all of them"), within=60)
        assert phase_of(ended) == "Succeeded", status_of(ended)
        assert results(model.requests[1]) == [f"{name} says it" for name in names]
        assert (await plane.journal(ended, "started"))[0]["missing"] == []


async def test_a_skill_is_switched_on_by_a_patch_of_the_instance(
    install: Install, open_plane: OpenPlane, model: OpenAIServer
) -> None:
    """As the seeds do it: ``kubectl patch sympoziuminstance … -p '{"spec":{"skills":[{"skillPackRef":"one"},…]}}'``."""
    for name in ("one", "two"):
        install(name, GOOD)
    model.script = turns(Answer("done"), Answer("done"))
    async with open_plane() as plane:
        await furnish(plane, model, skills=["one"])
        await plane.ended(await plane.run("first"))
        patch = {"spec": {"skills": [{"skillPackRef": "one"}, {"skillPackRef": "two"}]}}
        await plane.client.patch(SYMPOZIUM_INSTANCE, plane.namespace, "agent", patch)
        await plane.ended(await plane.run("second"))
        offered = [{tool["function"]["name"] for tool in request.body["tools"]} for request in model.requests]
        assert [{"ask_one", "ask_two"} & names for names in offered] == [{"ask_one"}, {"ask_one", "ask_two"}]
