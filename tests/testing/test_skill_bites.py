"""The suite of skills passes a sound one, and each of its checks finds one that is broken; so does ``sympozium skills lint``."""

from __future__ import annotations

import json
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import pytest
import yaml

from sympozium_core.contracts.skill import Skill
from sympozium_core.errors import SympoziumError
from sympozium_core.resources.load import problems
from sympozium_core.resources.skill_calls import AskedCall
from sympozium_core.resources.skill_lint import RULES, lint
from sympozium_core.testing.skill import SkillContract, SkillServerContract
from sympozium_core.testing.tool_server import ToolServerContract
from sympozium_core.testing.tool_server_bench import ServerBench
from tests.testing.plain_probes import PROBES, SERVER

PACK: dict[str, Any] = {
    "apiVersion": "sympozium.ai/v1alpha1",
    "kind": "SkillPack",
    "metadata": {"name": "plain"},
    "spec": {
        "sidecar": {
            "image": "example.com/plain:1",
            "command": [sys.executable, "-S", "-E", "./server.py", "plain"],
            "rbac": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}],
        }
    },
}
INSTRUCTIONS = """---
name: plain
description: How to give a text back, and when that is of use.
allowed-tools: echo
---
# Plain

Use `echo` as [the notes](references/notes.md) say.
"""


def write(folder: Path) -> None:
    """A sound skill."""
    skill = folder / "skills" / "plain"
    (skill / "references").mkdir(parents=True)
    (skill / "scripts").mkdir()
    (folder / "skillpack.yaml").write_text(yaml.safe_dump(PACK))
    (skill / "SKILL.md").write_text(INSTRUCTIONS)
    (skill / "references" / "notes.md").write_text("Notes.\n")
    (skill / "scripts" / "run.sh").write_text("#!/bin/sh\n")
    shutil.copy(SERVER, folder / "server.py")


def pack(change: Callable[[dict[str, Any]], None]) -> Callable[[Path], object]:
    def breaks(folder: Path) -> None:
        data = json.loads(json.dumps(PACK))
        change(data)
        (folder / "skillpack.yaml").write_text(yaml.safe_dump(data))

    return breaks


def sidecar(**fields: Any) -> Callable[[Path], object]:
    return pack(lambda data: data["spec"]["sidecar"].update(fields))


def instructions(old: str, new: str) -> Callable[[Path], object]:
    def breaks(folder: Path) -> None:
        (folder / "skills/plain/SKILL.md").write_text(INSTRUCTIONS.replace(old, new))

    return breaks


def tool(**fields: Any) -> dict[str, Any]:
    return {"name": "say_it", "description": "Says it.", "exec": ["echo"], **fields}


def nothing(folder: Path) -> None:
    shutil.rmtree(folder / "skills")
    pack(lambda data: data["spec"].clear())(folder)


