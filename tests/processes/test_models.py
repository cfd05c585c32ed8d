"""The providers that a gateway opens, and what their connections may reach."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from sympozium_core import names
from sympozium_core.contracts.mcp import McpClient
from sympozium_core.contracts.provider import ChatRequest, Chunk, Endpoint, Provider, ProviderError
from sympozium_core.processes import models
from sympozium_core.processes.models import Asked, OpenProviders
from sympozium_core.registry.drivers import Drivers
from sympozium_core.testing.servers.openai import OpenAIServer
from sympozium_core.testing.servers.script import Answer

BODY = {"model": "m", "messages": [{"role": "user", "content": "hi"}], "stream": True}


@pytest.fixture
async def server() -> AsyncIterator[OpenAIServer]:
    async with OpenAIServer() as running:
        yield running


def opened(tmp_path: Path, *, on_this_machine: bool) -> OpenProviders:
    drivers: Drivers[Provider] = Drivers(names.GROUP_PROVIDERS, Provider)
    clients: Drivers[McpClient] = Drivers(names.GROUP_MCP_CLIENTS, McpClient)
    return OpenProviders(Asked(drivers, tmp_path, on_this_machine=on_this_machine, mcp_clients=clients))


async def ask(provider: Provider, server: OpenAIServer, base_url: str) -> list[Chunk]:
    server.say(Answer("hello"))
    endpoint = Endpoint(server.model, base_url, {"apiKey": server.key})
    return [chunk async for chunk in provider.chat(endpoint, ChatRequest({**BODY, "model": server.model}, 10.0))]


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_the_loopback_is_open_to_models_on_one_machine_alone(tmp_path: Path, server: OpenAIServer, host: str) -> None:
    url = f"http://{host}:{server.port}/v1"
    for here in (True, False):
        providers = opened(tmp_path, on_this_machine=here)
        provider = await providers.get("openai", ())
        try:
            if here:
                assert await ask(provider, server, url)
                continue
            with pytest.raises(ProviderError, match=r"may not be asked: .*this machine's own") as refused:
                await ask(provider, server, url)
            assert (refused.value.failure, refused.value.retryable) == ("refused", False)
            assert "modelPolicy.allowedPrivate" in refused.value.hint
        finally:
            await providers.close()
    assert len(server.requests) == 1


async def test_runs_with_other_private_addresses_share_no_connection(tmp_path: Path, server: OpenAIServer) -> None:
    """A rebound name is what one of them may ask: a connection that is there already must not be had by the other."""
    providers = opened(tmp_path, on_this_machine=True)
    one, other, again = [await providers.get("openai", private) for private in ((), ("10.0.0.0/8",), ())]
    assert one is again
    assert one is not other
    assert one.context.http is not other.context.http
    assert await one.context.provider("openai") is one
    await providers.close()
    assert one.context.http.closed
    assert other.context.http.closed


async def test_what_is_not_used_any_more_is_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    providers = opened(tmp_path, on_this_machine=True)
    old = await providers.get("openai", ("10.0.0.0/8",))
    monkeypatch.setattr(models, "UNUSED", -1.0)
    await providers.get("openai", ("10.1.0.0/16",))
    assert old.context.http.closed
    assert await providers.get("openai", ("10.0.0.0/8",)) is not old
    await providers.close()


async def test_a_private_address_is_asked_where_its_range_is_listed(tmp_path: Path) -> None:
    """192.0.2.1 is nobody's: what is not refused is tried."""
    providers = opened(tmp_path, on_this_machine=False)
    endpoint = Endpoint("m", "http://192.0.2.1:9/v1", {"apiKey": "k"})

    async def failure(private: tuple[str, ...]) -> Any:
        provider = await providers.get("openai", private)
        with pytest.raises(ProviderError) as found:
            [chunk async for chunk in provider.chat(endpoint, ChatRequest(BODY, 0.3))]
        return found.value.failure

    assert await failure(()) == "refused"
    assert await failure(("192.0.2.0/24",)) in ("timeout", "unavailable")
    await providers.close()
