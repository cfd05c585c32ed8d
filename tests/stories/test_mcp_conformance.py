"""The conformance suite of the Model Context Protocol for clients, as npm has it, on our client with the gateway's HTTP beneath it.

Not asked: elicitation, which a run has nobody for, and OAuth, for which an MCPServer has headers.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

import pytest

from tests import npm

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.xdist_group("npm")
@pytest.mark.parametrize("scenario", ["initialize", "tools_call", "sse-retry"])
async def test_our_client_conforms(tmp_path: Path, scenario: str) -> None:
    command = f"{sys.executable} -m tests.mcp_client"
    words = [*npm.conformance(), "client", "--command", command, "--scenario", scenario, "-o", str(tmp_path)]
    process = await asyncio.create_subprocess_exec(
        *words, cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    said, _ = await process.communicate()
    assert process.returncode == 0, said.decode()
    (checks,) = tmp_path.glob("*/checks.json")
    outcomes = [check["status"] for check in json.loads(checks.read_text())]
    assert "SUCCESS" in outcomes
    assert not {"FAILURE", "WARNING"} & set(outcomes)
