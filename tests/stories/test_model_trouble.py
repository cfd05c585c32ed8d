"""A model, a key or a reference that does not work: each ends in a typed error that says what to do, and some troubles pass."""

from __future__ import annotations

from typing import Any

import pytest

from sympozium_core.contracts.cluster import ApiError
from sympozium_core.resources import kinds
from sympozium_core.testing import embedded
from sympozium_core.testing.conversations import turns
from sympozium_core.testing.embedded import OpenPlane, Plane, furnish, phase_of, status_of
from sympozium_core.testing.servers.openai import OpenAIServer
from sympozium_core.testing.servers.script import Answer, Fault


async def fails(plane: Plane, *words: str, reason: str = "ModelError", **spec: Any) -> str:
    """The message with which a run fails."""
    ended = await plane.ended(await plane.run("anything", **spec))
    status = status_of(ended)
    assert (phase_of(ended), status["reason"]) == ("Failed", reason), status
    for word in words:
        assert word in status["message"], status["message"]
    assert status["error"] == status["message"]
    return str(status["message"])


async def test_an_instance_that_is_not_there(plane: Plane) -> None:
    with pytest.raises(ApiError, match="there is no SympoziumInstance 'nobody'"):
        await plane.run("anything", instance="nobody")


async def test_a_secret_that_is_not_there(open_plane: OpenPlane, model: OpenAIServer) -> None:
    async with open_plane() as plane:
        await plane.apply(embedded.instance("agent", model.base_url, model=model.model, key_from="lost"))
        assert any("lost" in warning for warning in plane.warnings), "whoever names it is warned"
        await fails(plane, "no Secret 'lost'", "sympozium secrets create lost")
    assert not model.requests


async def test_a_secret_without_the_key(open_plane: OpenPlane, model: OpenAIServer) -> None:
    async with open_plane() as plane:
        await plane.apply(
            embedded.secret("model-key", model.key, key="password"),
            embedded.instance("agent", model.base_url, model=model.model, key_from="model-key"),
        )
        message = await fails(plane, "apiKey")
        assert model.key not in message


async def test_a_key_that_is_refused(open_plane: OpenPlane, model: OpenAIServer) -> None:
    wrong = "sk-wrong-0badc0de-and-never-shown"
    async with open_plane() as plane:
        await plane.apply(
            embedded.secret("model-key", wrong),
            embedded.instance("agent", model.base_url, model=model.model, key_from="model-key"),
        )
        message = await fails(plane, "key")
        assert wrong not in message, "the vendor quotes the key that it refuses; nobody passes it on"
        assert len(model.requests) == 1, "a refused key is not tried again"
        journal = str(await plane.journal(await plane.client.get(kinds.AGENT_RUN, "default", await only_run(plane))))
        assert wrong not in journal


async def only_run(plane: Plane) -> str:
    page = await plane.client.list(kinds.AGENT_RUN, "default")
    assert len(page.items) == 1
    return str(page.items[0]["metadata"]["name"])


async def test_a_model_that_does_not_exist(plane: Plane) -> None:
    await fails(plane, "gpt-unheard-of", model={"model": "gpt-unheard-of"})


async def test_a_provider_that_is_not_installed(open_plane: OpenPlane, model: OpenAIServer) -> None:
    async with open_plane() as plane:
        await furnish(plane, model)
        message = await fails(plane, "cohere", model={"provider": "cohere", "model": "x", "authSecretRef": ""})
        assert "openai" in message, "it names those that are installed"


async def test_an_address_where_nobody_listens(open_plane: OpenPlane, model: OpenAIServer) -> None:
    async with open_plane() as plane:
        await plane.apply(
            embedded.secret("model-key", model.key),
            embedded.instance("agent", "http://127.0.0.1:9/v1", model=model.model, key_from="model-key"),
        )
        ended = await plane.ended(await plane.run("anything", timeout="6s"))
        assert phase_of(ended) == "Failed"
        assert status_of(ended)["reason"] in ("ModelError", "Timeout")
        assert "127.0.0.1:9" in status_of(ended)["message"] or "connect" in status_of(ended)["message"], status_of(ended)


@pytest.mark.parametrize("kind", ["garbage", "html", "not_http", "no_finish", "long_line"])
async def test_a_model_that_answers_garbage(plane: Plane, model: OpenAIServer, kind: str) -> None:
    model.script = turns(Answer("this will not arrive", fault=Fault(kind)))  # type: ignore[arg-type]
    ended = await plane.ended(await plane.run("anything", timeout="10s"), within=30)
    assert phase_of(ended) == "Failed"
    assert status_of(ended)["reason"] in ("ModelError", "Timeout"), status_of(ended)
    assert status_of(ended)["message"]


async def test_a_model_that_answers_nothing(plane: Plane, model: OpenAIServer) -> None:
    model.script = turns(Answer(""))
    await fails(plane, "nothing")
    assert len(model.requests) <= 2


async def test_a_model_that_never_answers(plane: Plane, model: OpenAIServer) -> None:
    model.script = turns(Answer("never", fault=Fault("silence")))
    await fails(plane, reason="Timeout", timeout="2s")


async def test_a_model_that_stalls_in_the_middle(plane: Plane, model: OpenAIServer) -> None:
    model.script = turns(Answer("a few words and then silence", fault=Fault("stall", after=3)))
    await fails(plane, reason="Timeout", timeout="2s")


@pytest.mark.parametrize("fault", [Fault("status", status=500, times=2), Fault("status", status=429, times=1, retry_after=0.1)])
async def test_trouble_that_passes(plane: Plane, model: OpenAIServer, fault: Fault) -> None:
    model.script = turns(Answer("well in the end", fault=fault))
    ended = await plane.ended(await plane.run("anything"))
    assert status_of(ended)["result"] == "well in the end"
    assert len(model.requests) == 1 + fault.times
    assert status_of(ended)["tokenUsage"]["inputTokens"] == 11, "what failed costs nothing"


async def test_an_answer_that_is_cut_off_once(plane: Plane, model: OpenAIServer) -> None:
    model.script = turns(Answer("well in the end, whole", fault=Fault("cut", after=3, times=1)))
    ended = await plane.ended(await plane.run("anything"))
    assert status_of(ended)["result"] == "well in the end, whole"
    answers = await plane.journal(ended, "model.answer")
    assert [answer["message"]["content"] for answer in answers] == ["well in the end, whole"]