FOLDER_BREAKS: dict[str, tuple[Callable[[Path], object], str]] = {
    "no-yaml": (lambda folder: (folder / "skillpack.yaml").write_text("a: ["), "it_can_be_read"),
    "typo": (sidecar(mountWorkspce=True), "it_can_be_read"),
    "no-front-matter": (instructions("---\n", ""), "it_can_be_read"),
    "same-tool-twice": (sidecar(tools=[tool(), tool()]), "it_can_be_read"),
    "schema-of-no-object": (sidecar(tools=[tool(parameters={"type": "string"})]), "it_can_be_read"),
    "argument-of-no-type": (sidecar(tools=[tool(parameters={"properties": {"a": {"type": "text"}}})]), "it_can_be_read"),
    "requires-unknown": (sidecar(tools=[tool(parameters={"properties": {}, "required": ["a"]})]), "it_can_be_read"),
    "unknown-position": (sidecar(tools=[tool(positionalArgs=["a"])]), "it_can_be_read"),
    "other-name": (pack(lambda data: data["metadata"].update(name="other")), "its_name_is_the_entry_points_and_can_name_a_container"),
    "core-name": (pack(lambda data: data["metadata"].update(name="native")), "its_name_is_the_entry_points_and_can_name_a_container"),
    "long-name": (pack(lambda data: data["metadata"].update(name="x" * 60)), "its_name_is_the_entry_points_and_can_name_a_container"),
    "namespace": (pack(lambda data: data["metadata"].update(namespace="mine")), "it_is_of_no_namespace"),
    "nothing": (nothing, "it_has_instructions_or_tools"),
    "no-instructions": (lambda folder: shutil.rmtree(folder / "skills"), "it_has_instructions_or_tools"),
    "no-description": (pack(lambda data: data["spec"].update(skills=[{"name": "more", "content": "# More"}])), "each_skill_is_described"),
    "short-description": (instructions("How to give a text back, and when that is of use.", "Echoes."), "each_skill_is_described"),
    "unknown-front-matter": (instructions("allowed-tools:", "allowed_tools:"), "front_matter_is_that_of_the_format"),
    "folder-of-another-name": (instructions("name: plain", "name: other"), "front_matter_is_that_of_the_format"),
    "long": (instructions("# Plain", "# Plain\n" + "words " * 4_000), "instructions_can_be_read_at_once"),
    "dead-link": (instructions("references/notes.md", "references/none.md"), "files_that_instructions_link_to_are_there"),
    "link-out": (instructions("references/notes.md", "../../skillpack.yaml"), "files_that_instructions_link_to_are_there"),
    "no-program": (lambda folder: (folder / "skills/plain/scripts/run.sh").write_text("echo\n"), "scripts_can_be_run"),
    "no-server": (lambda folder: (folder / "server.py").unlink(), "commands_of_the_folder_are_there"),
    "server-outside": (sidecar(command=["sh", "./../server.sh"]), "commands_of_the_folder_are_there"),
    "not-executable": (sidecar(command=["./server.py"]), "commands_of_the_folder_are_there"),
    "latest": (sidecar(image="example.com/plain"), "the_image_stays_the_same"),
    "all-rights": (sidecar(rbac=[{"apiGroups": [""], "resources": ["*"], "verbs": ["get"]}]), "rights_are_no_wider_than_they_say"),
    "secrets": (sidecar(clusterRBAC=[{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}]), "rights_are_no_wider_than_they_say"),
    "host": (sidecar(hostAccess={"hostPID": True}), "the_node_is_left_alone"),
    "core-variable": (sidecar(env=[{"name": "SYMPOZIUM_IPC", "value": "/x"}]), "variables_are_its_own"),
    "core-tool": (sidecar(tools=[tool(name="read_file")]), "declared_tools_have_names_of_their_own"),
    "no-word-on-an-argument": (
        sidecar(tools=[tool(parameters={"properties": {"a": {"type": "string"}}})]),
        "declared_parameters_are_described",
    ),
}  # fmt: skip
"""How a folder is broken, and the rule that finds it."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "plain"
    write(made)
    return made


def test_a_sound_folder_has_nothing_to_be_said_of_it(folder: Path) -> None:
    assert [str(each) for each in lint(folder, name="plain", served=frozenset({"echo"}))] == []


@pytest.mark.parametrize("way", FOLDER_BREAKS)
def test_lint_finds_a_broken_folder(way: str, folder: Path) -> None:
    breaks, rule = FOLDER_BREAKS[way]
    breaks(folder)
    found = lint(folder, name="plain")
    assert rule in {each.rule for each in found}
    assert all(each.cause.field and each.cause.message and each.cause.hint for each in found if each.rule == rule), found


def test_lint_finds_tools_that_are_not_there(folder: Path) -> None:
    instructions("Use `echo`", "Use `echo_text` and `read_files`")(folder)
    assert not [each for each in lint(folder) if each.level == "error"], "nobody has asked the server"
    found = [each.cause.message for each in lint(folder, served=frozenset({"echo_texts"})) if each.level == "error"]
    assert found == ["speaks of 'echo_text', which is no tool", "speaks of 'read_files', which is no tool"]


def test_what_is_wrong_with_a_declared_tool_is_named_when_it_is_applied() -> None:
    parameters = {"type": "object", "properties": {"path": {"type": "file"}}, "required": ["deep"]}
    declared = [tool(parameters=parameters, positionalArgs=["path"]), tool(name="other", positionalArgs=["path"])]
    named = {**PACK, "spec": {"skills": [], "sidecar": {"image": "example.com/plain:1", "tools": declared}}}
    assert {cause.field for cause in problems(named)} == {
        "spec.sidecar.tools[0].parameters.properties.path.type",
        "spec.sidecar.tools[1].positionalArgs[0]",
    }


def test_every_rule_has_a_folder_that_breaks_it() -> None:
    found = {rule for _, rule in FOLDER_BREAKS.values()} | {"tools_that_instructions_speak_of_exist"}
    assert sorted(set(RULES) - found) == []


class PlainSkill(Skill):
    """Of the folder `place`, which the test sets."""

    place: ClassVar[Path]

    def folder(self) -> Path:
        return self.place


def suite(folder: Path, **fields: Any) -> SkillServerContract:
    made = type("Suite", (SkillServerContract,), {"folder": folder, "probes": PROBES, "__test__": False, **fields})
    return made()  # type: ignore[no-any-return]


class NoModule(Skill):
    def folder(self) -> Path:
        return PlainSkill.place

    def module(self) -> str:
        return "no_such_package_at_all"


class Forgetful(NoModule):
    made = 0

    def __init__(self) -> None:
        type(self).made += 1
        self.number = self.made

    def module(self) -> str:
        return f"module{self.number}"


class NeedsWords(NoModule):
    def __init__(self, word: str) -> None:
        pass


CHECK_BREAKS: dict[str, tuple[Callable[[Path], object], dict[str, Any], str]] = {
    "no-yaml": (FOLDER_BREAKS["no-yaml"][0], {}, "the_folder_can_be_read"),
    "a-rule": (FOLDER_BREAKS["dead-link"][0], {}, "in_the_folder[files_that_instructions_link_to_are_there]"),
    "large": (lambda folder: (folder / "skills/plain/references/notes.md").write_text("é" * 400_000), {}, "the_pack_is_plain_json_and_small_enough"),
    "not-installed": (lambda folder: None, {"skill_class": PlainSkill, "entry_point": "plain"}, "the_entry_point_names_the_class"),
    "needs-words": (lambda folder: None, {"skill_class": NeedsWords}, "making_it_does_no_work"),
    "forgetful": (lambda folder: None, {"skill_class": Forgetful}, "making_it_does_no_work"),
    "no-module": (lambda folder: None, {"skill_class": NoModule}, "its_server_can_be_found_and_is_tested"),
    "own-eyes": (lambda folder: (folder / "server.py").chmod(0o600), {}, "its_files_are_readable_by_all"),
    "speaks-of-none": (instructions("Use `echo`", "Use `read_files`"), {}, "instructions_speak_of_tools_that_are_served"),
    "declared-not-served": (sidecar(tools=[tool()]), {}, "every_declared_tool_is_served_as_it_is_declared"),
    "declared-otherwise": (sidecar(tools=[tool(name="echo")]), {}, "every_declared_tool_is_served_as_it_is_declared"),
    "no-program": (sidecar(tools=[tool(exec=["no-such-program"])]), {}, "programs_of_declared_tools_are_there"),
    "wrong-example": (lambda folder: None, {"examples": (AskedCall("echo", {"text": "a"}, contains="b"),)}, "examples_end_as_they_say"),
    "wrong-status": (lambda folder: None, {"examples": (AskedCall("echo", {"text": "a"}, status="error"),)}, "examples_end_as_they_say"),
}  # fmt: skip
"""How a skill is broken, what its suite says of it, and the check that finds it."""
OTHERWISE = {"reading_it_twice_gives_the_same": "of reading itself: a folder that changes meanwhile"}


@pytest.mark.parametrize("way", CHECK_BREAKS)
def test_a_broken_skill_fails(way: str, folder: Path, tmp_path: Path) -> None:
    breaks, fields, check = CHECK_BREAKS[way]
    PlainSkill.place = folder
    breaks(folder)
    with pytest.raises((AssertionError, SympoziumError, ModuleNotFoundError, TypeError)):
        run_check(suite(folder, **fields), check, tmp_path)


def test_a_server_that_nobody_tests_fails(folder: Path) -> None:
    alone = type("Alone", (SkillContract,), {"folder": folder, "__test__": False})()
    with pytest.raises(AssertionError, match="SkillServerContract"):
        alone.test_its_server_can_be_found_and_is_tested()


def test_a_skill_that_changes_as_it_is_read_fails(folder: Path) -> None:
    class Restless(SkillContract):
        __test__ = False

        def place(self) -> Path:
            notes = folder / "skills/plain/references/notes.md"
            notes.write_text(notes.read_text() + "more\n")
            return folder

    with pytest.raises(AssertionError):
        Restless().test_reading_it_twice_gives_the_same()


def test_every_check_has_a_skill_that_fails_it() -> None:
    checks = {name.removeprefix("test_") for name in dir(SkillServerContract) if name.startswith("test_")}
    checks -= {name.removeprefix("test_") for name in dir(ToolServerContract) if name.startswith("test_")}
    found = {re.sub(r"\[.*", "", check) for *_, check in CHECK_BREAKS.values()}
    assert sorted(checks - found - set(OTHERWISE)) == []


def test_the_suite_passes_the_sound_skill(folder: Path, tmp_path: Path) -> None:
    PlainSkill.place = folder
    sound = suite(folder, skill_class=PlainSkill, examples=(AskedCall("echo", {"text": "a"}, contains="a"),))
    for check in sorted({check for *_, check in CHECK_BREAKS.values()}):
        if check != "the_entry_point_names_the_class":
            run_check(sound, check, tmp_path)


def run_check(made: SkillServerContract, name: str, path: Path) -> None:
    check, _, case = name.removesuffix("]").partition("[")
    method = getattr(made, f"test_{check}")
    if case:
        method(case)
    elif "bench" in method.__code__.co_varnames[: method.__code__.co_argcount]:
        server, command = made.server()
        bench = ServerBench(path / f"bench-{check}", server, command)
        try:
            method(bench)
        finally:
            bench.close()
    else:
        method()
