"""What a policy lists in `allowedEgress`, for runs on a machine of one's own: by way of the bridge, since their sandbox has no network."""

from __future__ import annotations

from typing import Any

import pytest

from sympozium_core.testing.conversations import command, results, turns
from sympozium_core.testing.embedded import OpenPlane, furnish, phase_of
from sympozium_core.testing.servers.openai import OpenAIServer
from sympozium_core.testing.servers.script import Answer
from tests.gateway.web import Server, answer

GET = "python3 -c \"import urllib.request as web; print(web.urlopen('http://{host}:{port}/page', timeout=20).read().decode())\""


def policy(**network: Any) -> dict[str, Any]:
    return {
        "apiVersion": "sympozium.ai/v1alpha1",
        "kind": "SympoziumPolicy",
        "metadata": {"name": "outgoing"},
        "spec": {"template": "Permissive", "networkPolicy": {"denyAll": True, **network}},
    }


@pytest.mark.parametrize("sandbox", ["bubblewrap"])
async def test_a_command_reaches_what_is_listed_and_nothing_else(
    open_plane: OpenPlane, model: OpenAIServer, own_address: str
) -> None:
    here = own_address
    async with Server(host=here) as listed, Server(host=here) as other, open_plane() as plane:
        for site in (listed, other):
            site.pages["/page"] = answer("Here it is.", kind="text/plain")
        calls = tuple(command(GET.format(host=here, port=site.port)) for site in (listed, other))
        model.script = turns(Answer("", calls), Answer("Done."))
        await plane.apply(policy(allowedEgress=[{"host": f"{here}/32", "port": listed.port}]))
        await furnish(plane, model, policy="outgoing")
        ended = await plane.ended(await plane.run("fetch"))
        assert phase_of(ended) == "Succeeded"
        first, second = results(model.requests[-1])
        assert first.startswith("Here it is.\n")
        assert "403" in second
        assert [len(site.asked) for site in (listed, other)] == [1, 0]


@pytest.mark.parametrize("sandbox", ["bubblewrap"])
async def test_the_loopback_stays_closed(open_plane: OpenPlane, model: OpenAIServer) -> None:
    async with Server() as site, open_plane() as plane:
        site.pages["/page"] = answer("Here it is.", kind="text/plain")
        model.script = turns(Answer("", (command(GET.format(host="127.0.0.1", port=site.port)),)), Answer("Done."))
        await plane.apply(policy(allowedEgress=[{"host": "127.0.0.1", "port": site.port}]))
        await furnish(plane, model, policy="outgoing")
        run = await plane.run("fetch")
        assert phase_of(await plane.ended(run)) == "Succeeded"
        assert site.asked == []
        assert any("which stays closed" in message for message in await plane.told(run, "NotProvided"))
