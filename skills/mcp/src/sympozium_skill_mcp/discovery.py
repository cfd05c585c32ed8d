"""What the control plane asks of MCP servers. The SDK is imported when somebody asks: a control plane without MCP servers does without it."""

from __future__ import annotations

from sympozium_core.contracts.mcp import Discovered, DiscoveredTool, Exchange, McpClient, McpServer, server_from_told, told
from sympozium_core.errors import SympoziumError, Temporary


class SdkClient(McpClient):
    @property
    def adapter(self) -> str:
        return "sympozium_skill_mcp.adapter"

    async def discover(self, server: McpServer, exchange: Exchange) -> Discovered:
        from sympozium_skill_mcp import talk
        from sympozium_skill_mcp.http import ExchangeTransport

        # Without the query and the headers, as a run's sidecar is told: what may be a credential is the exchange's to add, and in nobody's log.
        known = server_from_told(told(server))
        try:
            async with talk.session(known, ExchangeTransport(exchange)) as found:
                tools = await talk.all_tools(found)
                version, software = found.protocol_version, talk.software(found)
        except SympoziumError:
            raise
        except Exception as error:
            raise Temporary(f"MCP server {server.name}: {talk.words(error)}", reason="ToolError") from error
        all_of_them = tuple(DiscoveredTool(tool.name, tool.description or "", talk.annotations_of(tool)) for tool in tools)
        return Discovered(all_of_them, str(version or ""), software)
