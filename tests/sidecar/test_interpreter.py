from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from sympozium_core.sidecar.interpreter import python_command

PROGRAM = """
import sys
import sympozium_core.sidecar, sympozium_core.names
print(__name__, sys.argv[1:], "site" in sys.modules, "yaml" in sys.modules)
"""


def test_it_runs_a_module_with_the_core_and_without_what_else_is_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "a_tool_server"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "__main__.py").write_text(PROGRAM)
    monkeypatch.syspath_prepend(str(tmp_path))
    command = [*python_command("a_tool_server"), "more", "words"]
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(command, cwd="/", env=environment, capture_output=True, text=True, timeout=30, check=False)
    assert done.stdout == "__main__ ['more', 'words'] False False\n", done.stderr


def test_the_runner_is_such_a_program() -> None:
    command = python_command("sympozium_core.runner")
    assert command[0] == sys.executable
    assert "sympozium_core.runner" in command


def test_a_package_that_is_not_there_is_named() -> None:
    with pytest.raises(ModuleNotFoundError, match="no_such_package"):
        python_command("no_such_package.server")
