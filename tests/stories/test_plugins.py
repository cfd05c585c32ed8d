"""Small packages, installed as pip would leave them, change what a run may do."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sympozium_core.contracts.cluster import ApiError
from sympozium_core.testing.conversations import call, results, told, turns
from sympozium_core.testing.embedded import OpenPlane, furnish, phase_of, status_of
from sympozium_core.testing.packages import write_package
from sympozium_core.testing.servers.openai import OpenAIServer
from sympozium_core.testing.servers.script import Answer

Install = Callable[..., None]

GUARD = """
    from sympozium_core.errors import Cause
    from sympozium_core.hooks import PlanPatch, hookimpl

    @hookimpl
    def sympozium_review_run(run, instance):
        if "production" in run["spec"]["task"]:
            return [Cause("spec.task", "nothing touches production on a Friday", "wait for Monday")]

    @hookimpl
    def sympozium_patch_plan(plan):
        return PlanPatch(prompt_section="Always be polite.", deny_tools=("write_file",), limits={"max_turns": 2}, because="it is Friday")
"""
GATE = """
    from sympozium_core.hooks import Veto, hookimpl

    @hookimpl
    def sympozium_tool_call(call):
        if "secret" in str(call.arguments):
            return Veto("nobody looks at secrets")
"""
SKILL = """
    import sys
    from pathlib import Path
    from sympozium_core.contracts.skill import Skill

    class Greeting(Skill):
        name = ""

        def folder(self):
            return Path(__file__).parent / self.name

        def command(self):
            return (sys.executable, "-m", "greeting_server", self.name)

    class Formal(Greeting):
        name = "formal"

    class Casual(Greeting):
        name = "casual"
"""
PACK = """
apiVersion: sympozium.ai/v1alpha1
kind: SkillPack
metadata: {name: NAME}
spec:
  skills: [{name: NAME, description: greets, content: "# Greet"}]
  sidecar: {image: "example.com/greeting:1", mountWorkspace: true}
"""
SERVER = """
    import sys
    from sympozium_core.sidecar.definition import tool
    from sympozium_core.sidecar.server import Server

    NAME = sys.argv[1]

    @tool
    def greet(who: str) -> str:
        "Greets somebody."
        return {"formal": "Good day, ", "casual": "Hi "}[NAME] + who

    if __name__ == "__main__":
        Server(NAME, [greet]).serve()
"""


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Makes packages findable for this process and for those that it starts."""
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(tmp_path), os.environ.get("PYTHONPATH", "")])))
    before = set(sys.modules)

    def installed(distribution: str, modules: dict[str, str], entry_points: dict[str, dict[str, str]]) -> None:
        write_package(tmp_path, distribution, modules, entry_points)
        for name in entry_points.get("sympozium.skills", {}):
            (tmp_path / name).mkdir()
            (tmp_path / name / "skillpack.yaml").write_text(PACK.replace("NAME", name))

    yield installed
    for module in set(sys.modules) - before:
        if str(tmp_path) in str(getattr(sys.modules[module], "__file__", "")):
            del sys.modules[module]


async def test_a_hook_reviews_runs_and_patches_plans(install: Install, open_plane: OpenPlane, model: OpenAIServer) -> None:
    install("guard", {"guard_plugin": GUARD}, {"sympozium.hooks": {"guard": "guard_plugin"}})
    model.script = turns(*[Answer("", (call("write_file", path="/workspace/a", content="b"),))] * 5)
    async with open_plane() as plane:
        await furnish(plane, model)
        with pytest.raises(ApiError, match="nothing touches production on a Friday"):
            await plane.run("drop the production database")
        ended = await plane.ended(await plane.run("write a file"))
        assert (phase_of(ended), status_of(ended)["reason"]) == ("Failed", "BudgetExceeded"), "two turns, and no more"
        assert len(model.requests) == 2
        assert "Always be polite." in model.requests[0].body["messages"][0]["content"]
        offered = [tool["function"]["name"] for tool in model.requests[0].body["tools"]]
        assert "read_file" in offered
        assert "write_file" not in offered


