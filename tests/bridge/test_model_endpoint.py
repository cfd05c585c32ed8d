"""The model as the agent sees it, spoken to by a foreign HTTP client and by raw hostile bytes."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import time

import aiohttp
import pytest

from sympozium_core.contracts.plan import Limits
from sympozium_core.contracts.provider import ProviderError
from sympozium_core.errors import Temporary

BODY = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}


class Client:
    def __init__(self, session, model, pod, bridge):
        self.session = session
        self.base = model["baseURL"]
        self.token = model["token"]
        self.pod = pod
        self.bridge = bridge
        host, _, port = self.base.removeprefix("http://").removesuffix("/v1").rpartition(":")
        self.address = (host, int(port))

    def post(self, body, token=None, path="/chat/completions"):
        headers = {"Authorization": f"Bearer {self.token if token is None else token}"}
        return self.session.post(self.base + path, json=body, headers=headers)

    async def raw(self, data, read=True):
        reader, writer = await asyncio.open_connection(*self.address)
        try:
            writer.write(data)
            await writer.drain()
            return await asyncio.wait_for(reader.read(65536), 10) if read else None
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):  # unread bytes of a refused request make the kernel reset
                await writer.wait_closed()


@pytest.fixture
async def client(world):
    world.plan = world.make_plan(servers=(), limits=Limits(max_turns=5))
    pod = world.pod()
    bridge = await pod.carry(listen="127.0.0.1:0")
    async with aiohttp.ClientSession() as session:
        yield Client(session, (await pod.task())["model"], pod, bridge)


async def events(response):
    data = [line[6:] async for line in response.content if line.startswith(b"data: ")]
    return [piece.strip() for piece in data]


async def test_a_streamed_answer_comes_as_events_and_ends_with_done(world, client):
    async with client.post({**BODY, "stream": True, "stream_options": {"include_usage": True}}) as response:
        assert response.status == 200
        assert response.content_type == "text/event-stream"
        *chunks, done = await events(response)
    assert done == b"[DONE]"
    told = [json.loads(chunk) for chunk in chunks]
    assert "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in told[:-1]) == "done"
    assert told[-1]["choices"] == []
    assert told[-1]["usage"]["total_tokens"] == 18
    assert told[-1]["id"] == told[0]["id"]


async def test_each_chunk_is_sent_when_it_comes(world, client):
    world.provider.gate.clear()
    async with client.post({**BODY, "stream": True}) as response:
        first = await asyncio.wait_for(response.content.readline(), 5)
        assert b"content" in first
        world.provider.gate.set()
        assert (await events(response))[-1] == b"[DONE]"


@pytest.mark.parametrize("lost", [False, True])
async def test_the_end_of_an_answer_does_not_wait_for_the_end_of_its_call(client, monkeypatch, lost):
    """Nor does it matter what becomes of the call then: the answer has been delivered, and an equal question is another one."""
    over, ordinals = asyncio.Event(), []
    final = {"id": "x", "choices": [{"index": 0, "delta": {"content": "all"}, "finish_reason": "stop"}]}

    async def call(bus, subject, data, *, deadline):
        ordinals.append(json.loads(data)["ordinal"])
        yield json.dumps([{"chunk": final}, {"usage": {"total_tokens": 3}}]).encode()
        await over.wait()
        if lost:
            raise Temporary("the server went away")

    monkeypatch.setattr("sympozium_core.bridge.model_calls.call", call)
    async with asyncio.timeout(10):
        async with client.post({**BODY, "stream": True}) as response:
            assert [json.loads(chunk)["choices"] for chunk in (await events(response))[:-1]] == [final["choices"]]
        over.set()
        async with client.post({**BODY, "stream": True}) as response:
            assert (await events(response))[-1] == b"[DONE]"
    assert ordinals == [0, 1]


async def test_a_whole_answer_comes_as_one_object_and_the_connection_is_kept(world, client):
    for number in range(3):
        async with client.post({**BODY, "messages": [{"role": "user", "content": str(number)}]}) as response:
            told = await response.json()
            assert told["object"] == "chat.completion"
            assert told["choices"][0]["message"] == {"role": "assistant", "content": "done"}


async def test_the_models_are_listed(client):
    async with client.session.get(client.base + "/models", headers={"Authorization": f"Bearer {client.token}"}) as response:
        assert [model["id"] for model in (await response.json())["data"]] == ["m"]


@pytest.mark.parametrize("token", ["", "wrong", "x" * 5000, "wröng"])
async def test_without_the_token_nothing_is_answered(world, client, token):
    async with client.post(BODY, token=token) as response:
        assert response.status == 401
        assert (await response.json())["error"]["code"] == "invalid_token"
    assert not world.provider.bodies


@pytest.mark.parametrize("stream", [True, False])
async def test_a_final_failure_is_a_status_that_no_client_repeats(world, client, stream):
    world.provider.respond = lambda body: ProviderError("auth", "the key is refused")
    async with client.post({**BODY, "stream": stream}) as response:
        assert response.status == 424
        assert response.headers["x-should-retry"] == "false"
        error = (await response.json())["error"]
    assert error["code"] == "ModelError"
    assert "auth: the key is refused" in error["message"]


async def test_a_failure_in_the_middle_is_a_last_event(world, client):
    chunks = world.text_chunks("half of it")[:1]
    world.provider.respond = lambda body: [*chunks, ProviderError("unavailable", "gone")]
    async with client.post({**BODY, "stream": True}) as response:
        *_, last = await events(response)
    assert json.loads(last)["error"]["message"] == "unavailable: gone"


async def test_turns_are_bounded(world, client):
    for number in range(5):
        async with client.post({**BODY, "messages": [{"role": "user", "content": str(number)}]}) as response:
            assert response.status == 200
    for _ in range(3):
        async with client.post(BODY) as response:
            assert response.status == 403
            assert (await response.json())["error"]["code"] == "budget_exceeded"
    assert len(world.provider.bodies) == 5
    (refused,) = await world.entries("model.error")
    assert refused["failure"] == "budget", "once it is on record, where the run's end is decided"


async def test_equal_questions_get_answers_of_their_own(world, client):
    answers = iter(["one", "two"])
    world.provider.respond = lambda body: world.text_chunks(next(answers))
    told = []
    for _ in range(2):
        async with client.post(BODY) as response:
            told.append((await response.json())["choices"][0]["message"]["content"])
    assert told == ["one", "two"]


async def test_a_client_that_leaves_cancels_its_call_and_a_repetition_gets_an_answer(world, client):
    world.provider.gate.clear()
    async with client.post({**BODY, "stream": True}) as response:
        await response.content.readline()
        response.close()
    await world.until(lambda: world.provider.cancelled == 1)
    world.provider.gate.set()
    async with client.post({**BODY, "stream": True}) as response:
        assert (await events(response))[-1] == b"[DONE]"
    calls = {entry["call"] for entry in await world.entries("model.request")}
    assert len(calls) == 1, "the repetition is the same call"


async def test_without_a_gateway_the_call_waits_for_one(world, client):
    await world.gateway.close()
    async with asyncio.timeout(10):
        asking = asyncio.create_task(client.post(BODY).__aenter__())
        await asyncio.sleep(0.1)
        assert not asking.done()
        world.gateway = await world.new_gateway()
        response = await asking
        assert response.status == 200
        await response.read()


async def test_a_gateway_that_stays_away_is_503(world, client, monkeypatch):
    monkeypatch.setattr("sympozium_core.bridge.model_calls.PATIENCE", 0.1)
    await world.gateway.close()
    async with client.post(BODY) as response:
        assert response.status == 503
        assert response.headers["x-should-retry"] == "true"
    world.gateway = await world.new_gateway()


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X: y\r\n" * 40_000 + b"\r\n", b"431"),
        (b"\x16\x03\x01\x02\x00\x01", b"400"),
        (b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n", b"413"),
        (b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", b"400"),
        (b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", b"400"),
        (b"GET /v1/models HTTP/1.1\r\n\r\n", b"400"),
        (b"GET /etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n", b"401"),
    ],
)
async def test_hostile_requests_get_a_bounded_refusal(client, data, status):
    answer = await client.raw(data)
    assert answer.startswith(b"HTTP/1.1 " + status), answer
    assert not client.bridge.done()


async def test_a_body_that_is_too_long_is_refused_while_it_comes(client):
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {client.token}\r\n".encode()
    chunk = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
    reader, writer = await asyncio.open_connection(*client.address)
    writer.write(head + b"Transfer-Encoding: chunked\r\n\r\n")
    sent = 0
    with contextlib.suppress(ConnectionError):
        while sent < 1000 and not reader.at_eof():
            writer.write(chunk)
            await writer.drain()
            sent += 1
    assert 100 <= sent < 1000, "it is read up to its bound of 8 MiB and not for ever"
    writer.close()
    async with client.post(BODY) as response:
        assert response.status == 200


@pytest.mark.parametrize("content", [b"{", b"[]", b'{"messages": [' * 2000, b"[" * 100_000, b"\xff"])
async def test_a_body_that_is_no_object_is_400(client, content):
    headers = {"Authorization": f"Bearer {client.token}"}
    async with client.session.post(client.base + "/chat/completions", data=content, headers=headers) as response:
        assert response.status == 400
        assert (await response.json())["error"]["code"] == "invalid_body"


async def test_a_request_that_never_ends_is_dropped_and_others_are_served_meanwhile(client, monkeypatch):
    monkeypatch.setattr("sympozium_core.bridge.http_server.REQUEST_SECONDS", 0.3)
    begun = time.monotonic()
    slow = [asyncio.create_task(client.raw(b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nX-")) for _ in range(20)]
    await asyncio.sleep(0.05)
    async with client.post(BODY) as response:
        assert response.status == 200
    assert set(await asyncio.gather(*slow)) == {b""}
    assert time.monotonic() - begun < 5


async def test_connections_are_bounded(client):
    held = [await asyncio.open_connection(*client.address) for _ in range(80)]
    closed = [await asyncio.wait_for(reader.read(1), 5) for reader, _ in held[70:]]
    assert closed == [b""] * 10
    for _, writer in held:
        writer.close()
    await asyncio.gather(*(writer.wait_closed() for _, writer in held), return_exceptions=True)


async def test_pipelined_requests_are_answered_in_order(world, client):
    head = f"Host: x\r\nAuthorization: Bearer {client.token}\r\n"
    one = f"GET /v1/models HTTP/1.1\r\n{head}\r\n".encode()
    reader, writer = await asyncio.open_connection(*client.address)
    writer.write(one * 3 + f"GET /v1/models HTTP/1.1\r\n{head}Connection: close\r\n\r\n".encode())
    data = await asyncio.wait_for(reader.read(), 10)
    assert data.count(b"HTTP/1.1 200") == 4
    writer.close()


async def test_a_socket_in_the_agents_volume_needs_no_token(world):
    world.plan = world.make_plan(servers=())
    pod = world.pod()
    await pod.carry(listen="unix")
    model = (await pod.task())["model"]
    assert model == {"baseURL": "http://127.0.0.1:4180/v1", "token": "", "name": "m"}
    folder = os.open(pod.agent, os.O_RDONLY)  # the path itself may be longer than a socket's name can be
    connector = aiohttp.UnixConnector(path=f"/proc/self/fd/{folder}/model.sock")
    async with (
        aiohttp.ClientSession(connector=connector) as session,
        session.post("http://model/v1/chat/completions", json=BODY) as response,
    ):
        assert (await response.json())["choices"][0]["message"]["content"] == "done"
    os.close(folder)
