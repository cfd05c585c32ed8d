from __future__ import annotations

import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from sympozium_core.cli.main import COMMANDS


def test_help_names_every_command(alone: Any) -> None:
    out = alone("--help").out
    assert all(f"  {name} " in out for name in COMMANDS)
    assert alone("help").out == alone().out == out


def test_version(alone: Any) -> None:
    assert alone("version").out == alone("--version").out == f"sympozium {version('sympozium-core')}\n"
    assert alone("version", "-o", "json").json == {"version": version("sympozium-core")}


def test_a_command_that_is_not_there(alone: Any) -> None:
    done = alone("aply", code=2)
    assert "no command 'aply'; did you mean apply?" in done.err
    assert not done.out


@pytest.mark.parametrize(
    "arguments",
    [
        ["get"],
        ["runs"],
        ["run", "task"],
        ["apply"],
        ["get", "si", "-o", "xml"],
        ["serve", "--max-concurrent-runs", "0"],
        ["plugins", "list", "--kind", "x"],
    ],
)
def test_a_wrong_command_line(arguments: list[str], alone: Any) -> None:
    done = alone(*arguments, code=2)
    assert done.err.startswith("usage: sympozium")
    assert not alone.data.exists()


@pytest.mark.parametrize(
    "arguments", [["--help"], ["get", "events", "-A"], ["get", "secrets", "-A", "-o", "yaml"], ["plugins", "list"]]
)
def test_a_reader_that_has_gone_is_no_error(arguments: list[str], helper: Any) -> None:
    process = helper.start(*arguments)
    process.stdout.close()
    process.stdout = None
    assert process.communicate(timeout=30)[1] == ""
    assert process.returncode == 0


def test_a_data_directory_that_cannot_be(alone: Any) -> None:
    done = alone("get", "si", "--data-dir", "/proc/nowhere", code=6)
    assert "/proc/nowhere" in done.err
    assert "SYMPOZIUM_DATA_DIR" in done.err


def test_the_option_wins_over_the_environment(alone: Any, tmp_path: Path) -> None:
    alone("get", "si", "--data-dir", str(tmp_path / "other"))
    assert (tmp_path / "other").is_dir()
    assert not alone.data.exists()


def test_nothing_is_left_running_after_a_command_without_a_server(alone: Any) -> None:
    alone("get", "si")
    found = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    assert str(alone.data) not in found
    assert not (alone.data / "api.sock").exists()
