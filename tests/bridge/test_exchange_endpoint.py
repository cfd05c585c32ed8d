"""The sidecar for MCP as a hostile program: what it gets out of its pod is what the gate lets out, and nobody else gets anything out that way."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from sympozium_core.bus import subjects
from sympozium_core.bus.calls import CallRequest, serve
from sympozium_core.contracts.mcp import McpServer
from sympozium_core.contracts.plan import ToolServer
from sympozium_core.contracts.tool_policy import ToolPolicy, ToolRule
from sympozium_core.errors import Permanent
from sympozium_core.ipc.protocol import ToolResult

SERVER = McpServer("calc", "http", "https://mcp.example.com/mcp", "default", "calc")
LIST = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}


def called(**arguments: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {"name": "add", "arguments": arguments}}


class Sidecar:
    """What the program in the sidecar's place can do: its volume, and HTTP to where `exchange.json` says."""

    def __init__(self, world: Any, pod: Any, session: aiohttp.ClientSession, place: dict[str, str]) -> None:
        self.world, self.pod, self._session, self.place = world, pod, session, place
        self.asked: list[tuple[dict[str, Any], bytes]] = []
        self.answers: list[Any] = []

    async def gateway(self, request: CallRequest) -> AsyncIterator[bytes]:
        head, _, body = request.data.partition(b"\n")
        self.asked.append((json.loads(head), body))
        answer = self.answers.pop(0) if self.answers else b"{}"
        if isinstance(answer, Exception):
            raise answer
        yield json.dumps({"status": 200, "headers": {"content-type": "application/json"}}).encode()
        yield answer

    async def post(self, message: Any, path: str = "/calc/mcp", token: str | None = None) -> tuple[int, str]:
        headers = {"authorization": f"Bearer {self.place['token'] if token is None else token}"}
        data = io.BytesIO(json.dumps(message).encode())
        async with self._session.post(f"http://{self.place['address']}{path}", data=data, headers=headers) as response:
            return response.status, await response.text()


@pytest.fixture
async def sidecar(world: Any) -> AsyncIterator[Sidecar]:
    denied = ToolPolicy(rules=(ToolRule("calc_wipe", "deny", "policy"),))
    world.plan = world.make_plan(servers=(ToolServer("mcp"),), mcp=(SERVER,), tools=denied)
    pod = world.pod()
    volume = pod.volumes / "skill-mcp"
    carrying = asyncio.create_task(pod.carry(listen="127.0.0.1:0"))
    await world.until((volume / "exchange.json").exists)
    place = json.loads((volume / "exchange.json").read_text())
    async with aiohttp.ClientSession() as session:
        made = Sidecar(world, pod, session, place)
        server = await serve(world.bus, subjects.request("*", subjects.EXCHANGE), made.gateway, queue="gateway")
        yield made
        await server.close()
    carrying.cancel()


async def test_what_finds_out_about_tools_goes_out(sidecar: Sidecar) -> None:
    sidecar.answers = [b'{"tools": []}']
    assert await sidecar.post(LIST) == (200, '{"tools": []}')
    ((head, body),) = sidecar.asked
    assert (head["server"], head["method"], head["path"], head["attempt"]) == ("calc", "POST", "/mcp", 1)
    assert json.loads(body) == LIST


async def test_a_call_goes_out_while_the_gate_has_let_it_through(sidecar: Sidecar) -> None:
    status, because = await sidecar.post(called(a=1))
    assert (status, "under way" in because) == (403, True)
    came, done = asyncio.Event(), asyncio.Event()

    def run(request: Any) -> ToolResult | None:
        came.set()
        return None

    files = sidecar.pod.serve("mcp", "calc_add", "calc_wipe", run=run, parameters={"type": "object"})
    await sidecar.pod.task()
    sidecar.pod.request("mcp", "c1", "calc_add", {"a": 1})
    async with asyncio.timeout(20):
        await came.wait()
    assert (await sidecar.post(called(a=2)))[0] == 403
    assert (await sidecar.post(called(a=1)))[0] == 200
    files.answer(ToolResult("c1", "ok", "2"))
    assert (await sidecar.pod.result("mcp", "c1"))["content"] == "2"
    assert (await sidecar.post(called(a=1)))[0] == 403
    assert len(sidecar.asked) == 1
    done.set()


async def test_a_call_that_is_denied_never_goes_out(sidecar: Sidecar) -> None:
    sidecar.pod.serve("mcp", "calc_add", "calc_wipe", parameters={"type": "object"})
    await sidecar.pod.task()
    sidecar.pod.request("mcp", "c1", "calc_wipe", {})
    assert (await sidecar.pod.result("mcp", "c1"))["status"] == "denied"
    wipe = {"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {"name": "wipe", "arguments": {}}}
    assert (await sidecar.post(wipe))[0] == 403
    assert not sidecar.asked


@pytest.mark.parametrize(
    ("path", "token", "status"),
    [
        ("/calc/mcp", "guessed", 401),
        ("/calc/mcp", "", 401),
        ("/other/mcp", None, 404),
        ("/", None, 404),
        ("/calc/admin", None, 403),
    ],
)
async def test_nobody_else_and_nothing_else(sidecar: Sidecar, path: str, token: str | None, status: int) -> None:
    assert (await sidecar.post(LIST, path, token))[0] == status
    assert not sidecar.asked


async def test_what_the_gateway_cannot_do_is_said(sidecar: Sidecar) -> None:
    sidecar.answers = [Permanent("MCP server calc has no certificate that is trusted here", reason="ToolError")]
    status, because = await sidecar.post(LIST)
    assert (status, "no certificate" in because) == (502, True)


async def test_a_body_that_is_too_long_is_refused(sidecar: Sidecar) -> None:
    message = {**LIST, "params": {"x": "y" * 2_000_000}}
    assert (await sidecar.post(message))[0] == 413
    assert not sidecar.asked