@pytest.mark.parametrize("sandbox", ["process", "bubblewrap"])
async def test_a_hook_in_the_bridge_vetoes_a_call(install: Install, open_plane: OpenPlane, model: OpenAIServer) -> None:
    install("gate", {"gate_plugin": GATE}, {"sympozium.hooks.bridge": {"gate": "gate_plugin"}})
    model.script = turns(
        Answer("", (call("execute_command", command="cat secret"),)),
        Answer("", (call("execute_command", command="echo harmless"),)),
        Answer("done"),
    )
    async with open_plane() as plane:
        await furnish(plane, model)
        ended = await plane.ended(await plane.run("look"))
        assert phase_of(ended) == "Succeeded", status_of(ended)
        vetoed, allowed = results(model.requests[2])
        assert "nobody looks at secrets" in vetoed
        assert "harmless" in allowed
        denied = await plane.journal(ended, "tool.denied")
        assert ["nobody looks at secrets" in entry["because"] for entry in denied] == [True]
        assert len(await plane.journal(ended, "tool.requested")) == 1


@pytest.mark.parametrize("sandbox", ["process", "bubblewrap"])
async def test_two_skills_serve_one_name(install: Install, open_plane: OpenPlane, model: OpenAIServer) -> None:
    install(
        "greeting",
        {"greeting_skill": SKILL, "greeting_server": SERVER},
        {"sympozium.skills": {"formal": "greeting_skill:Formal", "casual": "greeting_skill:Casual"}},
    )
    model.script = turns(
        Answer("", (call("greet", who="Ada"), call("greet", who="Ada", target="casual"))),
        Answer("", (call("greet", who="Ada", target="nobody"),)),
        Answer("done"),
    )
    async with open_plane() as plane:
        await furnish(plane, model, skills=["formal", "casual"])
        ended = await plane.ended(await plane.run("greet Ada"))
        assert phase_of(ended) == "Succeeded", status_of(ended)
        assert results(model.requests[1]) == ["Good day, Ada", "Hi Ada"], "the first in skill order, and the one that is named"
        assert "formal" in told(model), "a wrong target is told what there is"
        started = (await plane.journal(ended, "started"))[0]
        assert started["conflicts"] == [{"tool": "greet", "servers": ["formal", "casual"], "chosen": "formal"}]
        ready = next(each for each in status_of(ended)["conditions"] if each["type"] == "ToolsReady")
        assert "greet is served by formal, casual" in ready["message"]


async def test_a_skill_that_does_not_come_up(install: Install, open_plane: OpenPlane, model: OpenAIServer) -> None:
    broken = "import sys\nprint('no such database', file=sys.stderr)\nsys.exit(3)"
    install(
        "greeting",
        {"greeting_skill": SKILL, "greeting_server": broken},
        {"sympozium.skills": {"formal": "greeting_skill:Formal"}},
    )
    model.script = turns(Answer("done without"))
    async with open_plane() as plane:
        await furnish(plane, model, skills=["formal"])
        ended = await plane.ended(await plane.run("greet Ada"), within=40)
        # It is tried anew like any pod that breaks; in the last attempt the run goes on without, and says so.
        assert phase_of(ended) == "Succeeded", status_of(ended)
        assert status_of(ended)["attempt"] == 3
        assert (await plane.journal(ended, "started"))[-1]["missing"] == ["formal"]
        ready = next(each for each in status_of(ended)["conditions"] if each["type"] == "ToolsReady")
        assert ready["status"] == "False"
        assert any("no such database" in message for message in await plane.told(ended, "Restarted"))


async def test_a_broken_hook_takes_nothing_down(install: Install, open_plane: OpenPlane, model: OpenAIServer) -> None:
    patch = """
        from sympozium_core.hooks import hookimpl

        @hookimpl
        def sympozium_patch_plan(plan):
            raise RuntimeError("broken as can be")
    """
    install("broken", {"broken_plugin": patch}, {"sympozium.hooks": {"broken": "broken_plugin", "gone": "not_there"}})
    model.script = turns(Answer("done"))
    async with open_plane() as plane:
        await furnish(plane, model)
        ended = await plane.ended(await plane.run("anything"))
        assert phase_of(ended) == "Succeeded"
        assert any("broken as can be" in message for message in await plane.told(ended, "PluginFailed"))
