"""What the control plane asks of MCP servers. The SDK is imported when somebody asks: a control plane without MCP servers does without it."""

from __future__ import annotations

from sympozium_core.contracts.mcp import Discovered, DiscoveredTool, Exchange, McpClient, McpServer
from sympozium_core.errors import SympoziumError, Temporary


class SdkClient(McpClient):
    @property
    def adapter(self) -> str:
        return "sympozium_skill_mcp.adapter"

    async def discover(self, server: McpServer, exchange: Exchange) -> Discovered:
        from sympozium_skill_mcp import talk
        from sympozium_skill_mcp.http import ExchangeTransport

        try:
            async with talk.session(server, ExchangeTransport(exchange)) as found:
                tools = await talk.all_tools(found)
                version, software = found.protocol_version, talk.software(found)
        except SympoziumError:
            raise
        except Exception as error:
            raise Temporary(f"MCP server {server.name}: {talk.words(error)}", reason="ToolError") from error
        told = tuple(DiscoveredTool(tool.name, tool.description or "", talk.annotations_of(tool)) for tool in tools)
        return Discovered(told, str(version or ""), software)
