"""Folders as people write them, as SkillPacks; and what is said of a folder that is none."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from sympozium_core.errors import Refused
from sympozium_core.resources.skill_folder import MAX_PACK, is_skill_folder, read_skill_folder

PACK = """
apiVersion: sympozium.ai/v1alpha1
kind: SkillPack
metadata: {name: ops}
spec:
  category: sre
"""
AGENT_SKILL = """---
name: pdf-forms
description: >
  Fill PDF forms. Use it when the task names a PDF.
license: Apache-2.0
allowed-tools: read_file Bash(git:*) execute_command
metadata:
  author: acme
---

# Forms

Read references/fields.md.
"""
Write = Callable[[Mapping[str, str | bytes]], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def written(files: Mapping[str, str | bytes]) -> Path:
        for name, content in files.items():
            file = tmp_path / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content if isinstance(content, bytes) else content.encode())
        return tmp_path

    return written


def causes(folder: Path) -> str:
    with pytest.raises(Refused) as refused:
        read_skill_folder(folder)
    return "\n".join(str(cause) for cause in refused.value.causes)


def test_an_agent_skill_is_taken_as_it_is(write: Write) -> None:
    folder = write(
        {
            "SKILL.md": AGENT_SKILL,
            "references/fields.md": "ä",
            "scripts/fill.py": "#!/usr/bin/env python3\n",
            "assets/logo.png": b"\x89PNG\xff",
            ".git/config": "hidden",
        }
    )
    assert is_skill_folder(folder)
    pack = read_skill_folder(folder)
    assert (pack["kind"], pack["metadata"]) == ("SkillPack", {"name": "pdf-forms"})
    (skill,) = pack["spec"]["skills"]
    assert skill["content"] == AGENT_SKILL, "licence and all"
    assert skill["description"] == "Fill PDF forms. Use it when the task names a PDF."
    assert skill["files"] == {"references/fields.md": "ä", "scripts/fill.py": "#!/usr/bin/env python3\n"}
    assert skill["binaryFiles"] == {"assets/logo.png": "iVBOR/8="}
    assert skill["requires"]["tools"] == ["read_file", "Bash(git:*)", "execute_command"]


def test_a_pack_has_the_skills_of_its_folders_after_those_that_it_names(write: Write) -> None:
    inline = PACK + "  skills: [{name: first, content: x}]\n"
    folder = write(
        {"skillpack.yaml": inline, "skills/pdf-forms/SKILL.md": AGENT_SKILL, "skills/pdf-forms/more.md": "y", "server.py": "z"}
    )
    pack = read_skill_folder(folder)
    assert pack["spec"]["category"] == "sre"
    assert [skill["name"] for skill in pack["spec"]["skills"]] == ["first", "pdf-forms"]
    assert pack["spec"]["skills"][1]["files"] == {"more.md": "y"}


def test_a_pack_of_tools_alone_needs_no_instructions(write: Write) -> None:
    assert read_skill_folder(write({"skillpack.yaml": PACK}))["spec"]["skills"] == []


def test_a_link_leads_nowhere(write: Write, tmp_path: Path) -> None:
    folder = write({"SKILL.md": AGENT_SKILL})
    (folder / "passwd").symlink_to("/etc/passwd")
    (skill,) = read_skill_folder(folder)["spec"]["skills"]
    assert not skill.get("files")


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"SKILL.md": "# no front matter"}, "SKILL.md: has no front matter (begin with three lines"),
        ({"SKILL.md": "---\nname: A B\n---\nx"}, "SKILL.md: name: is 'A B' (lower-case letters"),
        ({"SKILL.md": "---\nname: a\n---\nx"}, "SKILL.md: description: is missing"),
        ({"SKILL.md": "---\nname: a\ndescription: b\n---\n\n"}, "has no instructions after its front matter"),
        ({"SKILL.md": "---\nname: [\n---\nx"}, "is not YAML (line"),
        ({"SKILL.md": f"---\nname: a\ndescription: {'b' * 1025}\n---\nx"}, "description: has 1025 characters (at most 1024)"),
        ({"SKILL.md": b"\xff"}, "SKILL.md: is not UTF-8"),
        ({"SKILL.md": AGENT_SKILL, "big.txt": "x" * (MAX_PACK + 1)}, "big.txt: is too much for a SkillPack"),
        ({"SKILL.md": AGENT_SKILL, "a b.txt": "x"}, "'a b.txt' is no plain path"),
        ({"skillpack.yaml": "kind: Pod"}, "skillpack.yaml: kind: is no SkillPack"),
        ({"skillpack.yaml": PACK + "  sidecars: {}\n"}, "skillpack.yaml: spec.sidecars:"),
        ({"README.md": "x"}, "holds neither skillpack.yaml nor SKILL.md"),
    ],
)  # fmt: skip
def test_each_fault_names_its_file_and_a_good_value(write: Write, files: dict[str, str | bytes], said: str) -> None:
    assert said in causes(write(files))


def test_what_is_wrong_is_said_at_once(write: Write) -> None:
    said = causes(write({"skillpack.yaml": PACK, "skills/a/SKILL.md": "x", "skills/b/SKILL.md": "---\nname: b\n---\ny"}))
    assert "a/SKILL.md" in said
    assert "b/SKILL.md: description" in said


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    assert "is no folder" in causes(tmp_path / "none")
    assert not is_skill_folder(tmp_path)
