"""The client that the control plane finds here, by the suite of its contract."""

from __future__ import annotations

from sympozium_skill_mcp.discovery import SdkClient

from sympozium_core.testing.mcp_client import McpClientContract


class TestSdk(McpClientContract):
    client_class = SdkClient
    entry_point = "sdk"
