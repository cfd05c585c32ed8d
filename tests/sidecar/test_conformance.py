"""The library's tool servers, and the documented one in shell, pass the suite of tool servers."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import ClassVar

import pytest

from sympozium_core.testing.tool_server import Probe, Probes, ToolServerContract

SHELL = Path(__file__).parents[2] / "docs" / "examples" / "shell-tool-server.sh"
LIBRARY = """
import os, sys, time
from typing import Annotated
from sympozium_core.sidecar import Call, Outcome, Server, tool

@tool
def echo(text: str) -> str:
    "Give a text back."
    return text

@tool
def count(word: str) -> str:
    "Add a word to the file counted."
    with open(os.environ["SYMPOZIUM_WORKSPACE"] + "/counted", "a") as file:
        file.write(word + "\\n")
    return "counted"

@tool
def wait(seconds: float, call: Call) -> Outcome:
    "Wait for so many seconds."
    end = time.monotonic() + seconds
    while time.monotonic() < end and not call.cancelled and call.remaining:
        time.sleep(0.005)
    return Outcome("waited", "timeout" if not call.remaining else "ok")

Server("library", [echo, count, wait]).serve()
"""
DECLARED = """{"tools": [
  {"name": "say", "description": "Say a text.", "exec": ["printf", "%s"], "positionalArgs": ["text"],
   "parameters": {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}},
  {"name": "rest", "description": "Rest for so many seconds.", "exec": ["sleep"], "positionalArgs": ["seconds"],
   "parameters": {"type": "object", "properties": {"seconds": {"type": "integer"}}, "required": ["seconds"]}},
  {"name": "lines", "description": "Give so many lines.", "exec": ["seq"], "positionalArgs": ["many"],
   "parameters": {"type": "object", "properties": {"many": {"type": "integer"}}, "required": ["many"]}},
  {"name": "add", "description": "Add a word.", "exec": ["tee", "-a", "counted"], "inputMode": "stdin",
   "parameters": {"type": "object", "properties": {"word": {"type": "string"}}}}
]}"""


def shell(text: str) -> Probe:
    return Probe("execute_command", {"command": text})


def quoted(text: str) -> str:
    return "printf %s '" + text.replace("'", "'\\''") + "'"


class TestLibrary(ToolServerContract):
    name = "library"
    command = (sys.executable, "-c", LIBRARY)
    probes = Probes(
        example=Probe("echo", {"text": "hello"}),
        echo=lambda text: Probe("echo", {"text": text}),
        slow=Probe("wait", {"seconds": 60}),
        count=lambda word: Probe("count", {"word": word}),
        wrong=Probe("echo", {"text": 3}),
    )
    lacks: ClassVar = {"flood": "a request has less than the content of a result, and nothing here makes more of it"}


class TestDeclared(ToolServerContract):
    """Commands that a SkillPack declares."""

    name = "declared"
    command = (sys.executable, "-m", "sympozium_core.sidecar", "declared", DECLARED)
    probes = Probes(
        example=Probe("say", {"text": "hello"}),
        echo=lambda text: Probe("say", {"text": text}),
        slow=Probe("rest", {"seconds": 60}),
        flood=Probe("lines", {"many": 1_000_000}),
        wrong=Probe("say", {}),
    )
    lacks: ClassVar = {"count": "a declared command cannot append a bare word"}
    known_gaps: ClassVar = {
        "test_large_arguments_come_through": "one word of a command line has at most 128 KiB; stdin takes more"
    }


@pytest.mark.skipif(shutil.which("jq") is None, reason="the documented tool server in shell needs jq")
class TestShell(ToolServerContract):
    name = "demo"
    command = ("sh", str(SHELL), "demo")
    probes = Probes(
        example=shell("echo hello"),
        echo=lambda text: shell(quoted(text)),
        slow=shell("sleep 60"),
        flood=shell("seq 1000000"),
        count=lambda word: shell(f"echo {word} >> counted"),
        wrong=shell(""),
    )


def test_the_shell_server_is_short() -> None:
    assert len(SHELL.read_text().splitlines()) <= 45
