"""Tools that a SkillPack declares, served as commands by ``python -m sympozium_core.sidecar``."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any


def test_declared_tools_run_as_commands(new_volume: Callable[[str], Any], tmp_path: Path) -> None:
    show = "import sys; print(sys.argv[1:], sys.stdin.read(), end='')"
    parameters = {
        "type": "object",
        "properties": {"path": {"type": "string"}, "deep": {"type": "boolean"}},
        "required": ["path"],
    }
    tools = [
        {
            "name": "by_args",
            "description": "A.",
            "exec": [sys.executable, "-c", show],
            "positionalArgs": ["path"],
            "parameters": parameters,
        },
        {
            "name": "by_stdin",
            "description": "B.",
            "exec": [sys.executable, "-c", show],
            "inputMode": "stdin",
            "parameters": parameters,
        },
        {"name": "missing", "description": "C.", "exec": ["/no/such/program"]},
    ]
    (tmp_path / "tools.json").write_text(json.dumps({"tools": tools}))
    volume = new_volume("declared")
    volume.start([sys.executable, "-m", "sympozium_core.sidecar", "declared", str(tmp_path / "tools.json")])
    assert [tool.name for tool in volume.manifest().tools] == ["by_args", "by_stdin", "missing"]
    assert volume.call("c1", "by_args", path="--help; id", deep=True).content == "['--deep', '--', '--help; id'] "
    assert volume.call("c2", "by_stdin", path="é").content == '[] {"path":"é"}'
    assert "'path' missing" in volume.call("c3", "by_args").content
    result = volume.call("c4", "missing")
    assert (result.status, result.exit_code) == ("error", 127)
    assert volume.end() == 0


def test_in_a_pod_it_serves_what_its_skillpack_declares(new_volume: Callable[[str], Any]) -> None:
    volume = new_volume("lines")
    declared = json.dumps({"tools": [{"name": "count", "description": "A.", "exec": ["echo", "two"]}]})
    volume.start([sys.executable, "-m", "sympozium_core.sidecar"], SYMPOZIUM_SKILL_PACK="lines", SYMPOZIUM_SKILL_TOOLS=declared)
    assert volume.call("c1", "count").content == "two\n"
    assert volume.end() == 0


def test_a_bad_declaration_is_told_and_ends_it(tmp_path: Path) -> None:
    (tmp_path / "tools.json").write_text(json.dumps({"tools": [{"name": "t", "exec": []}]}))
    command = [sys.executable, "-m", "sympozium_core.sidecar", "declared", str(tmp_path / "tools.json")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "tools.json: tools[0].exec: is empty" in done.stderr
