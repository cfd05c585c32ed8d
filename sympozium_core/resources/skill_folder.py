"""Reads a skill as people write and ship it, a folder, as the SkillPack that it is.

    skillpack.yaml               a SkillPack; `spec.skills` may be left to the folders below
    skills/<name>/SKILL.md       instructions in the open format of Agent Skills (https://agentskills.io/specification)
    skills/<name>/…              what they refer to: scripts, references, assets

or a ``SKILL.md`` at its top and no ``skillpack.yaml``: the folder is one Agent Skill, taken as it is.
"""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from sympozium_core.contracts.cluster import Invalid
from sympozium_core.errors import Cause, Refused
from sympozium_core.names import API_VERSION
from sympozium_core.resources import load

PACK, SKILLS, INSTRUCTIONS = "skillpack.yaml", "skills", "SKILL.md"
MAX_PACK = 1_000_000
"""Bytes of everything in a folder together: what the store of a cluster takes as one object, with room for its other fields."""
MAX_FILES = 200
LONGEST_DESCRIPTION = 1024
_FRONT = re.compile(r"\A---[ \t]*\r?\n(.*?)^---[ \t]*\r?(?:\n|\Z)", re.DOTALL | re.MULTILINE)
_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_KNOWN = ("name", "description", "license", "compatibility", "metadata", "allowed-tools")
_LEFT_OUT = ("__pycache__", "node_modules")


def is_skill_folder(path: Path) -> bool:
    """Whether `path` is one skill rather than a folder of manifests, of which one may be a SkillPack."""
    return (path / INSTRUCTIONS).is_file() or ((path / PACK).is_file() and (path / SKILLS).is_dir())


def read_skill_folder(path: Path) -> dict[str, Any]:
    """The SkillPack, in its normal form. Raises Refused with every cause, each naming its file."""
    if not path.is_dir():
        raise Refused([Cause("", f"{path} is no folder", f"a folder with a {PACK} or a {INSTRUCTIONS}")])
    causes: list[Cause] = []
    if (path / PACK).is_file():
        pack = _manifest(path / PACK)
        skills = [_skill(folder, causes) for folder in skill_folders(path)]
        spec = pack.setdefault("spec", {})
        if skills and isinstance(spec, dict):
            spec["skills"] = [*(spec.get("skills") or []), *skills]
        elif isinstance(spec, dict):
            spec.setdefault("skills", [])
    elif (path / INSTRUCTIONS).is_file():
        skill = _skill(path, causes)
        pack = {
            "apiVersion": API_VERSION,
            "kind": "SkillPack",
            "metadata": {"name": skill["name"]},
            "spec": {"skills": [skill]},
        }
    else:
        raise Refused([Cause("", f"{path} holds neither {PACK} nor {INSTRUCTIONS}", f"write a {PACK} with kind: SkillPack")])
    if causes:
        raise Refused(causes)
    try:
        return load.normalise(pack)
    except Invalid as error:
        raise Refused([Cause(f"{PACK}: {cause.field}", cause.message, cause.hint) for cause in error.causes]) from error


def _manifest(file: Path) -> dict[str, Any]:
    found = _yaml(_text(file), file.name)
    if not isinstance(found, dict) or found.get("kind") != "SkillPack":
        raise Refused([Cause(f"{PACK}: kind", "is no SkillPack", f"begin with apiVersion: {API_VERSION}, kind: SkillPack")])
    return found


def skill_folders(path: Path) -> list[Path]:
    """Folders with instructions: those below ``skills``, or, where there is no SkillPack, the folder itself."""
    if not (path / PACK).is_file():
        return [path] if (path / INSTRUCTIONS).is_file() else []
    above = path / SKILLS
    return sorted(folder for folder in above.iterdir() if (folder / INSTRUCTIONS).is_file()) if above.is_dir() else []


