"""The conformance suite of skills: of the folder, of the package that brings it, and of its tool server.

    class TestWords(SkillServerContract):
        skill_class = WordsSkill
        entry_point = "words"
        probes = Probes(example=Probe("count_words", {"text": "to be or not"}))

`SkillContract` is for a skill that is instructions only; the folder alone, where there is no package, is `folder`. Needs pytest and jsonschema.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, ClassVar

import pytest

from sympozium_core.contracts.skill import Skill
from sympozium_core.names import GROUP_SKILLS
from sympozium_core.processes.skill_start import command_of
from sympozium_core.registry.drivers import driver_fault
from sympozium_core.resources.skill_calls import AskedCall
from sympozium_core.resources.skill_folder import MAX_PACK, read_skill_folder
from sympozium_core.resources.skill_lint import RULES, lint
from sympozium_core.testing.tool_server import ToolServerContract
from sympozium_core.testing.tool_server_bench import ServerBench
from sympozium_core.testing.tool_server_probes import Probe, Probes

__all__ = ["Probe", "Probes", "SkillContract", "SkillServerContract"]


class SkillContract:
    """To be subclassed as ``Test…``, with `skill_class` or `folder`."""

    skill_class: ClassVar[type[Skill] | None] = None
    folder: ClassVar[Path | None] = None
    """Of a skill without a package."""
    entry_point: ClassVar[str] = ""
    """Name of the package's entry point; empty for a skill without a package."""

    def skill(self) -> Skill | None:
        return self.skill_class() if self.skill_class is not None else None

    def place(self) -> Path:
        skill = self.skill()
        found = skill.folder() if skill is not None else self.folder
        assert found is not None, "say skill_class, or folder"
        return Path(found)

    def pack(self) -> Mapping[str, Any]:
        return read_skill_folder(self.place())

    def test_the_folder_can_be_read(self) -> None:
        wrong = [str(each) for each in lint(self.place()) if each.rule == "it_can_be_read"]
        assert not wrong, "\n".join(wrong)

    @pytest.mark.parametrize("rule", RULES)
    def test_in_the_folder(self, rule: str) -> None:
        """The rules of ``sympozium skills lint``; what it only warns of does not fail."""
        found = [each for each in lint(self.place(), name=self.entry_point) if each.rule == rule and each.level == "error"]
        assert not found, "\n".join(map(str, found))

    def test_the_pack_is_plain_json_and_small_enough(self) -> None:
        pack = self.pack()
        data = json.dumps(pack)
        assert json.loads(data) == pack
        assert len(data) <= MAX_PACK, f"the SkillPack has {len(data)} bytes; a cluster stores {MAX_PACK} of one object"

    def test_reading_it_twice_gives_the_same(self) -> None:
        assert self.pack() == self.pack()

    def test_the_entry_point_names_the_class(self) -> None:
        if self.skill_class is None:
            pytest.skip("a folder without a package has no entry point")
        assert not (fault := driver_fault(self.skill_class, Skill)), fault
        found = list(entry_points(group=GROUP_SKILLS, name=self.entry_point))
        assert len(found) == 1, f"{len(found)} installed packages have an entry point {self.entry_point!r} in {GROUP_SKILLS}"
        assert found[0].load() is self.skill_class

    def test_making_it_does_no_work(self) -> None:
        """The control plane makes one at start, and asks it when a run needs it."""
        if self.skill_class is None:
            pytest.skip("a folder without a package has no class")
        one, other = self.skill_class(), self.skill_class()
        assert (one.folder(), one.module(), tuple(one.command())) == (other.folder(), other.module(), tuple(other.command()))

    def test_its_server_can_be_found_and_is_tested(self) -> None:
        skill, sidecar = self.skill(), self.pack()["spec"].get("sidecar") or {}
        command = command_of(str(self.pack()["metadata"]["name"]), self.place(), self.pack(), skill)
        if command:
            program = shutil.which(command[0])
            assert program, f"{command[0]} is not to be found"
            assert sidecar, "it has a tool server, and no sidecar in its skillpack.yaml that says with which rights"
        # Who has a server is tested by the suite that starts it.
        assert not command or isinstance(self, SkillServerContract), "it has a tool server: subclass SkillServerContract"

    def test_its_files_are_readable_by_all(self) -> None:
        """The control plane may run as another user than whoever installed it."""
        hidden = [str(path) for path in self.place().rglob("*") if path.is_file() and not path.stat().st_mode & 0o044]
        assert not hidden, f"nobody but their owner can read {', '.join(hidden)}"


class SkillServerContract(SkillContract, ToolServerContract):
    """The same for a skill whose tools are served, with the whole suite of tool servers."""

    examples: ClassVar[Sequence[AskedCall]] = ()
    """Calls that show its tools at work, each with what its result must be."""

    def server(self) -> tuple[str, Sequence[str]]:
        pack = self.pack()
        name = str(pack["metadata"]["name"])
        return name, command_of(name, self.place(), pack, self.skill())

    def test_instructions_speak_of_tools_that_are_served(self, bench: ServerBench) -> None:
        served = frozenset(tool.name for tool in bench.up().tools)
        found = [each for each in lint(self.place(), served=served) if each.rule == "tools_that_instructions_speak_of_exist"]
        assert not found, "\n".join(map(str, found))

    def test_every_declared_tool_is_served_as_it_is_declared(self, bench: ServerBench) -> None:
        served = {tool.name: tool for tool in bench.up().tools}
        for declared in (self.pack()["spec"].get("sidecar") or {}).get("tools") or []:
            assert declared["name"] in served, f"{declared['name']} is declared and not served"
            properties = (declared.get("parameters") or {}).get("properties") or {}
            assert set(properties) == set(served[declared["name"]].parameters.get("properties", {})), declared["name"]

    def test_programs_of_declared_tools_are_there(self) -> None:
        for declared in (self.pack()["spec"].get("sidecar") or {}).get("tools") or []:
            word = declared["exec"][0]
            found = (self.place() / word).is_file() if word.startswith("./") else shutil.which(word)
            assert found, f"{declared['name']} runs {word}, which is not to be found"

    def test_examples_end_as_they_say(self, bench: ServerBench) -> None:
        bench.up()
        for example in self.examples:
            result = bench.call(example.tool, example.arguments)
            shown = f"{example.tool} {json.dumps(dict(example.arguments))}: {result.status}: {result.content[:500]}"
            assert result.status == example.status, shown
            assert example.contains in result.content, f"{example.contains!r} is not in {shown}"
            assert example.exit_code in (None, result.exit_code), f"exit code {result.exit_code} of {shown}"
