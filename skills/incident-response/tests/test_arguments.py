"""What a model gives is checked before kubectl is called, and reading alone offers no way back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sympozium_skill_incident_response import IncidentResponseSkill

from sympozium_core.sidecar.interpreter import python_command
from sympozium_core.testing.tool_client import ToolClient

COMMAND = python_command(IncidentResponseSkill().module())


@pytest.mark.parametrize(
    ("tool", "arguments", "says"),
    [
        ("incident_triage", {"kind": "deployment", "name": "--all"}, "name"),
        ("incident_triage", {"kind": "secret", "name": "web"}, "one of deployment"),
        ("incident_timeline", {"kind": "deployment", "name": "web", "namespace": "A b"}, "namespace"),
        ("rollback", {"kind": "deployment", "name": "web", "why": ""}, "give 'why'"),
        ("rollback", {"kind": "deployment", "name": "web", "why": "x", "revision": -1}, "number of a revision"),
        ("rollback", {"kind": "deployment", "name": "web"}, "'why' is missing"),
    ],
)
def test_what_does_not_fit_is_refused(tmp_path: Path, tool: str, arguments: dict[str, Any], says: str) -> None:
    with ToolClient(tmp_path, "incident-response", COMMAND) as server:
        assert says in server.refused(tool, **arguments)


def test_with_rights_to_read_nothing_is_rolled_back(tmp_path: Path) -> None:
    with ToolClient(tmp_path, "incident-response", COMMAND, SKILL_RIGHTS="read") as server:
        assert {tool.name for tool in server.manifest().tools} == {"incident_triage", "incident_timeline"}
