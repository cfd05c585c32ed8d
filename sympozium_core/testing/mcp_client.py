"""The conformance suite of MCP clients (`sympozium_core.contracts.mcp`).

    class TestSdk(McpClientContract):
        client_class = SdkClient
        entry_point = "sdk"

The suite plays the servers: no network is needed. Needs pytest and pytest-asyncio.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import entry_points
from typing import ClassVar

import pytest

from sympozium_core.contracts.mcp import McpClient
from sympozium_core.names import GROUP_MCP_CLIENTS
from sympozium_core.registry.drivers import driver_fault
from sympozium_core.testing.imported_alone import imported_alone
from sympozium_core.testing.mcp_client_adapter import AdapterChecks
from sympozium_core.testing.mcp_client_case import McpCase
from sympozium_core.testing.mcp_client_faults import FaultChecks
from sympozium_core.testing.mcp_client_manners import MannerChecks
from sympozium_core.testing.mcp_client_sse import SseChecks
from sympozium_core.testing.mcp_client_stateless import StatelessChecks
from sympozium_core.testing.mcp_client_tools import ToolChecks

PUBLIC = ("contracts", "errors")
"""What of the core is loaded with what a client may import."""


@pytest.mark.asyncio
class McpClientContract(ToolChecks, MannerChecks, FaultChecks, StatelessChecks, SseChecks, AdapterChecks):
    """To be subclassed as ``Test…`` with `client_class`. Every check gets a client, and servers that know the rules of the protocol and refuse what is against them."""

    client_class: ClassVar[type[McpClient]]
    entry_point: ClassVar[str] = ""
    """Its name in the package; empty for a class that is not installed."""
    known_gaps: ClassVar[Mapping[str, str]] = {}
    """Names of checks that fail, with the reason; one that passes nevertheless is an error."""

    @pytest.fixture
    def case(self, request: pytest.FixtureRequest, caplog: pytest.LogCaptureFixture) -> McpCase:
        gap = self.known_gaps.get(request.node.originalname)
        if gap is not None:
            request.node.add_marker(pytest.mark.xfail(reason=gap, strict=True))
        return McpCase(self.client_class(), caplog)

    async def test_the_entry_point_names_the_class(self) -> None:
        assert not (fault := driver_fault(self.client_class, McpClient)), fault
        if not self.entry_point:
            pytest.skip("a class that is not installed has no entry point")
        found = list(entry_points(group=GROUP_MCP_CLIENTS, name=self.entry_point))
        assert len(found) == 1, (
            f"{len(found)} installed packages have an entry point {self.entry_point!r} in {GROUP_MCP_CLIENTS}"
        )
        assert found[0].load() is self.client_class

    async def test_declarations_name_what_there_is(self) -> None:
        unknown = [name for name in self.known_gaps if not hasattr(type(self), name)]
        assert not unknown, f"known_gaps names no check of the suite: {', '.join(unknown)}"

    async def test_its_module_can_be_imported_alone_and_says_nothing(self) -> None:
        done = imported_alone(self.client_class.__module__)
        assert done.returncode == 0, done.stderr[-2000:]
        assert not done.stdout, f"it prints when it is imported: {done.stdout[:200]!r}"

    async def test_its_module_imports_of_the_core_what_is_public(self) -> None:
        done = imported_alone(
            self.client_class.__module__, "print(*(n for n in sys.modules if n.startswith('sympozium_core.')), sep='\\n')"
        )
        assert done.returncode == 0, done.stderr[-2000:]
        strange = [name for name in done.stdout.split() if name.split(".")[1] not in PUBLIC]
        assert not strange, f"not for clients, and may change without notice: {', '.join(strange)}"