def _skill(folder: Path, causes: list[Cause]) -> dict[str, Any]:
    """One item of `spec.skills`; what is wrong with it goes into `causes`."""
    content = _text(folder / INSTRUCTIONS)
    where = f"{folder.name}/{INSTRUCTIONS}"
    front, faults = front_matter(content, where)
    causes += faults
    files, binary = _others(folder, causes)
    tools = front.get("allowed-tools")
    requires = (
        {"requires": {"tools": re.findall(r"[^\s,()]+(?:\([^)]*\))?", tools)}}
        if isinstance(tools, str) and tools.strip()
        else {}
    )
    return {
        "name": str(front.get("name") or folder.name),
        "description": str(front.get("description") or "").strip(),
        "content": content,
        **({"files": files} if files else {}),
        **({"binaryFiles": binary} if binary else {}),
        **requires,
    }


def front_matter(content: str, where: str) -> tuple[Mapping[str, Any], list[Cause]]:
    """What the head of a SKILL.md says, and what is wrong with it by the rules of the format; `where` names the file."""
    found = _FRONT.match(content)
    good = "begin with three lines: ---, name: my-skill, description: what it is for and when to use it, then --- again"
    if found is None:
        return {}, [Cause(where, "has no front matter", good)]
    try:
        front = _yaml(found[1], where)
    except Refused as error:
        return {}, list(error.causes)
    if not isinstance(front, dict):
        return {}, [Cause(where, "its front matter is no list of fields", good)]
    causes = []
    name, description = front.get("name"), front.get("description")
    if not isinstance(name, str) or not _NAME.fullmatch(name) or len(name) > 64:
        causes.append(
            Cause(f"{where}: name", f"is {name!r}", "lower-case letters, digits and single hyphens, such as pdf-forms")
        )
    if not isinstance(description, str) or not description.strip():
        causes.append(Cause(f"{where}: description", "is missing", "one or two sentences: what it is for and when to use it"))
    elif len(description) > LONGEST_DESCRIPTION:
        causes.append(Cause(f"{where}: description", f"has {len(description)} characters", f"at most {LONGEST_DESCRIPTION}"))
    if not content[found.end() :].strip():
        causes.append(Cause(where, "has no instructions after its front matter", "write them in Markdown"))
    return front, causes


def unknown_fields(front: Mapping[str, Any]) -> list[str]:
    """Fields of a front matter that the format does not have; they do no harm."""
    return [str(key) for key in front if key not in _KNOWN]


def _others(folder: Path, causes: list[Cause]) -> tuple[dict[str, str], dict[str, str]]:
    """What stands beside the instructions: texts as they are, everything else in base64."""
    files: dict[str, str] = {}
    binary: dict[str, str] = {}
    left = MAX_PACK
    for file in _walk(folder):
        name = file.relative_to(folder).as_posix()
        size = file.stat().st_size
        left -= size
        if left < 0 or len(files) + len(binary) >= MAX_FILES:
            limits = f"at most {MAX_FILES} files with {MAX_PACK} bytes together"
            causes.append(
                Cause(f"{folder.name}/{name}", "is too much for a SkillPack", f"{limits}; put what is larger into an image")
            )
            break
        data = file.read_bytes()
        try:
            files[name] = data.decode("utf-8")
        except UnicodeDecodeError:
            binary[name] = base64.b64encode(data).decode("ascii")
    return files, binary


def _walk(folder: Path) -> Iterator[Path]:
    """Regular files below the folder, in order; no hidden ones, and nothing that a link leads to."""
    for directory, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name not in _LEFT_OUT)
        for name in sorted(names):
            file = Path(directory, name)
            top = file.parent == folder and name in (INSTRUCTIONS, PACK)
            if not top and not name.startswith(".") and file.is_file() and not file.is_symlink():
                yield file


def _text(file: Path) -> str:
    try:
        data = file.read_bytes()
        if len(data) > MAX_PACK:
            raise Refused([Cause(file.name, f"has {len(data)} bytes", f"at most {MAX_PACK}")])
        return data.decode("utf-8")
    except OSError as error:
        raise Refused([Cause(str(file), f"cannot be read: {error.strerror}")]) from error
    except UnicodeDecodeError as error:
        raise Refused([Cause(file.name, "is not UTF-8", "save it as UTF-8")]) from error


def _yaml(text: str, where: str) -> Any:
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        return yaml.load(text, Loader=loader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f" (line {mark.line + 1})" if mark is not None else ""
        problem = getattr(error, "problem", None) or error
        raise Refused(
            [Cause(where, f"is not YAML{line}: {problem}", "quote a text that holds a colon or begins with a sign")]
        ) from error
