"""What is wrong with a skill folder, or doubtful, as far as it can be said without running anything: for authors, before anybody installs it.

Each rule is a function over what was read, and finds nothing in a sound skill. `read_skill_folder` refuses what cannot be a SkillPack at all;
rules look at what can be one and would serve badly.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from sympozium_core.errors import Cause, Refused
from sympozium_core.names import CORE_SERVERS, Tool
from sympozium_core.resources.skill_folder import (
    INSTRUCTIONS,
    PACK,
    front_matter,
    read_skill_folder,
    skill_folders,
    unknown_fields,
)

LONG = 16_000
"""Bytes of instructions that a model still reads at once."""
SHORT = 20
"""Characters of a description that can hardly say what a skill is for and when to use it."""
LONGEST_NAME = 57
"""Of a pack: its container is called ``skill-<name>``, and that is a DNS label."""
_LINK = re.compile(r"(?<!!)\[[^\]]*\]\((?!\w+:|#|/)([^)#\s]+)")
_CALLED = re.compile(r"`([a-z][a-z0-9]*(?:_[a-z0-9]+)+)`")
_TOOL = re.compile(r"[^\s,()]+")

Level = Literal["error", "warning"]


@dataclass(frozen=True)
class Finding:
    rule: str
    level: Level
    cause: Cause
    """Its field is the file, and the field in it."""

    def __str__(self) -> str:
        return f"{self.level}: {self.cause}"


@dataclass(frozen=True)
class Read:
    """A skill folder that could be read."""

    folder: Path
    pack: Mapping[str, Any]
    """The SkillPack in normal form."""
    name: str = ""
    """Under which it is to be found: the entry point's; empty where nothing is known of one."""
    served: frozenset[str] | None = None
    """Tools of its server; None where nobody has asked it."""

    @property
    def sidecar(self) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self.pack["spec"].get("sidecar") or {}
        return found

    @property
    def declared(self) -> list[Mapping[str, Any]]:
        found: list[Mapping[str, Any]] = self.sidecar.get("tools") or []
        return found

    def skills(self) -> Iterator[tuple[str, Path, str]]:
        """Of each folder of instructions: its file as a message names it, itself, and the text."""
        for folder in skill_folders(self.folder):
            where = INSTRUCTIONS if folder == self.folder else f"skills/{folder.name}/{INSTRUCTIONS}"
            yield where, folder, (folder / INSTRUCTIONS).read_text("utf-8")


Rule = Callable[[Read], Iterator[tuple[Level, Cause]]]


def lint(folder: Path, *, name: str = "", served: frozenset[str] | None = None) -> list[Finding]:
    """Everything that the rules find. `name` is the entry point's, `served` what its server says it serves, where that is known."""
    try:
        read = Read(folder, read_skill_folder(folder), name, served)
    except Refused as error:
        return [Finding("it_can_be_read", "error", cause) for cause in error.causes]
    return [Finding(rule, level, cause) for rule, check in RULES.items() for level, cause in check(read)]


