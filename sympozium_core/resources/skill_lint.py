"""What is wrong with a skill folder, or doubtful, as far as it can be said without running anything: for authors, before anybody installs it.

Each rule is a function over what was read, and finds nothing in a sound skill. `read_skill_folder` refuses what cannot be a SkillPack at all;
rules look at what can be one and would serve badly.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from sympozium_core.errors import Cause, Refused
from sympozium_core.resources import skill_sidecar_rules, skill_text_rules
from sympozium_core.resources.skill_folder import read_skill_folder
from sympozium_core.resources.skill_reading import Level, Read, Said

Rule = Callable[[Read], Iterator[Said]]


@dataclass(frozen=True)
class Finding:
    rule: str
    level: Level
    cause: Cause
    """Its field is the file, and the field in it."""

    def __str__(self) -> str:
        return f"{self.level}: {self.cause}"


def lint(folder: Path, *, name: str = "", served: frozenset[str] | None = None) -> list[Finding]:
    """Everything that the rules find. `name` is the entry point's, `served` what its server says it serves, where that is known."""
    try:
        read = Read(folder, read_skill_folder(folder), name, served)
    except Refused as error:
        return [Finding("it_can_be_read", "error", cause) for cause in error.causes]
    return [Finding(rule, level, cause) for rule, check in RULES.items() for level, cause in check(read)]


RULES: Mapping[str, Rule] = {
    "its_name_is_the_entry_points_and_can_name_a_container": skill_text_rules.named,
    "it_is_of_no_namespace": skill_text_rules.of_no_namespace,
    "it_has_instructions_or_tools": skill_text_rules.offers_something,
    "each_skill_is_described": skill_text_rules.described,
    "front_matter_is_that_of_the_format": skill_text_rules.front,
    "instructions_can_be_read_at_once": skill_text_rules.short_enough,
    "files_that_instructions_link_to_are_there": skill_text_rules.linked,
    "scripts_can_be_run": skill_text_rules.scripts,
    "tools_that_instructions_speak_of_exist": skill_text_rules.tools_exist,
    "commands_of_the_folder_are_there": skill_sidecar_rules.command_there,
    "the_image_stays_the_same": skill_sidecar_rules.image_fixed,
    "rights_are_no_wider_than_they_say": skill_sidecar_rules.rights_narrow,
    "the_node_is_left_alone": skill_sidecar_rules.host_left_alone,
    "variables_are_its_own": skill_sidecar_rules.variables_free,
    "declared_tools_have_names_of_their_own": skill_sidecar_rules.tools_their_own,
    "declared_parameters_are_described": skill_sidecar_rules.parameters_described,
}
