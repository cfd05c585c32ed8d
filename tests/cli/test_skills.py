"""``sympozium skills``: a folder that is being written, linted, and tried in a sandbox with no model and no server."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

PACK = """
apiVersion: sympozium.ai/v1alpha1
kind: SkillPack
metadata: {name: words}
spec:
  sidecar:
    image: example.com/words:1
"""
SHELL = """#!/bin/sh
# Counts words: the least that a tool server can be.
dir=$SYMPOZIUM_IPC; [ -n "$dir" ] || dir=/ipc; dir=$dir/tools/words; mkdir -p "$dir/requests" "$dir/results"
echo '{"version": 1, "tools": [{"name": "count", "description": "Count.", "parameters": {"type": "object"}}]}' > "$dir/.m"; mv "$dir/.m" "$dir/manifest.json"
while [ ! -e "$dir/../../done" ]; do
  for file in "$dir"/requests/*.json; do
    [ -e "$file" ] || continue
    id=${file##*/}; id=${id%.json}; words=$(wc -w < "$file"); rm "$file"
    echo "{\\"id\\": \\"$id\\", \\"status\\": \\"ok\\", \\"content\\": \\"$words for $SKILL_WHOM\\"}" > "$dir/.r"; mv "$dir/.r" "$dir/results/$id.json"
  done
  sleep 0.05
done
"""
INSTRUCTIONS = "---\nname: words\ndescription: Counting words, when somebody asks how many there are.\n---\nUse `count`.\n"


@pytest.fixture
def skill(tmp_path: Path) -> Path:
    folder = tmp_path / "words"
    (folder / "skills/words").mkdir(parents=True)
    (folder / "tests").mkdir()
    (folder / "skillpack.yaml").write_text(PACK + "    command: [sh, ./server.sh]\n")
    (folder / "server.sh").write_text(SHELL)
    (folder / "skills/words/SKILL.md").write_text(INSTRUCTIONS)
    (folder / "tests/calls.yaml").write_text("calls:\n- {tool: count, contains: for you}\n")
    return folder


@pytest.mark.parametrize("sandbox", ["process", ""])
def test_a_server_in_shell_is_tried_in_a_sandbox(alone: Any, skill: Path, sandbox: str) -> None:
    done = alone("skills", "test", str(skill), "--param", "whom=you", "--sandbox", sandbox)
    assert "words: 1 tool, up in" in done.out
    assert "count()" in done.out
    assert "for you" in done.out
    assert "1 call, 0 not as they should be" in done.out
    assert not alone.data.exists(), "nothing is left of it, and no control plane was needed"


def test_a_result_that_is_not_as_expected_fails(alone: Any, skill: Path) -> None:
    done = alone("skills", "test", str(skill), "--param", "whom=me", code=1)
    assert "NOT AS IT SHOULD BE: 'for you' is not in its content" in done.out
    assert "there is no such tool" in alone("skills", "test", str(skill), "--call", "nothing", code=1).out


def test_declared_tools_need_no_server_at_all(alone: Any, skill: Path) -> None:
    (skill / "words.sh").write_text('#!/bin/sh\necho "$2" | wc -w\n')
    (skill / "words.sh").chmod(0o755)
    declared = "    tools:\n    - {name: count, description: Count., exec: [./words.sh], positionalArgs: [text], parameters: {properties: {text: {type: string, description: Text.}}, required: [text]}}\n"
    (skill / "skillpack.yaml").write_text(PACK + declared)
    done = alone("skills", "test", str(skill), "--call", 'count={"text": "to be or not"}')
    assert "| 4" in done.out
    assert "'text' missing" in alone("skills", "test", str(skill), "--call", "count", code=1).out


@pytest.mark.parametrize("sandbox", ["process", "bubblewrap"])
def test_a_secret_comes_from_the_environment_and_stands_nowhere(alone: Any, skill: Path, sandbox: str) -> None:
    declared = """    secretRef: service
    env:
    - {name: SERVICE_USER, valueFrom: {secretKeyRef: {name: service, key: user}}}
    tools:
    - {name: peek, description: Looks., exec: [sh, -c, 'cat "${SYMPOZIUM_SECRET:-/secrets/service}/token"; echo " of $SERVICE_USER"']}
"""
    (skill / "skillpack.yaml").write_text(PACK + declared)
    cli = replace(alone, environment={"TOKEN": "opens-nothing", "NAME": "ann"})
    words = ("skills", "test", str(skill), "--call", "peek", "--sandbox", sandbox)
    assert "| opens-nothing of ann" in cli(*words, "--secret", "token=TOKEN", "--secret", "user=NAME").out
    assert "No such file" in cli(*words).out, "a tool says what is missing"
    refused = cli(*words, "--secret", "token=opens-nothing", code=4).err
    assert "name of a variable" in refused
    assert "opens-nothing" not in refused


def test_what_a_tool_says_meanwhile_is_shown(alone: Any, skill: Path) -> None:
    declared = "    tools:\n    - {name: wait, description: Waits., exec: [sh, -c, 'echo half done; sleep 2; echo done']}\n"
    (skill / "skillpack.yaml").write_text(PACK + declared)
    out = alone("skills", "test", str(skill), "--call", "wait").out
    assert out.index("    … half done") < out.index("    | half done\n    | done")


def test_a_server_that_dies_says_its_last_words(alone: Any, skill: Path) -> None:
    (skill / "server.sh").write_text("echo no such database >&2; exit 3\n")
    done = alone("skills", "test", str(skill), code=1)
    assert "the tool server ended with 3: no such database" in done.err


def test_what_cannot_be_tried_says_why(alone: Any, skill: Path, tmp_path: Path) -> None:
    (skill / "skillpack.yaml").write_text(PACK)
    assert "as image 'example.com/words:1' alone" in alone("skills", "test", str(skill), code=5).err
    agent_skill = tmp_path / "plain"
    agent_skill.mkdir()
    (agent_skill / "SKILL.md").write_text(INSTRUCTIONS)
    assert "instructions only" in alone("skills", "test", str(agent_skill), code=5).err
    assert "holds no skill" in alone("skills", "test", str(tmp_path), code=5).err
    assert "not JSON" in alone("skills", "test", str(skill), "--call", "count={", code=4).err
    (skill / "tests/calls.yaml").write_text("calls: [{tool: count, argument: 3}]\n")
    assert "calls.yaml: calls[0].argument: is not known" in alone("skills", "test", str(skill), code=5).err


def test_lint_says_file_field_and_what_to_do(alone: Any, skill: Path) -> None:
    assert alone("skills", "lint", str(skill)).out == "words: nothing to say\n"
    (skill / "skills/words/SKILL.md").write_text(INSTRUCTIONS + "See [more](references/more.md).\n")
    done = alone("skills", "lint", str(skill), code=4)
    assert done.out.startswith("words: error: skills/words/SKILL.md: links to 'references/more.md', which is not there (")
    (skill / "skillpack.yaml").write_text(PACK + "    comand: [sh]\n")
    assert "skillpack.yaml: spec.sidecar.comand" in alone("skills", "lint", str(skill), code=4).out


def test_the_shell_package_is_tried_from_its_folder(alone: Any) -> None:
    package = Path(__file__).parents[2] / "skills/shell"
    done = alone("skills", "test", str(package), "--call", 'execute_command={"command": "echo $((6 * 7))"}')
    assert "| 42" in done.out
    assert os.listdir(package / "tests")


def test_installed_skills_are_listed(alone: Any) -> None:
    done = alone("skills", "list")
    assert ["shell", "0.1.0", "sympozium-skill-shell", "none"] in [row[:4] for row in done.rows]
