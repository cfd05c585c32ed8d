from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import aiohttp
import pytest
from sympozium_provider_openai.provider import OpenAIProvider
from sympozium_provider_openai.request import merge_headers

from sympozium_core.contracts.provider import ChatRequest, Endpoint, ProviderContext, ProviderError
from sympozium_core.testing.provider_case import provider_case
from sympozium_core.testing.servers.host import Refusal, Seen
from sympozium_core.testing.servers.openai import OpenAIServer
from sympozium_core.testing.servers.script import Answer, Fault


class NoStreamOptions(OpenAIServer):
    """As some compatible servers do."""

    def check(self, seen: Seen) -> Refusal | None:
        if "stream_options" in seen.body:
            return Refusal(422, {"detail": [{"loc": ["body", "stream_options"], "msg": "Extra inputs are not permitted"}]})
        return super().check(seen)


async def test_a_server_without_stream_options_is_asked_again_without() -> None:
    async with provider_case(OpenAIProvider, NoStreamOptions) as case:
        case.server.say(Answer("Fine."))
        assert (await case.ask()).text == "Fine."
        assert len(case.server.requests) == 2


async def test_the_callers_own_stream_options_stay() -> None:
    async with provider_case(OpenAIProvider, OpenAIServer) as case:
        case.server.say(Answer("Fine."))
        answer = await case.ask(stream_options={"include_usage": False})
        assert answer.usage is None
        assert case.last.body["stream_options"] == {"include_usage": False}


async def test_no_key_is_needed_with_a_base_url_but_openai_wants_one() -> None:
    provider = OpenAIProvider()
    async with aiohttp.ClientSession() as http:
        await provider.open(ProviderContext(http))
        endpoint = Endpoint("m", "http://127.0.0.1:9/v1")
        assert provider.own_headers(endpoint) == {}
        with pytest.raises(ProviderError, match="apiKey, OPENAI_API_KEY") as raised:
            await anext(provider.chat(Endpoint("m"), ChatRequest({"messages": []}, 1.0)))
        assert raised.value.failure == "auth"


@pytest.mark.parametrize(
    ("base", "url"),
    [
        ("", "https://api.openai.com/v1/chat/completions"),
        ("http://h:8000/v1/", "http://h:8000/v1/chat/completions"),
        ("https://h/v1?tenant=a", "https://h/v1/chat/completions?tenant=a"),
    ],
)
def test_urls(base: str, url: str) -> None:
    assert OpenAIProvider().url(Endpoint("m", base)) == url


def test_extra_headers_win_except_over_the_framing() -> None:
    merged = merge_headers(
        {"authorization": "Bearer ours"}, {"Authorization": "Basic theirs", "Content-Length": "1", "Host": "evil"}
    )
    assert merged == {"authorization": "Basic theirs"}


@pytest.mark.parametrize("headers", [{"x y": "1"}, {"x": "a\r\nb: c"}, {"": "1"}, {"x": "ü"}])
def test_headers_that_are_none(headers: dict[str, str]) -> None:
    with pytest.raises(ProviderError) as raised:
        merge_headers({}, headers)
    assert raised.value.failure == "refused"
    assert "c" not in raised.value.message.split("header")[0]


async def test_a_whole_answer_counts_even_if_the_end_mark_is_cut_off() -> None:
    async with provider_case(OpenAIProvider, OpenAIServer) as case:
        # Role, one word, finish, usage; then the connection is cut before [DONE].
        case.server.say(Answer("Done.", fault=Fault("cut", after=4)))
        answer = await case.ask()
        assert (answer.text, answer.finish_reason) == ("Done.", "stop")


async def test_connections_are_used_again() -> None:
    async with provider_case(OpenAIProvider, OpenAIServer) as case:
        connector = case.provider.context.http.connector
        assert connector is not None
        for _ in range(5):
            case.server.say(Answer("Fine."))
            await case.ask()
        assert len(connector._conns) == 1
        assert sum(len(idle) for idle in connector._conns.values()) == 1


def test_importing_the_provider_is_light() -> None:
    code = "import sys, sympozium_provider_openai.provider; sys.exit('aiohttp' in sys.modules or 'yaml' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def _server(*options: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "sympozium_core.testing.servers.openai", *options]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


async def test_the_server_runs_alone_with_a_script(tmp_path: Path) -> None:
    script = tmp_path / "turns.yaml"
    script.write_text("- text: First.\n- text: Second.\n  fault: {kind: status, status: 503, times: 1}\n")
    with _server("--script", str(script), "--key", "k-12345", "--model", "m") as process:
        try:
            assert process.stdout is not None
            endpoint = Endpoint("m", process.stdout.readline().strip(), {"apiKey": "k-12345"})
            provider = OpenAIProvider()
            async with aiohttp.ClientSession() as http:
                await provider.open(ProviderContext(http))

                async def ask(messages: list[dict[str, str]]) -> str:
                    request = ChatRequest({"messages": messages}, 5.0)
                    deltas = [c["choices"][0]["delta"] async for c in provider.chat(endpoint, request) if c["choices"]]
                    return "".join(delta.get("content") or "" for delta in deltas)

                talk = [{"role": "user", "content": "Hello"}]
                assert await ask(talk) == "First."
                assert await ask(talk) == "First."
                talk += [{"role": "assistant", "content": "First."}, {"role": "user", "content": "And?"}]
                with pytest.raises(ProviderError, match="503"):
                    await ask(talk)
                assert await ask(talk) == "Second."
        finally:
            process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=10) == 0
