"""Part of `mcp_client.McpClientContract`: servers of the version that has no handshake and no sessions, in which every request says all that it has to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sympozium_core.testing.mcp_client_case import McpCase
from sympozium_core.testing.mcp_client_server import JSON, STREAM, Answer, ProtocolServer, Seen, error, result, tool, whole

STATELESS = "2026-07-28"
UNSUPPORTED = -32022
META = "io.modelcontextprotocol/"


class StatelessServer(ProtocolServer):
    """It refuses a handshake, as it has to, with the versions that it knows."""

    def __init__(self, *tools: Mapping[str, Any]) -> None:
        super().__init__(*tools)
        self.version = STATELESS

    def rules(self, seen: Seen) -> Iterable[str]:
        if seen.verb != "POST":
            yield f"nothing is known of {seen.verb}"
        if not (JSON in seen.headers.get("accept", "") and STREAM in seen.headers.get("accept", "")):
            yield f"a client accepts both {JSON} and {STREAM}"
        if "mcp-session-id" in seen.headers:
            yield "there is no session"
        if seen.method == "initialize":
            return
        meta = (seen.message.get("params") or {}).get("_meta") or {}
        if not isinstance(meta.get(f"{META}clientCapabilities"), dict):
            yield f"{seen.method} does not say what the client can do"
        if meta.get(f"{META}protocolVersion") != STATELESS or seen.headers.get("mcp-protocol-version") != STATELESS:
            yield f"{seen.method} does not say its version, in its header and in itself"
        if seen.headers.get("mcp-method") != seen.method:
            yield f"{seen.method} has no header that says so"

    async def answer(self, seen: Seen) -> Answer:
        if seen.method == "initialize":
            said = error(seen.message, UNSUPPORTED, "unsupported protocol version")
            versions = {"supported": [STATELESS], "requested": seen.message["params"]["protocolVersion"]}
            return whole(said | {"error": said["error"] | {"data": versions}}, 400)
        cached = {"resultType": "complete", "ttlMs": 0, "cacheScope": "private"}
        if seen.method == "server/discover":
            meta = {f"{META}serverInfo": self.software}
            found = {"supportedVersions": [STATELESS], "capabilities": self.capabilities, "_meta": meta, **cached}
            return whole(result(seen.message, found))
        answered = self.found(seen.message)
        if "result" in answered:
            answered["result"] |= cached
        return whole(answered, 200 if "result" in answered else 404)


class StatelessChecks:
    async def test_the_version_without_a_handshake_is_spoken(self, case: McpCase) -> None:
        wire = StatelessServer()
        wire.pages = [[tool("one", "First.")], [tool("two")]]
        found = await case.discover(wire)
        assert [(each.name, each.description) for each in found.tools] == [("one", "First."), ("two", "")]
        assert found.protocol == STATELESS
        assert "warehouse" in found.software
        assert wire.refusals == []