def _named(read: Read) -> Iterator[tuple[Level, Cause]]:
    name = str(read.pack["metadata"].get("name") or "")
    if read.name and name != read.name:
        yield (
            "error",
            Cause(f"{PACK}: metadata.name", f"is {name!r}, the entry point is called {read.name!r}", "give both one name"),
        )
    if name in CORE_SERVERS:
        yield (
            "error",
            Cause(f"{PACK}: metadata.name", f"{name!r} is the name of a tool server of the core's own", "another name"),
        )
    if len(name) > LONGEST_NAME or not re.fullmatch(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?", name):
        yield (
            "error",
            Cause(f"{PACK}: metadata.name", f"{name!r} cannot name a container", f"a-z, 0-9 and '-', at most {LONGEST_NAME}"),
        )


def _of_no_namespace(read: Read) -> Iterator[tuple[Level, Cause]]:
    if namespace := read.pack["metadata"].get("namespace"):
        yield "error", Cause(f"{PACK}: metadata.namespace", f"is {namespace!r}", "leave it out: whoever installs it says where")


def _offers_something(read: Read) -> Iterator[tuple[Level, Cause]]:
    if not read.pack["spec"]["skills"] and not read.sidecar:
        yield "error", Cause(PACK, "has neither instructions nor a sidecar", f"write skills/NAME/{INSTRUCTIONS}")
    elif not read.pack["spec"]["skills"]:
        yield (
            "warning",
            Cause(PACK, "has tools, and no instructions that say when to use them", f"write skills/NAME/{INSTRUCTIONS}"),
        )


def _described(read: Read) -> Iterator[tuple[Level, Cause]]:
    for index, skill in enumerate(read.pack["spec"]["skills"]):
        text = (skill.get("description") or "").strip()
        if len(text) < SHORT:
            where = f"{PACK}: spec.skills[{index}].description" if skill["name"] not in _folders(read) else skill["name"]
            yield "error" if not text else "warning", Cause(where, f"is {text!r}", "what it is for and when to use it: it is all that a model sees of it first")  # fmt: skip


def _front(read: Read) -> Iterator[tuple[Level, Cause]]:
    for where, folder, text in read.skills():
        front, _ = front_matter(text, where)
        if unknown := unknown_fields(front):
            yield (
                "warning",
                Cause(where, f"has fields that the format does not know: {', '.join(unknown)}", "put your own below metadata"),
            )
        if folder != read.folder and front.get("name") != folder.name:
            yield (
                "error",
                Cause(f"{where}: name", f"is {front.get('name')!r}, its folder is called {folder.name!r}", "one name for both"),
            )


def _short_enough(read: Read) -> Iterator[tuple[Level, Cause]]:
    for where, _, text in read.skills():
        if (size := len(text.encode())) > LONG:
            yield "warning", Cause(where, f"has {size} bytes", f"at most {LONG}; move what is seldom needed into references/")


def _linked(read: Read) -> Iterator[tuple[Level, Cause]]:
    for where, folder, text in read.skills():
        for target in dict.fromkeys(_LINK.findall(text)):
            if not (folder / target).is_file():
                yield "error", Cause(where, f"links to {target!r}, which is not there", "a path from the folder of the skill")
            elif not (folder / target).resolve().is_relative_to(folder.resolve()):
                yield (
                    "error",
                    Cause(
                        where,
                        f"links to {target!r}, outside of the skill's folder",
                        "files of the skill travel with it, others do not",
                    ),
                )


def _scripts(read: Read) -> Iterator[tuple[Level, Cause]]:
    for where, folder, _ in read.skills():
        for file in sorted((folder / "scripts").rglob("*")) if (folder / "scripts").is_dir() else []:
            if file.is_file() and file.suffix in (".sh", "") and not file.read_bytes().startswith((b"#!", b"\x7fELF")):
                name = file.relative_to(folder).as_posix()
                yield (
                    "warning",
                    Cause(
                        f"{os.path.dirname(where) or '.'}/{name}", "does not begin with #!", "then it can be run by its name"
                    ),
                )


def _tools_exist(read: Read) -> Iterator[tuple[Level, Cause]]:
    """Names of tools that the instructions speak of; where there is a server that nobody has asked, only what cannot be its."""
    known = {*Tool, *(tool["name"] for tool in read.declared), *(read.served or ())}
    if read.sidecar and read.served is None:
        return
    for where, _, text in read.skills():
        front, _ = front_matter(text, where)
        allowed = str(front.get("allowed-tools") or "")
        for name in dict.fromkeys(_TOOL.findall(re.sub(r"\([^)]*\)", "", allowed))):
            if name not in known:
                yield (
                    "warning",
                    Cause(
                        f"{where}: allowed-tools",
                        f"{name!r} is no tool of this skill or of the agent's own",
                        f"one of {', '.join(sorted(known))}",
                    ),
                )
        spoken = [name for name in dict.fromkeys(_CALLED.findall(text)) if name not in known and _like_a_tool(name, known)]
        for name in spoken:
            yield "error", Cause(where, f"speaks of {name!r}, which is no tool", f"one of {', '.join(sorted(known))}")


def _like_a_tool(name: str, known: set[str]) -> bool:
    """Whether a word in backticks was meant as a tool's name: it shares a part with one, such as ``read_files``."""
    parts = set(name.split("_"))
    return any(parts & set(other.split("_")) and abs(len(name) - len(other)) <= 3 for other in known)


def _command_there(read: Read) -> Iterator[tuple[Level, Cause]]:
    words = [("command", word) for word in read.sidecar.get("command") or []]
    words += [(f"tools[{index}].exec", word) for index, tool in enumerate(read.declared) for word in tool["exec"][:1]]
    for field, word in words:
        if not word.startswith("./"):
            continue
        file = read.folder / word
        where = f"{PACK}: spec.sidecar.{field}"
        if not file.is_file():
            yield "error", Cause(where, f"{word!r} is not in the folder", "words that begin with ./ are files of the folder")
        elif not file.resolve().is_relative_to(read.folder.resolve()):
            yield "error", Cause(where, f"{word!r} leads out of the folder", "what is outside does not come along")
        elif word in (read.sidecar.get("command") or [""])[0] and not os.access(file, os.X_OK):
            yield (
                "error",
                Cause(
                    where,
                    f"{word!r} is not executable",
                    f"chmod +x {word}, or begin with the program that reads it, such as sh",
                ),
            )


def _image_fixed(read: Read) -> Iterator[tuple[Level, Cause]]:
    image = str(read.sidecar.get("image") or "")
    name, _, tag = image.rpartition("/")[2].partition(":")
    if image and "@" not in image and tag in ("", "latest"):
        yield (
            "warning",
            Cause(f"{PACK}: spec.sidecar.image", f"{image!r} is another image tomorrow", f"{name}:1.0.0, or a digest"),
        )


def _rights_narrow(read: Read) -> Iterator[tuple[Level, Cause]]:
    for field in ("rbac", "clusterRBAC"):
        for index, rule in enumerate(read.sidecar.get(field) or []):
            wide = [key for key in ("apiGroups", "resources", "verbs") if "*" in (rule.get(key) or [])]
            where = f"{PACK}: spec.sidecar.{field}[{index}]"
            if wide:
                yield (
                    "error",
                    Cause(f"{where}.{wide[0]}", "is '*'", "list what the tools need: it is what a hijacked agent gets"),
                )
            elif "secrets" in (rule.get("resources") or []):
                yield (
                    "warning",
                    Cause(f"{where}.resources", "has secrets", "tools seldom need their values, and models must not see them"),
                )


def _host_left_alone(read: Read) -> Iterator[tuple[Level, Cause]]:
    host = read.sidecar.get("hostAccess") or {}
    if any(host.values()):
        yield (
            "warning",
            Cause(
                f"{PACK}: spec.sidecar.hostAccess", "asks for the node", "runs are refused unless a policy allows it by name"
            ),
        )


def _variables_free(read: Read) -> Iterator[tuple[Level, Cause]]:
    for index, item in enumerate(read.sidecar.get("env") or []):
        if str(item.get("name")).startswith(("SYMPOZIUM_", "SKILL_")):
            yield "error", Cause(f"{PACK}: spec.sidecar.env[{index}].name", f"{item['name']!r} is set by Sympozium", "another name: SKILL_… are the parameters of whoever uses the skill")  # fmt: skip


def _tools_their_own(read: Read) -> Iterator[tuple[Level, Cause]]:
    for index, tool in enumerate(read.declared):
        if tool["name"] in set(Tool) - {Tool.EXECUTE_COMMAND}:
            yield (
                "error",
                Cause(
                    f"{PACK}: spec.sidecar.tools[{index}].name",
                    f"Sympozium has a tool {tool['name']!r} itself",
                    "another name: it would never be called",
                ),
            )


def _parameters_described(read: Read) -> Iterator[tuple[Level, Cause]]:
    for index, tool in enumerate(read.declared):
        for key, schema in ((tool.get("parameters") or {}).get("properties") or {}).items():
            if isinstance(schema, Mapping) and not schema.get("description"):
                yield (
                    "warning",
                    Cause(
                        f"{PACK}: spec.sidecar.tools[{index}].parameters.properties.{key}",
                        "has no description",
                        "say what to give, with an example",
                    ),
                )


def _folders(read: Read) -> set[str]:
    return {folder.name for folder in skill_folders(read.folder)}


RULES: Mapping[str, Rule] = {
    "its_name_is_the_entry_points_and_can_name_a_container": _named,
    "it_is_of_no_namespace": _of_no_namespace,
    "it_has_instructions_or_tools": _offers_something,
    "each_skill_is_described": _described,
    "front_matter_is_that_of_the_format": _front,
    "instructions_can_be_read_at_once": _short_enough,
    "files_that_instructions_link_to_are_there": _linked,
    "scripts_can_be_run": _scripts,
    "tools_that_instructions_speak_of_exist": _tools_exist,
    "commands_of_the_folder_are_there": _command_there,
    "the_image_stays_the_same": _image_fixed,
    "rights_are_no_wider_than_they_say": _rights_narrow,
    "the_node_is_left_alone": _host_left_alone,
    "variables_are_its_own": _variables_free,
    "declared_tools_have_names_of_their_own": _tools_their_own,
    "declared_parameters_are_described": _parameters_described,
}
