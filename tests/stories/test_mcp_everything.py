"""The reference server "everything", which is not ours: run by Sympozium as a process, on its standard streams and over HTTP, and run elsewhere."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from sympozium_core.contracts.cluster import Object
from sympozium_core.resources.kinds import MCP_SERVER
from sympozium_core.testing.conversations import call, results, turns
from sympozium_core.testing.embedded import OpenPlane, ServerProcess, furnish, phase_of, secret
from sympozium_core.testing.servers.openai import OpenAIServer
from sympozium_core.testing.servers.script import Answer
from tests import npm
from tests.stories.test_mcp import mcp_server, until_ready

pytestmark = pytest.mark.xdist_group("npm")
BINDING = [{"name": "all", "toolsPrefix": "all"}]


def managed(transport: str, **spec: Any) -> Object:
    words = npm.everything({"stdio": "stdio", "http": "streamableHttp", "sse": "sse"}[transport])
    deployment = {"cmd": words[0], "args": words[1:], **spec.pop("deployment", {})}
    return mcp_server("all", transportType=transport, deployment=deployment, **spec)


@asynccontextmanager
async def elsewhere(transport: str) -> AsyncIterator[str]:
    """The server as somebody else runs it; its address."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    words = npm.everything({"http": "streamableHttp", "sse": "sse"}[transport])
    process = await asyncio.create_subprocess_exec(
        *words, env={**os.environ, "PORT": str(port)}, stderr=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL
    )
    try:
        async with asyncio.timeout(30):
            await listens(port)
        yield f"http://127.0.0.1:{port}/{'sse' if transport == 'sse' else 'mcp'}"
    finally:
        process.kill()
        await process.wait()


async def listens(port: int) -> None:
    while True:
        with contextlib.suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.close()
            return
        await asyncio.sleep(0.02)


async def use(plane: Any, model: OpenAIServer) -> Object:
    await furnish(plane, model, mcpServers=BINDING)
    model.script = turns(
        Answer("", (call("all_echo", message="hello"), call("all_get-sum", a=2, b=3))),
        Answer("", (call("all_get-tiny-image"), call("all_get-env"))),
        Answer("Done."),
    )
    ended: Object = await plane.ended(await plane.run("try everything"))
    assert phase_of(ended) == "Succeeded"
    echo, total, image, _ = results(model.requests[-1])
    assert echo == "Echo: hello"
    assert "5" in total
    assert "image/png" in image
    return ended


@pytest.mark.parametrize("transport", ["http", "sse"])
async def test_a_run_uses_one_that_runs_elsewhere(open_plane: OpenPlane, model: OpenAIServer, transport: str) -> None:
    async with elsewhere(transport) as url, open_plane() as plane:
        await plane.apply(mcp_server("all", transportType=transport, url=url))
        status = (await until_ready(plane, "all"))["status"]
        assert {"echo", "get-sum", "get-tiny-image"} <= set(status["tools"])
        await use(plane, model)


@pytest.mark.parametrize("transport", ["stdio", "http", "sse"])
async def test_a_run_uses_one_that_runs_here(open_plane: OpenPlane, model: OpenAIServer, transport: str) -> None:
    async with open_plane() as plane:
        deployment = {"env": {"COLOUR": "green"}, "secretRefs": [{"name": "all"}]}
        await plane.apply(secret("all", "sesame", "WORD"), managed(transport, deployment=deployment))
        await use(plane, model)
        environment = results(model.requests[-1])[3]
        assert '"COLOUR": "green"' in environment
        assert '"WORD": "sesame"' in environment
        found = await until_ready(plane, "all")
        conditions = {each["type"]: each["status"] for each in found["status"]["conditions"]}
        assert conditions == {"Suspended": "False", "Deployed": "True", "Ready": "True"}
        assert processes_of(plane.data_dir)
    assert not processes_of(plane.data_dir), "a server has outlived the control plane"


async def test_one_that_dies_is_started_again_and_one_that_is_suspended_stops(open_plane: OpenPlane) -> None:
    async with open_plane() as plane:
        await plane.apply(managed("stdio"))
        await until_ready(plane, "all")
        before = processes_of(plane.data_dir)
        for pid in before:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        await plane.until_object(
            MCP_SERVER,
            "all",
            lambda found: (
                found["status"].get("ready") and not before & processes_of(plane.data_dir) and processes_of(plane.data_dir)
            ),
        )
        await plane.client.patch(MCP_SERVER, plane.namespace, "all", {"spec": {"suspended": True}})
        await until_ready(plane, "all", ready=False)
        assert not processes_of(plane.data_dir)


async def test_none_outlives_a_control_plane_that_is_killed(data_dir: Path) -> None:
    async with ServerProcess(data_dir, sandbox="process") as server:
        await server.plane.apply(managed("stdio"))
        await until_ready(server.plane, "all")
        left = processes_of(data_dir)
        assert left
        await server.kill()
        end = time.monotonic() + 20
        while left & processes_of(data_dir):
            assert time.monotonic() < end, "it has outlived the control plane"
            await asyncio.sleep(0.05)
        await server.start()


async def test_one_that_cannot_start_says_why(open_plane: OpenPlane) -> None:
    async with open_plane() as plane:
        await plane.apply(
            mcp_server("none", transportType="http", deployment={"cmd": "no-such-program"}),
            mcp_server(
                "bad", transportType="http", deployment={"cmd": "/bin/sh", "args": ["-c", "echo out of luck >&2; exit 3"]}
            ),
        )
        for name, because in (("none", "No such file"), ("bad", "ended with 3: out of luck")):
            found = await until_ready(plane, name, ready=False)
            said = {each["type"]: each for each in found["status"]["conditions"]}
            assert said["Deployed"]["status"] == "False"
            assert because in said["Deployed"]["message"]
            assert said["Ready"]["reason"] == "NotDeployed"


def processes_of(data_dir: Path) -> set[int]:
    """Of the servers that this control plane runs: they work in its folder."""
    found = set()
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if entry.name.isdigit() and os.readlink(entry / "cwd") == str(data_dir / "mcp"):
                found.add(int(entry.name))
    return found
