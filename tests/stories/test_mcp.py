"""A run uses the tools of MCP servers without having a network or a credential: real servers of the official SDK, over both of its HTTP transports."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sympozium_core.contracts.cluster import Object
from sympozium_core.resources.kinds import MCP_SERVER
from sympozium_core.testing.conversations import call, results, told, turns
from sympozium_core.testing.embedded import OpenPlane, Plane, furnish, phase_of, secret
from sympozium_core.testing.servers.openai import OpenAIServer
from sympozium_core.testing.servers.script import Answer
from tests.mcp_server import sdk_server

TOKEN = "tok-story-9c1d-never-in-clear"


def mcp_server(name: str = "calc", **spec: Any) -> Object:
    return {
        "apiVersion": "sympozium.ai/v1alpha1",
        "kind": "MCPServer",
        "metadata": {"name": name},
        "spec": {"transportType": "http", "toolsPrefix": name, **spec},
    }


async def until_ready(plane: Plane, name: str = "calc", *, ready: bool = True) -> Object:
    """By watch: the server as it is when its status says so."""
    return await plane.until_object(MCP_SERVER, name, lambda found: (found.get("status") or {}).get("ready") is ready)


def offered(model: OpenAIServer) -> set[str]:
    return {tool["function"]["name"] for tool in model.requests[0].body.get("tools") or []}


@pytest.mark.parametrize("sandbox", ["process", "bubblewrap"])
@pytest.mark.parametrize("transport", ["http", "sse"])
async def test_a_run_calls_tools_of_a_server(
    open_plane: OpenPlane, model: OpenAIServer, data_dir: Path, transport: str
) -> None:
    async with sdk_server(transport, f"Bearer {TOKEN}") as server, open_plane() as plane:
        header = {"name": "Authorization", "value": "Bearer ", "valueFrom": {"secretKeyRef": {"name": "calc", "key": "token"}}}
        await plane.apply(
            secret("calc", TOKEN, "token"),
            mcp_server(transportType=transport, url=server.url, headers=[header], toolsDeny=["wipe*"]),
        )
        await furnish(plane, model, mcpServers=[{"name": "calc", "toolsPrefix": "calc"}])
        model.script = turns(
            Answer("", (call("calc_add", a=2, b=3),)),
            Answer("", (call("calc_fail", why="no such luck"),)),
            Answer("", (call("calc_picture"),)),
            Answer("It is 5."),
        )
        ended = await plane.ended(await plane.run("what is 2 + 3?"))
        assert phase_of(ended) == "Succeeded"
        assert offered(model) >= {"calc_add", "calc_fail", "calc_sleep", "calc_picture"}
        assert "calc_wipe_everything" not in offered(model)
        five, failed, picture = results(model.requests[-1])
        assert five == "5"
        assert "no such luck" in failed
        assert "image/png" in picture
        assert server.added == [5]
        assert {seen["authorization"] for seen in server.seen} == {f"Bearer {TOKEN}"}
        assert TOKEN not in json.dumps(await plane.journal(ended))
        (first, *_) = await plane.journal(ended, "tool.requested")
        assert (first["server"], first["tool"]) == ("mcp", "calc_add")


async def test_what_a_server_has_is_in_its_status(open_plane: OpenPlane) -> None:
    async with sdk_server() as server, open_plane() as plane:
        await plane.apply(mcp_server(url=server.url, toolsAllow=["add", "wipe*"]))
        status = (await until_ready(plane))["status"]
        assert status["tools"] == ["add", "fail", "sleep", "picture", "wipe.everything"]
        assert (status["toolCount"], status["software"]) == (2, "calculator 7.1")
        add, fail, *_, wipe = status["toolDetails"]
        assert add["annotations"] == {"readOnly": True, "destructive": False, "idempotent": True, "openWorld": False}
        assert wipe["annotations"] == {"readOnly": False, "destructive": True, "idempotent": False, "openWorld": True}
        assert (add["offeredAs"], wipe["offeredAs"]) == ("calc_add", "calc_wipe_everything")
        assert "offeredAs" not in fail
        assert {found["type"]: found["status"] for found in status["conditions"]} == {"Suspended": "False", "Ready": "True"}


async def test_a_server_is_suspended_and_resumed(open_plane: OpenPlane, model: OpenAIServer) -> None:
    async with sdk_server() as server, open_plane() as plane:
        await plane.apply(mcp_server(url=server.url))
        await until_ready(plane)
        await furnish(plane, model, mcpServers=[{"name": "calc", "toolsPrefix": "calc"}])
        await plane.client.patch(MCP_SERVER, plane.namespace, "calc", {"spec": {"suspended": True}})
        await until_ready(plane, ready=False)
        model.script = turns(Answer("I have no calculator."))
        ended = await plane.ended(await plane.run("what is 2 + 3?"))
        assert phase_of(ended) == "Succeeded"
        assert not any(name.startswith("calc_") for name in offered(model))
        assert "calc: it is suspended" in str(model.requests[-1].body["messages"][0])
        assert any("calc" in event["message"] for event in await plane.events(ended))
        await plane.client.patch(MCP_SERVER, plane.namespace, "calc", {"spec": {"suspended": False}})
        await until_ready(plane)


async def test_a_server_that_is_not_there_costs_a_run_its_tools_alone(open_plane: OpenPlane, model: OpenAIServer) -> None:
    async with sdk_server() as server, open_plane() as plane:
        closed = "http://127.0.0.1:1/mcp"
        await plane.apply(mcp_server(url=server.url), mcp_server("gone", url=closed))
        gone = await until_ready(plane, "gone", ready=False)
        assert "cannot be connected to" in gone["status"]["conditions"][-1]["message"]
        bindings = [{"name": name, "toolsPrefix": name} for name in ("gone", "calc", "nobody")]
        bindings.append({"name": "inline", "toolsPrefix": "inline", "url": closed})
        await furnish(plane, model, mcpServers=bindings)
        model.script = turns(Answer("", (call("calc_add", a=1, b=1),)), Answer("2"))
        ended = await plane.ended(await plane.run("what is 1 + 1?"))
        assert phase_of(ended) == "Succeeded"
        assert told(model) == "2"
        text = str(model.requests[-1].body["messages"][0])
        assert "gone: it is not ready" in text
        assert "nobody: there is no MCPServer of that name" in text
        assert "inline: it did not answer when the run began" in text
        (problem,) = await plane.journal(ended, "problem")
        assert "MCP server inline has no tool in this run" in problem["what"]


async def test_a_call_that_takes_too_long_is_given_up(open_plane: OpenPlane, model: OpenAIServer) -> None:
    async with sdk_server() as server, open_plane() as plane:
        await plane.apply(mcp_server(url=server.url, timeout=1))
        await furnish(plane, model, mcpServers=[{"name": "calc", "toolsPrefix": "calc"}])
        model.script = turns(
            Answer("", (call("calc_sleep"),)), Answer("", (call("calc_add", a=1, b=1),)), Answer("It is 2 all the same.")
        )
        ended = await plane.ended(await plane.run("sleep"))
        assert phase_of(ended) == "Succeeded"
        slept, two = results(model.requests[-1])
        assert "did not answer within" in slept
        assert two == "2"
        first, second = await plane.journal(ended, "tool.result")
        assert (first["status"], second["status"]) == ("timeout", "ok")


async def test_tools_are_chosen_by_what_the_server_says_of_them(open_plane: OpenPlane, model: OpenAIServer) -> None:
    async with sdk_server() as server, open_plane() as plane:
        rules = [
            {"tool": "calc_*", "action": "allow", "when": "annotations.readOnly"},
            {"tool": "calc_*", "action": "deny"},
        ]
        policy = {
            "apiVersion": "sympozium.ai/v1alpha1",
            "kind": "SympoziumPolicy",
            "metadata": {"name": "readers"},
            "spec": {"template": "Permissive", "toolGating": {"rules": rules}},
        }
        await plane.apply(policy, mcp_server(url=server.url))
        await furnish(plane, model, policy="readers", mcpServers=[{"name": "calc", "toolsPrefix": "calc"}])
        model.script = turns(
            Answer("", (call("calc_wipe_everything"),)), Answer("", (call("calc_add", a=1, b=1),)), Answer("Only read.")
        )
        ended = await plane.ended(await plane.run("wipe"))
        wiped, two = results(model.requests[-1])
        assert "denied by policy" in wiped
        assert two == "2"
        assert [entry["rule"]["when"] for entry in await plane.journal(ended, "tool.requested")] == ["annotations.readOnly"]
