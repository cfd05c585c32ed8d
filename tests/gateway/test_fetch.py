"""Pages for a run, over the bus: what is on record, who counts, and what the model is told."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import replace
from typing import Any

import pytest

from sympozium_core.bus import subjects
from sympozium_core.bus.calls import call
from sympozium_core.contracts.fetching import FetchPolicy, FetchRule
from sympozium_core.contracts.plan import Limits
from sympozium_core.errors import Permanent, Temporary
from sympozium_core.gateway.fetch import AT_ONCE_OF_ONE, Fetches
from sympozium_core.gateway.fetcher import MAX_BODY, Fetcher
from sympozium_core.gateway.target import FetchTarget
from tests.gateway.web import Names, Server, answer, redirect

UID = "run-uid-1"
HERE = "127.0.0.1"


class Fetching:
    def __init__(self, side: Any, server: Server) -> None:
        self.side, self.server = side, server
        self.names = Names()
        self.names.say("good.example", HERE)
        self.target = FetchTarget(FetchPolicy("p", None, (f"{HERE}/32",)), 1, time.time() + 30)
        side.fetches = self.fetches()

    def fetches(self) -> Fetches:
        return Fetches(self._resolve, Fetcher(self.names.look_up, "listed"))

    async def _resolve(self, uid: str, attempt: int) -> FetchTarget:
        assert uid == UID
        return self.target

    def url(self, path: str = "/") -> str:
        return f"http://good.example:{self.server.port}{path}"

    async def items(self, path: str = "/", name: str = "c1", attempt: int = 1, **arguments: Any) -> list[bytes]:
        told = {"attempt": attempt, "call": name, "arguments": {"url": self.url(path), **arguments}}
        subject = subjects.request(UID, subjects.FETCH)
        async with aclosing(call(self.side.bus, subject, json.dumps(told).encode(), deadline=time.time() + 20)) as items:
            return [item async for item in items]

    async def ask(self, path: str = "/", **more: Any) -> dict[str, Any]:
        return dict(json.loads((await self.items(path, **more))[0]))


@pytest.fixture
async def fetching(side: Any) -> AsyncIterator[Fetching]:
    async with Server() as server:
        server.pages["/"] = answer("<title>T</title><p>Hello <b>you</b>", kind="text/html; charset=utf-8")
        yield Fetching(side, server)


async def test_a_page_is_text_and_on_record(side: Any, fetching: Fetching) -> None:
    await side.gateway()
    fetching.server.pages["/go"] = redirect("/?token=s3cret&page=2")
    told = await fetching.ask("/go?key=k3y")
    assert (told["status"], told["truncated"], told["artifact"]) == ("ok", False, None)
    head, _, text = told["content"].partition("\n\n")
    assert head.split("\n") == [
        "HTTP 200 OK",
        f"URL: {fetching.url('/?token=s3cret&page=2')}",
        "Content-Type: text/html; charset=utf-8",
    ]
    assert text == "T\n\nHello you"
    asked, answered = await side.entries()
    assert (asked["type"], asked["call"], asked["method"], asked["sent"]) == ("fetch.request", "c1", "GET", 0)
    assert asked["url"] == fetching.url("/go?key=…")
    wanted = {"type": "fetch.answer", "call": "c1", "url": fetching.url("/?token=…&page=…"), "redirects": 1, "address": HERE}
    assert wanted.items() <= answered.items()
    assert (answered["status"], answered["bytes"], answered["truncated"], answered["contentType"]) == (
        200,
        35,
        False,
        "text/html",
    )
    assert not {"s3cret", "k3y"} & set(json.dumps([asked, answered]).replace("=", '"').split('"'))


async def test_what_is_refused_or_fails_is_on_record_too(side: Any, fetching: Fetching) -> None:
    await side.gateway()
    fetching.names.say("good.example", "10.0.0.1")
    told = await fetching.ask()
    assert told["status"] == "denied"
    assert "its address 10.0.0.1 is not public, and its range is not listed" in told["content"]
    fetching.names.say("good.example")
    assert (await fetching.ask())["status"] == "error"
    fetching.target = replace(fetching.target, policy=FetchPolicy("strict", (FetchRule("*.good.example"),)))
    assert "policy strict does not list the host" in (await fetching.ask())["content"]
    fetching.target = replace(fetching.target, policy=None)
    assert "may fetch nothing" in (await fetching.ask())["content"]
    found = [(entry["failure"], entry["address"]) for entry in await side.entries("fetch.answer")]
    assert found == [("refused", ""), ("failed", ""), ("refused", ""), ("refused", "")]
    assert len(await side.entries("fetch.request")) == 4
    assert fetching.server.connections == 0


async def test_the_gateways_count_and_not_the_pod(side: Any, fetching: Fetching) -> None:
    fetching.target = replace(fetching.target, limits=Limits(max_fetches=5))
    await side.gateway()
    side.fetches = fetching.fetches()
    await side.gateway()
    results = await asyncio.gather(*(fetching.ask() for _ in range(7)), return_exceptions=True)
    refused = [str(each) for each in results if isinstance(each, Permanent)]
    assert refused == ["the run has fetched 5 times, of 5 that it may (limits.maxFetches)"] * 2
    assert len(await side.entries("fetch.request")) == len(fetching.server.asked) == 5


async def test_a_gateway_that_is_new_has_counted_what_others_did(side: Any, fetching: Fetching) -> None:
    fetching.target = replace(fetching.target, limits=Limits(max_fetches=1))
    first = await side.gateway()
    await fetching.ask()
    await first.close()
    side.gateways.remove(first)
    side.fetches = fetching.fetches()
    await side.gateway()
    with pytest.raises(Permanent, match=r"limits.maxFetches"):
        await fetching.ask()


async def test_no_more_than_some_at_once(side: Any, fetching: Fetching) -> None:
    await side.gateway()
    fetching.server.pages["/silent"] = None
    held = [asyncio.create_task(fetching.items("/silent")) for _ in range(AT_ONCE_OF_ONE)]
    await side.until(lambda: len(fetching.server.asked) == AT_ONCE_OF_ONE)
    with pytest.raises(Temporary, match="are being fetched for this run already"):
        await fetching.ask()
    for task in held:
        task.cancel()
    await asyncio.gather(*held, return_exceptions=True)

    async def given_up() -> int:
        return len([each for each in await side.entries("fetch.answer") if "nobody waited" in each.get("message", "")])

    end = time.monotonic() + 10
    while await given_up() < AT_ONCE_OF_ONE:
        assert time.monotonic() < end
        await asyncio.sleep(0.01)
    assert (await fetching.ask())["status"] == "ok"


async def test_an_attempt_that_is_over_fetches_nothing(side: Any, fetching: Fetching) -> None:
    await side.gateway()
    fetching.target = replace(fetching.target, attempt=2)
    with pytest.raises(Permanent, match="attempt 1 of the run is over"):
        await fetching.ask()
    assert await side.entries() == []


async def test_a_file_that_is_no_text(side: Any, fetching: Fetching) -> None:
    await side.gateway()
    data = bytes(range(256)) * 4000
    fetching.server.pages["/pics/a%20logo.png"] = answer(data, kind="image/png")
    fetching.server.pages["/big"] = answer(b"\0" * (MAX_BODY + 1), kind="application/octet-stream")
    head, *rest = await fetching.items("/pics/a logo.png".replace(" ", "%20"))
    told = json.loads(head)
    assert (told["status"], told["artifact"]) == ("ok", "a-logo.png")
    assert "The file a-logo.png has 1024000 bytes of it." in told["content"]
    assert b"".join(rest) == data
    head, *rest = await fetching.items("/big")
    told = json.loads(head)
    assert (told["truncated"], told["artifact"], len(b"".join(rest))) == (True, "big", MAX_BODY)
    assert f"the first {MAX_BODY} bytes" in told["content"]


async def test_long_texts_are_cut_and_said_to_be(side: Any, fetching: Fetching) -> None:
    await side.gateway()
    fetching.server.pages["/long"] = answer("ä" * 60_000)
    told = await fetching.ask("/long")
    assert told["truncated"]
    assert told["content"].count("ä") == 50_000
    assert told["content"].endswith(
        "[cut: these are the first 50000 of 60000 characters; ask for more with maxChars, up to 100000]"
    )
    assert not (await fetching.ask("/long", maxChars=100_000))["truncated"]
    fetching.server.pages["/longer"] = answer("x" * (MAX_BODY + 5))
    told = await fetching.ask("/longer", maxChars=10)
    assert f"\n\n{'x' * 10}\n\n[cut: these are the first 10 of {MAX_BODY} characters" in told["content"]
    assert f"[the page is longer than the {MAX_BODY} bytes that were read of it]" in told["content"]


async def test_head_and_errors_of_servers(side: Any, fetching: Fetching) -> None:
    await side.gateway()
    assert (await fetching.ask("/nothing"))["content"].startswith("HTTP 404 Not Found\n")
    fetching.server.pages["/json"] = answer('{"a": 1}', kind="application/json")
    assert (await fetching.ask("/json", method="HEAD"))["content"].endswith("Content-Type: application/json\n\n")
    assert (await fetching.ask("/json"))["content"].endswith('{"a": 1}')
