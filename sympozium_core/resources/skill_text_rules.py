"""Rules of `skill_lint` about what a skill is called and what the model reads of it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from sympozium_core.names import CORE_SERVERS, Tool
from sympozium_core.resources.skill_folder import INSTRUCTIONS, PACK, front_matter, skill_folders, unknown_fields
from sympozium_core.resources.skill_reading import Read, Said, error, warning

LONG = 16_000
"""Bytes of instructions that a model still reads at once."""
SHORT = 20
"""Characters of a description that can hardly say what a skill is for and when to use it."""
LONGEST_NAME = 57
"""Of a pack: its container is called ``skill-<name>``, and that is a DNS label."""
_LINK = re.compile(r"(?<!!)\[[^\]]*\]\((?!\w+:|#|/)([^)#\s]+)")
_CALLED = re.compile(r"`([a-z][a-z0-9]*(?:_[a-z0-9]+)+)`")
_TOOL = re.compile(r"[^\s,()]+")


def named(read: Read) -> Iterator[Said]:
    name = str(read.pack["metadata"].get("name") or "")
    if read.name and name != read.name:
        yield error(f"{PACK}: metadata.name", f"is {name!r}, the entry point is called {read.name!r}", "give both one name")
    if name in CORE_SERVERS:
        yield error(f"{PACK}: metadata.name", f"{name!r} is the name of a tool server of the core's own", "another name")
    if len(name) > LONGEST_NAME or not re.fullmatch(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?", name):
        yield error(f"{PACK}: metadata.name", f"{name!r} cannot name a container", f"a-z, 0-9 and '-', at most {LONGEST_NAME}")


def of_no_namespace(read: Read) -> Iterator[Said]:
    if namespace := read.pack["metadata"].get("namespace"):
        yield error(f"{PACK}: metadata.namespace", f"is {namespace!r}", "leave it out: whoever installs it says where")


def offers_something(read: Read) -> Iterator[Said]:
    if not read.pack["spec"]["skills"] and not read.sidecar:
        yield error(PACK, "has neither instructions nor a sidecar", f"write skills/NAME/{INSTRUCTIONS}")
    elif not read.pack["spec"]["skills"]:
        yield warning(PACK, "has tools, and no instructions that say when to use them", f"write skills/NAME/{INSTRUCTIONS}")


def described(read: Read) -> Iterator[Said]:
    for index, skill in enumerate(read.pack["spec"]["skills"]):
        text = (skill.get("description") or "").strip()
        if len(text) < SHORT:
            where = (
                f"{PACK}: spec.skills[{index}].description"
                if skill["name"] not in {folder.name for folder in skill_folders(read.folder)}
                else skill["name"]
            )
            hint = "what it is for and when to use it: it is all that a model sees of it first"
            yield warning(where, f"is {text!r}", hint) if text else error(where, f"is {text!r}", hint)


def front(read: Read) -> Iterator[Said]:
    for where, folder, text in read.skills():
        front, _ = front_matter(text, where)
        if unknown := unknown_fields(front):
            yield warning(
                where, f"has fields that the format does not know: {', '.join(unknown)}", "put your own below metadata"
            )
        if folder != read.folder and front.get("name") != folder.name:
            yield error(
                f"{where}: name", f"is {front.get('name')!r}, its folder is called {folder.name!r}", "one name for both"
            )


def short_enough(read: Read) -> Iterator[Said]:
    for where, _, text in read.skills():
        if (size := len(text.encode())) > LONG:
            yield warning(where, f"has {size} bytes", f"at most {LONG}; move what is seldom needed into references/")


def linked(read: Read) -> Iterator[Said]:
    for where, folder, text in read.skills():
        for target in dict.fromkeys(_LINK.findall(text)):
            if not (folder / target).is_file():
                yield error(where, f"links to {target!r}, which is not there", "a path from the folder of the skill")
            elif not (folder / target).resolve().is_relative_to(folder.resolve()):
                yield error(
                    where,
                    f"links to {target!r}, outside of the skill's folder",
                    "files of the skill travel with it, others do not",
                )


def scripts(read: Read) -> Iterator[Said]:
    for where, folder, _ in read.skills():
        for file in sorted((folder / "scripts").rglob("*")) if (folder / "scripts").is_dir() else []:
            if file.is_file() and file.suffix in (".sh", "") and not file.read_bytes().startswith((b"#!", b"\x7fELF")):
                name = file.relative_to(folder).as_posix()
                yield warning(
                    f"{where.removesuffix(INSTRUCTIONS)}{name}", "does not begin with #!", "then it can be run by its name"
                )


def tools_exist(read: Read) -> Iterator[Said]:
    """Names of tools that the instructions speak of; where there is a server that nobody has asked, only what cannot be its."""
    known = {*Tool, *(tool["name"] for tool in read.declared), *(read.served or ())}
    if read.sidecar and read.served is None:
        return
    for where, _, text in read.skills():
        front, _ = front_matter(text, where)
        allowed = str(front.get("allowed-tools") or "")
        for name in dict.fromkeys(_TOOL.findall(re.sub(r"\([^)]*\)", "", allowed))):
            if name not in known:
                yield warning(
                    f"{where}: allowed-tools",
                    f"{name!r} is no tool of this skill or of the agent's own",
                    f"one of {', '.join(sorted(known))}",
                )
        spoken = [name for name in dict.fromkeys(_CALLED.findall(text)) if name not in known and _like_a_tool(name, known)]
        for name in spoken:
            yield error(where, f"speaks of {name!r}, which is no tool", f"one of {', '.join(sorted(known))}")


def _like_a_tool(name: str, known: set[str]) -> bool:
    """Whether a word in backticks was meant as a tool's name: it shares a part with one, such as ``read_files``."""
    parts = set(name.split("_"))
    return any(parts & set(other.split("_")) and abs(len(name) - len(other)) <= 3 for other in known)
