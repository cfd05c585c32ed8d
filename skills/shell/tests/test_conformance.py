"""The package, its folder and its tool server keep the contracts of skills and of tool servers."""

from __future__ import annotations

from typing import ClassVar

from sympozium_skill_shell import ShellSkill

from sympozium_core.resources.skill_calls import AskedCall
from sympozium_core.testing.skill import Probe, Probes, SkillServerContract


def command(text: str, **more: object) -> Probe:
    return Probe("execute_command", {"command": text, **more})


def quoted(text: str) -> str:
    return "printf %s '" + text.replace("'", "'\\''") + "'"


class TestShell(SkillServerContract):
    skill_class = ShellSkill
    entry_point = "shell"
    speaks_legacy = True
    examples = (
        AskedCall("execute_command", {"command": "echo out; exit 3"}, contains="out", exit_code=3),
        AskedCall("execute_command", {"command": "sleep 60", "timeout": 1}, status="timeout"),
        AskedCall("execute_command", {"command": "true", "workdir": "/etc"}, status="error", contains="outside"),
    )
    probes = Probes(
        example=command("echo hello"),
        echo=lambda text: command(quoted(text)),
        slow=command("sleep 100", timeout=120),
        flood=command("seq 1000000"),
        count=lambda word: command(f"echo {word} >> counted"),
        wrong=command("true", timeout="5"),
    )
    known_gaps: ClassVar = {"test_large_arguments_come_through": "one word of a command line has at most 128 KiB"}
