"""The strict server is faithful: the vendor's own Azure client works with it."""

from __future__ import annotations

from typing import Any

import pytest

from sympozium_core.testing.servers.azure_openai import AzureOpenAIServer
from sympozium_core.testing.servers.script import Answer

USER: Any = [{"role": "user", "content": "Hello?"}]


@pytest.mark.parametrize("version", ["2024-10-21", "2024-06-01"])
async def test_dated_version(version: str) -> None:
    openai = pytest.importorskip("openai", reason="the vendor's client library is in the extra `test`")
    async with AzureOpenAIServer() as server:
        async with openai.AsyncAzureOpenAI(api_key=server.key, azure_endpoint=server.address, api_version=version) as client:
            server.say(Answer("Hello from Azure."))
            stream = await client.chat.completions.create(model=server.model, messages=USER, stream=True)
            text = "".join([c.choices[0].delta.content or "" async for c in stream if c.choices])
        assert text == "Hello from Azure."
        assert server.requests[-1].path == f"/openai/deployments/{server.model}/chat/completions"


async def test_unknown_version_and_deployment_are_refused() -> None:
    openai = pytest.importorskip("openai", reason="the vendor's client library is in the extra `test`")
    async with AzureOpenAIServer() as server:
        for version, model, words in [
            ("1999-01-01", server.model, "Resource not found"),
            ("2024-10-21", "other", "does not exist"),
        ]:
            async with openai.AsyncAzureOpenAI(
                api_key=server.key, azure_endpoint=server.address, api_version=version, max_retries=0
            ) as client:
                with pytest.raises(openai.NotFoundError, match=words):
                    await client.chat.completions.create(model=model, messages=USER)
