"""What a command loads before it works: help, the version and lists of plugins are instant."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from sympozium_core.cli.main import COMMANDS

HEAVY = {
    "pydantic",
    "aiohttp",
    "kubernetes",
    "litellm",
    "stevedore",
    "pluggy",
    "yaml",
    "nats",
    "apsw",
    "cel_expr_python",
    "cryptography",
    "asyncio",
}
PROBE = """
import json, sys
from sympozium_core.cli.main import main
try:
    code = main(sys.argv[1:])
except SystemExit as ended:
    code = ended.code
print(json.dumps([code, sorted({name.partition(".")[0] for name in sys.modules})]), file=sys.stderr)
"""


def loaded(data: Path, *arguments: str) -> set[str]:
    ended = subprocess.run(
        [sys.executable, "-c", PROBE, *arguments],
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
        env={"SYMPOZIUM_DATA_DIR": str(data), "PATH": ""},
    )
    code, modules = json.loads(ended.stderr.splitlines()[-1])
    assert not code, ended.stderr
    return set(modules)


@pytest.mark.parametrize("arguments", [["--help"], ["version"], ["--version"]])
def test_help_and_version_load_nothing_heavy(arguments: list[str], tmp_path: Path) -> None:
    assert not loaded(tmp_path, *arguments) & HEAVY
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_a_command_loads_no_library(command: str, tmp_path: Path) -> None:
    assert not loaded(tmp_path, command, "--help") & (HEAVY - {"asyncio"})
    assert not list(tmp_path.iterdir())


def test_listing_plugins_imports_none_of_them(tmp_path: Path) -> None:
    modules = loaded(tmp_path, "plugins", "list")
    assert not {name for name in modules if name.startswith(("sympozium_provider", "sympozium_sandbox", "sympozium_skill"))}
    assert not modules & {"pydantic", "aiohttp", "kubernetes", "litellm"}


def test_a_command_without_a_server_speaks_no_http(tmp_path: Path) -> None:
    assert not loaded(tmp_path, "get", "instances") & {"aiohttp", "kubernetes", "litellm"}
