"""Rules of `skill_lint` about the sidecar: what it runs, what it may do, and the tools that it declares."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping

from sympozium_core.names import Tool
from sympozium_core.resources.skill_folder import PACK
from sympozium_core.resources.skill_reading import Read, Said, error, warning


def command_there(read: Read) -> Iterator[Said]:
    words = [("command", word, index == 0) for index, word in enumerate(read.sidecar.get("command") or [])]
    words += [
        (f"tools[{number}].exec", word, index == 0)
        for number, tool in enumerate(read.declared)
        for index, word in enumerate(tool["exec"])
    ]
    for field, word, is_program in words:
        if not word.startswith("./"):
            continue
        file = read.folder / word
        where = f"{PACK}: spec.sidecar.{field}"
        if not file.is_file():
            yield error(where, f"{word!r} is not in the folder", "words that begin with ./ are files of the folder")
        elif not file.resolve().is_relative_to(read.folder.resolve()):
            yield error(where, f"{word!r} leads out of the folder", "what is outside does not come along")
        elif is_program and not os.access(file, os.X_OK):
            hint = f"chmod +x {word}, or begin with the program that reads it, such as sh"
            yield error(where, f"{word!r} is not executable", hint)


def image_fixed(read: Read) -> Iterator[Said]:
    image = str(read.sidecar.get("image") or "")
    name, _, tag = image.rpartition("/")[2].partition(":")
    if image and "@" not in image and tag in ("", "latest"):
        yield warning(f"{PACK}: spec.sidecar.image", f"{image!r} is another image tomorrow", f"{name}:1.0.0, or a digest")


def rights_narrow(read: Read) -> Iterator[Said]:
    for field in ("rbac", "clusterRBAC"):
        for index, rule in enumerate(read.sidecar.get(field) or []):
            wide = [key for key in ("apiGroups", "resources", "verbs") if "*" in (rule.get(key) or [])]
            where = f"{PACK}: spec.sidecar.{field}[{index}]"
            if wide:
                yield error(f"{where}.{wide[0]}", "is '*'", "list what the tools need: it is what a hijacked agent gets")
            elif "secrets" in (rule.get("resources") or []):
                yield warning(
                    f"{where}.resources", "has secrets", "tools seldom need their values, and models must not see them"
                )


def host_left_alone(read: Read) -> Iterator[Said]:
    host = read.sidecar.get("hostAccess") or {}
    if any(host.values()):
        yield warning(
            f"{PACK}: spec.sidecar.hostAccess", "asks for the node", "runs are refused unless a policy allows it by name"
        )


def variables_free(read: Read) -> Iterator[Said]:
    for index, item in enumerate(read.sidecar.get("env") or []):
        if str(item.get("name")).startswith(("SYMPOZIUM_", "SKILL_")):
            yield error(
                f"{PACK}: spec.sidecar.env[{index}].name",
                f"{item['name']!r} is set by Sympozium",
                "another name: SKILL_… are the parameters of whoever uses the skill",
            )


def tools_their_own(read: Read) -> Iterator[Said]:
    for index, tool in enumerate(read.declared):
        if tool["name"] in set(Tool) - {Tool.EXECUTE_COMMAND}:
            yield error(
                f"{PACK}: spec.sidecar.tools[{index}].name",
                f"Sympozium has a tool {tool['name']!r} itself",
                "another name: it would never be called",
            )


def parameters_described(read: Read) -> Iterator[Said]:
    for index, tool in enumerate(read.declared):
        for key, schema in ((tool.get("parameters") or {}).get("properties") or {}).items():
            if isinstance(schema, Mapping) and not schema.get("description"):
                yield warning(
                    f"{PACK}: spec.sidecar.tools[{index}].parameters.properties.{key}",
                    "has no description",
                    "say what to give, with an example",
                )
