from __future__ import annotations

import subprocess
import sys

from sympozium_skill_mcp import McpSkill
from sympozium_skill_mcp.discovery import SdkClient

from sympozium_core.names import GROUP_MCP_CLIENTS, GROUP_SKILLS, MCP_SERVER
from sympozium_core.registry.catalogue import installed
from sympozium_core.resources.skill_folder import read_skill_folder


def test_it_is_found_and_its_pack_is_sound() -> None:
    assert MCP_SERVER in [entry.name for entry in installed([GROUP_SKILLS])]
    assert [entry.distribution for entry in installed([GROUP_MCP_CLIENTS])] == ["sympozium-skill-mcp"]
    pack = read_skill_folder(McpSkill().folder())
    assert pack["metadata"]["name"] == MCP_SERVER
    assert pack["spec"]["sidecar"]["mountWorkspace"] is False
    assert not any(pack["spec"]["sidecar"].get(field) for field in ("rbac", "clusterRBAC", "secretRef"))


def test_the_control_plane_does_without_the_sdk_until_it_asks() -> None:
    code = """
import sys
from sympozium_skill_mcp import McpSkill
from sympozium_skill_mcp.discovery import SdkClient
McpSkill().command(); SdkClient().adapter
assert "mcp" not in sys.modules and "httpx2" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_adapter_is_a_module_that_can_be_started() -> None:
    done = subprocess.run([sys.executable, "-m", SdkClient().adapter, "--help"], capture_output=True, text=True, check=True)
    assert "--listen" in done.stdout
