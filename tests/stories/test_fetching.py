"""A run fetches a page without having a network, as far as its policy lists it; and what the models' own connections may reach."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from sympozium_core.resources.kinds import SYMPOZIUM_POLICY
from sympozium_core.testing.conversations import call, results, turns
from sympozium_core.testing.embedded import OpenPlane, furnish, instance, phase_of
from sympozium_core.testing.servers.openai import OpenAIServer
from sympozium_core.testing.servers.script import Answer
from tests.gateway.web import Server, answer, redirect


def policy(name: str, **network: Any) -> dict[str, Any]:
    return {
        "apiVersion": "sympozium.ai/v1alpha1",
        "kind": "SympoziumPolicy",
        "metadata": {"name": name},
        "spec": {"template": "Default", "networkPolicy": network},
    }


def offered(model: OpenAIServer) -> set[str]:
    return {tool["function"]["name"] for tool in model.requests[0].body.get("tools") or []}


@pytest.mark.parametrize("sandbox", ["bubblewrap"])
@pytest.mark.parametrize("now", [{"paths": ["/other/"]}, None])
async def test_what_is_listed_no_longer_is_not_fetched_any_more(
    open_plane: OpenPlane, model: OpenAIServer, now: dict[str, Any] | None
) -> None:
    """By a run that is under way: its gateway goes by what is left."""
    held = [False]
    async with Server() as site, open_plane() as plane:
        site.pages["/docs/a"] = answer("The answer is 42.", kind="text/plain")
        asked = Answer("", (call("fetch_url", url=f"http://127.0.0.1:{site.port}/docs/a"),))
        model.script = turns(asked, replace(asked, until=lambda: held[0]), Answer("It is 42."))
        there = {"host": "127.0.0.1", "port": site.port, "paths": ["/docs/"]}
        await plane.apply(policy("readers", fetch={"allow": [there], "allowedPrivate": ["127.0.0.0/8"]}, denyAll=True))
        await furnish(plane, model, policy="readers")
        run = await plane.run("what is the answer?")
        await plane.entry(run, "fetch.answer")
        allow = [{**there, **now}] if now else []
        await plane.client.patch(
            SYMPOZIUM_POLICY, plane.namespace, "readers", {"spec": {"networkPolicy": {"fetch": {"allow": allow}}}}
        )
        await plane.until(run, lambda found: found["status"]["effectivePolicy"].get("tightenedBy"))
        held[0] = True
        assert phase_of(await plane.ended(run)) == "Succeeded"
        first, second = results(model.requests[-1])
        assert first.splitlines()[-1] == "The answer is 42."
        assert "may fetch nothing" in second if now is None else "does not list the path" in second
        assert [seen.target for seen in site.asked] == ["/docs/a"]
        (message,) = await plane.told(run, "PolicyTightened")
        assert ("nothing may be fetched" if now is None else "fewer pages may be fetched") in message


@pytest.mark.parametrize("sandbox", ["bubblewrap"])
async def test_a_run_fetches_what_its_policy_lists(open_plane: OpenPlane, model: OpenAIServer) -> None:
    async with Server() as site, open_plane() as plane:
        site.pages["/docs/a"] = answer("<title>A</title><p>The answer is <b>42</b>.", kind="text/html")
        site.pages["/docs/b"] = redirect(f"http://127.0.0.2:{site.port}/")
        url = f"http://127.0.0.1:{site.port}"
        asked = [
            f"{url}/docs/a",
            f"{url}/docs/b",
            f"{url}/docs/%2e%2e/admin",
            f"http://localhost:{site.port}/docs/a",
            "http://169.254.169.254/",
            model.base_url,
        ]
        model.script = turns(*(Answer("", (call("fetch_url", url=each),)) for each in asked), Answer("It is 42."))
        listed = {"host": "127.0.0.1", "port": site.port, "paths": ["/docs/"]}
        await plane.apply(policy("readers", fetch={"allow": [listed], "allowedPrivate": ["127.0.0.0/8"]}))
        await furnish(plane, model, policy="readers")
        ended = await plane.ended(await plane.run("what is the answer?"))
        assert phase_of(ended) == "Succeeded"
        assert "fetch_url" in offered(model)
        told = results(model.requests[-1])
        assert told[0].splitlines()[-1] == "The answer is 42."
        for text, because in zip(told[1:], ("127.0.0.2", "path", "'localhost'", "169.254", "port"), strict=True):
            assert because in text
        assert [seen.target for seen in site.asked] == ["/docs/a", "/docs/b"]
        assert len(await plane.journal(ended, "fetch.request")) == 6
        first, second, *_ = await plane.journal(ended, "fetch.answer")
        assert (first["source"], first["status"], first["address"]) == ("gw", 200, "127.0.0.1")
        assert (second["failure"], second["redirects"]) == ("refused", 1)


@pytest.mark.parametrize("sandbox", ["bubblewrap"])
async def test_nothing_is_offered_where_nothing_may_be_fetched(open_plane: OpenPlane, model: OpenAIServer) -> None:
    model.script = turns(Answer("", (call("fetch_url", url=model.base_url),)), Answer("I may not."))
    async with open_plane() as plane:
        await furnish(plane, model, policy="network-isolated")
        ended = await plane.ended(await plane.run("what is the answer?"))
        assert phase_of(ended) == "Succeeded"
        assert "fetch_url" not in offered(model)
        assert "there is no tool 'fetch_url'" in results(model.requests[-1])[0]
        assert not await plane.journal(ended, "fetch.request", "tool.requested")


async def test_a_model_on_this_machine_just_works(open_plane: OpenPlane, model: OpenAIServer) -> None:
    """Also by a name, which is judged when it is connected to."""
    model.script = turns(Answer("Hello."))
    async with open_plane() as plane:
        await furnish(plane, model)
        local = model.base_url.replace("127.0.0.1", "localhost")
        await plane.apply(instance("by-name", local, model=model.model, key_from="model-key"))
        assert phase_of(await plane.ended(await plane.run("hello", instance="by-name"))) == "Succeeded"
