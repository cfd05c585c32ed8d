"""What holds for every skill package of this repository: names, versions, images, rights; and that its instructions speak of tools that there are."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from importlib.metadata import entry_points, version
from pathlib import Path
from typing import Any

import pytest

from sympozium_core.contracts.skill import Skill
from sympozium_core.names import NATIVE_TOOLS, Tool
from sympozium_core.resources.skill_folder import read_skill_folder
from sympozium_core.sidecar.interpreter import python_command
from sympozium_core.testing.tool_client import ToolClient

ROOT = Path(__file__).parents[2]
THE_CORES_OWN = "mcp"
"""A tool server that the core attaches itself, for an instance's MCP servers."""
POINTS = sorted(
    (each for each in entry_points(group="sympozium.skills") if each.name != THE_CORES_OWN), key=lambda each: each.name
)
FEW = 12
"""Tools of one skill: a model chooses badly among many."""
EVERYWHERE = {*NATIVE_TOOLS, Tool.EXECUTE_COMMAND, Tool.FETCH_URL}
GIVING = {
    "secrets",
    "serviceaccounts/token",
    "roles",
    "rolebindings",
    "clusterroles",
    "clusterrolebindings",
    "nodes/proxy",
    "pods/attach",
}
"""What would be more than a skill's own rights, or somebody else's secrets."""


@pytest.fixture(params=POINTS, ids=lambda point: point.name)
def skill(request: pytest.FixtureRequest) -> tuple[str, Skill]:
    return request.param.name, request.param.load()()


@pytest.fixture
def pack(skill: tuple[str, Skill]) -> Mapping[str, Any]:
    return read_skill_folder(skill[1].folder())


def sidecar_of(pack: Mapping[str, Any]) -> Mapping[str, Any]:
    found: Mapping[str, Any] = pack["spec"].get("sidecar") or {}
    return found


def single_rights(pack: Mapping[str, Any], field: str) -> Iterator[tuple[str, str]]:
    for rule in sidecar_of(pack).get(field) or ():
        yield from ((verb, resource) for verb in rule["verbs"] for resource in rule["resources"])


def test_name_version_and_image_are_those_of_the_package(skill: tuple[str, Skill], pack: Mapping[str, Any]) -> None:
    name, loaded = skill
    own = version(f"sympozium-skill-{name}")
    assert (pack["metadata"]["name"], pack["spec"]["version"]) == (name, own)
    assert pack["metadata"]["labels"]["sympozium.ai/builtin"] == "true"
    assert bool(loaded.module()) == bool(sidecar_of(pack))
    if image := sidecar_of(pack).get("image"):
        stem, _, tag = image.removeprefix("sympozium/").partition(":")
        assert tag == own
        assert (ROOT / "deploy/images" / stem / "Containerfile").is_file(), f"there is no image {stem}"


def test_no_skill_reads_secrets_or_gives_rights(pack: Mapping[str, Any]) -> None:
    for field in ("rbac", "clusterRBAC"):
        for verb, resource in single_rights(pack, field):
            assert "*" not in verb + resource
            assert resource not in GIVING
            assert verb not in ("impersonate", "bind", "escalate", "use")
    assert {verb for verb, _ in single_rights(pack, "clusterRBAC")} <= {"get", "list", "watch"}, (
        "the whole cluster is only read"
    )
    assert not sidecar_of(pack).get("hostAccess")


def test_tools_are_few_and_described(skill: tuple[str, Skill], tmp_path: Path) -> None:
    name, loaded = skill
    if not loaded.module():
        return
    with ToolClient(tmp_path / "pod", name, python_command(loaded.module()), SYMPOZIUM_SKILL_PACK=name) as server:
        tools = server.manifest().tools
    assert 0 < len(tools) <= FEW
    for tool in tools:
        assert 20 < len(tool.description) < 400, f"{tool.name}: {tool.description}"
        for parameter, schema in tool.parameters["properties"].items():
            assert schema.get("description"), f"{tool.name}: {parameter} is not described"


def test_instructions_are_short_and_speak_of_tools_that_there_are(
    skill: tuple[str, Skill], pack: Mapping[str, Any], tmp_path: Path
) -> None:
    name, loaded = skill
    there: set[str] = set(EVERYWHERE)
    if loaded.module():
        with ToolClient(tmp_path / "pod", name, python_command(loaded.module()), SYMPOZIUM_SKILL_PACK=name) as server:
            there |= {str(tool.name) for tool in server.manifest().tools}
    assert pack["spec"]["skills"]
    for text in pack["spec"]["skills"]:
        said = text["content"].partition("\n---\n")[2]
        announced = set((text.get("requires") or {}).get("tools") or ())
        assert announced <= there, f"{text['name']} announces tools that there are not"
        calls = set(re.findall(r"`([a-z][a-z0-9]*(?:_[a-z0-9]+)+)`", said))
        assert calls <= there | {"gpu_memory"}, f"{text['name']} speaks of tools that there are not"
        assert 40 < len(text["description"]) < 300
        assert len(said.split()) < 500, f"{text['name']} is long"


@pytest.mark.parametrize("point", entry_points(group="sympozium.skills"), ids=lambda point: point.name)
def test_an_image_of_ours_that_a_pack_names_can_be_built(point: Any) -> None:
    sidecar = read_skill_folder(point.load()().folder())["spec"].get("sidecar") or {}
    ours = re.fullmatch(r"sympozium/([a-z0-9-]+):\S+", sidecar.get("image") or "")
    assert ours is None or (ROOT / "deploy/images" / ours[1] / "Containerfile").is_file(), sidecar["image"]
