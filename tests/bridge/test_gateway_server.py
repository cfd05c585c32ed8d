"""`fetch_url` by way of the gate: asked for by files as any tool is, carried out by the gateway, which goes by the plan."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from sympozium_core.contracts.fetching import FetchPolicy, FetchRule
from sympozium_core.contracts.plan import Limits
from sympozium_core.contracts.tool_policy import ToolPolicy, ToolRule
from sympozium_core.gateway.fetch import Fetches
from sympozium_core.gateway.fetcher import Fetcher
from sympozium_core.gateway.target import FetchTarget
from tests.gateway.web import Names, Server, answer

HERE = "127.0.0.1"
OPEN = FetchPolicy("open", None, (f"{HERE}/32",))


@pytest.fixture
async def site() -> AsyncIterator[Server]:
    async with Server(HERE) as server:
        server.pages["/"] = answer("<p>Hello", kind="text/html")
        yield server


@pytest.fixture
async def fetching(world: Any) -> Any:
    """The world with a gateway that fetches."""
    names = Names()
    names.say("good.example", HERE)

    async def resolve(uid: str, attempt: int) -> FetchTarget:
        return FetchTarget(world.plan.fetch, world.attempt, world.deadline, world.plan.limits)

    world.fetches = Fetches(resolve, Fetcher(names.look_up, "listed"))
    await world.gateway.close()
    world.gateway = await world.new_gateway()
    return world


def planned(world: Any, policy: FetchPolicy | None = OPEN, **changes: Any) -> None:
    world.plan = world.make_plan(servers=(), fetch=policy, **changes)


async def test_a_page_by_files(fetching: Any, site: Server) -> None:
    planned(fetching)
    pod = fetching.pod()
    await pod.carry()
    [tool] = await pod.offered()
    assert (tool["name"], tool["server"]) == ("fetch_url", "gateway")
    assert "url" in tool["parameters"]["required"]
    pod.request("gateway", "c1", "fetch_url", {"url": f"http://good.example:{site.port}/"})
    result = await pod.result("gateway", "c1")
    assert (result["status"], result["content"].splitlines()[-1]) == ("ok", "Hello")
    asked, done = await fetching.entry("tool.requested"), await fetching.entry("tool.result")
    assert (asked["server"], asked["call"], done["status"]) == ("gateway", "c1", "ok")
    assert (await fetching.entry("fetch.answer"))["address"] == HERE
    started = await fetching.entry("started")
    assert (started["servers"]["gateway"], started["missing"]) == (["fetch_url"], [])


async def test_a_file_that_is_fetched_lands_beside_the_result(fetching: Any, site: Server) -> None:
    planned(fetching)
    site.pages["/a.bin"] = answer(bytes(range(256)), kind="application/octet-stream")
    site.pages["/b/a.bin"] = answer(b"\0other", kind="application/octet-stream")
    pod = fetching.pod()
    await pod.carry()
    for call, path in (("c1", "/a.bin"), ("c2", "/b/a.bin")):
        pod.request("gateway", call, "fetch_url", {"url": f"http://good.example:{site.port}{path}"})
    kept = [(await pod.result("gateway", call))["artifacts"] for call in ("c1", "c2")]
    assert kept == [["c1.a.bin"], ["c2.a.bin"]]
    folder: Path = pod.agent / "tools/gateway/artifacts"
    assert [(folder / name).read_bytes() for [name] in kept] == [bytes(range(256)), b"\0other"]


async def test_without_anything_to_fetch_there_is_no_such_server(fetching: Any) -> None:
    planned(fetching, None)
    pod = fetching.pod()
    await pod.carry()
    assert await pod.offered() == []
    pod.request("gateway", "c1", "fetch_url", {"url": "http://good.example/"})
    assert "no tool server has this name" in (await fetching.entry("problem"))["what"]
    assert await fetching.entries("fetch.request") == []


@pytest.mark.parametrize(
    ("tool", "arguments", "status", "because"),
    [
        ("fetch_url", {"url": "http://127.0.0.2/"}, "denied", "is this machine's own"),
        ("fetch_url", {"url": "http://169.254.169.254/latest"}, "denied", "never asked"),
        ("fetch_url", {"url": "http://0x7f.1/"}, "error", "cannot be read"),
        (
            "fetch_url",
            {"url": "http://good.example/", "method": "POST", "body": "x"},
            "denied",
            "no host that may be asked with POST",
        ),
        ("fetch_url", {"url": "file:///etc/passwd"}, "error", "only http and https"),
        ("fetch_url", {"url": "http://good.example/", "headers": {"Host": "evil"}}, "error", "not an agent's to send"),
        ("fetch_url", {"url": "http://good.example/", "attempt": 9}, "error", "not an argument of this tool"),
        ("fetch_url", {}, "error", "missing: url"),
        ("fetch_url", {"url": ["http://good.example/"]}, "error", "not of type string"),
        ("append", {"url": "http://good.example/"}, "denied", "serves no tool 'append'"),
    ],
)
async def test_what_a_hostile_agent_asks_for(
    fetching: Any, site: Server, tool: str, arguments: Any, status: str, because: str
) -> None:
    planned(fetching)
    pod = fetching.pod()
    await pod.carry()
    pod.request("gateway", "evil", tool, arguments)
    result = await pod.result("gateway", "evil")
    assert result["status"] == status
    assert because in result["content"]
    assert site.connections == 0


async def test_the_tools_policy_comes_first(fetching: Any, site: Server) -> None:
    planned(fetching, tools=ToolPolicy(rules=(ToolRule("fetch_url", "deny", "somebody says so"),)))
    pod = fetching.pod()
    await pod.carry()
    assert await pod.offered() == []
    pod.request("gateway", "c1", "fetch_url", {"url": f"http://good.example:{site.port}/"})
    assert "somebody says so" in (await pod.result("gateway", "c1"))["content"]
    assert site.connections == 0


async def test_a_skill_does_not_take_its_name(fetching: Any) -> None:
    planned(fetching)
    fetching.plan = fetching.make_plan(fetch=OPEN)
    pod = fetching.pod()
    pod.serve("shell", "fetch_url", "execute_command")
    await pod.carry()
    offered = {tool["name"]: tool["server"] for tool in await pod.offered()}
    assert offered == {"fetch_url": "gateway", "execute_command": "shell"}
    assert (await fetching.entry("started"))["conflicts"] == [
        {"tool": "fetch_url", "servers": ["gateway", "shell"], "chosen": "gateway"}
    ]


async def test_the_limit_is_the_gateways(fetching: Any, site: Server) -> None:
    planned(fetching, FetchPolicy("listed", (FetchRule("good.example"),), OPEN.private), limits=Limits(max_fetches=2))
    pod = fetching.pod()
    await pod.carry()
    for number in range(3):
        pod.request("gateway", f"c{number}", "fetch_url", {"url": f"http://good.example:{site.port}/"})
        result = await pod.result("gateway", f"c{number}")
    assert (result["status"], "limits.maxFetches" in result["content"]) == ("denied", True)
    assert len(site.asked) == 2


async def test_a_call_that_nobody_waits_for_ends(fetching: Any, site: Server) -> None:
    planned(fetching)
    site.pages["/silent"] = None
    pod = fetching.pod()
    await pod.carry()
    pod.request("gateway", "c1", "fetch_url", {"url": f"http://good.example:{site.port}/silent"})
    await fetching.until(lambda: site.asked)
    pod.put("tools/gateway/cancel/c1", "")
    assert (await pod.result("gateway", "c1"))["status"] == "unknown"
    assert "nobody waited" in (await fetching.entry("fetch.answer"))["message"]


async def test_a_gateway_that_is_away(fetching: Any) -> None:
    planned(fetching)
    pod = fetching.pod()
    await pod.carry()
    await fetching.gateway.close()
    pod.request("gateway", "c1", "fetch_url", {"url": "http://good.example/"})
    result = await pod.result("gateway", "c1")
    assert (result["status"], "no gateway" in result["content"]) == ("error", True)


async def test_a_call_of_an_earlier_attempt_is_not_made_again(fetching: Any, site: Server) -> None:
    planned(fetching)
    site.pages["/silent"] = None
    first = fetching.pod("pod-1")
    await first.carry()
    first.request("gateway", "c0", "fetch_url", {"url": f"http://good.example:{site.port}/"})
    before = await first.result("gateway", "c0")
    first.request("gateway", "c1", "fetch_url", {"url": f"http://good.example:{site.port}/silent"})
    await fetching.until(lambda: len(site.asked) == 2)
    await first.kill()
    fetching.attempt = 2
    second = fetching.pod("pod-2")
    await second.carry()
    for call, path in (("c0", "/"), ("c1", "/silent")):
        second.request("gateway", call, "fetch_url", {"url": f"http://good.example:{site.port}{path}"})
    assert (await second.result("gateway", "c0"))["content"] == before["content"]
    assert (await second.result("gateway", "c1"))["status"] == "unknown"
    assert len(site.asked) == 2
