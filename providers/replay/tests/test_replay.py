from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from sympozium_core.contracts.provider import Endpoint, ProviderError
from sympozium_core.testing.provider_case import Collected
from sympozium_core.testing.servers.script import Answer, Fault

from .conftest import Desk


def _said(answers: list[Collected]) -> list[Any]:
    return [(a.text, a.message, a.finish_reason, a.usage and a.usage["total_tokens"]) for a in answers]


async def test_recorded_on_the_first_run_and_played_from_then_on(desk: Desk) -> None:
    desk.blank()
    live = await desk.converse("run-1")
    assert desk.opened == ["openai", "openai"]
    await desk.server.stop()
    played = await desk.converse("run-2")
    assert _said(played) == _said(live)
    assert [a.text for a in played] == ["Let me look.", "Two files: ä 🙂.\n\n- a.txt \n- b.txt\n"]
    assert desk.opened == ["openai", "openai"]


async def test_the_file_is_for_people_and_holds_no_key(desk: Desk) -> None:
    desk.blank()
    await desk.converse("run-1")
    text = desk.tape.read_text()
    assert desk.server.key not in text
    data = yaml.safe_load(text)
    first, second = data["entries"]
    assert [message["role"] for message in first["request"]["messages"]] == ["system", "user"]
    assert set(first["request"]["tools"]) == {"look", "now"}
    assert first["answer"]["toolCalls"][0]["arguments"] == {"path": "/workspace"}
    assert first["answer"]["extra"] == {"reasoning_content": "hm"}
    assert set(second["request"]) == {"messages"}, "what has not changed is not said again"
    assert [message["role"] for message in second["request"]["messages"]] == ["tool", "tool"]
    assert second["answer"]["usage"] == {"promptTokens": 40, "completionTokens": 9}
    assert data["recorded"] | {"at": ""} == {"provider": "openai", "model": desk.server.model, "at": "", "run": "run-1"}
    assert not list(desk.tape.parent.glob(".*")), "no temporary file is left"


async def test_many_runs_play_at_once(desk: Desk) -> None:
    desk.blank()
    live = await desk.converse("run-1")
    played = await asyncio.gather(*(desk.converse(f"run-{number}") for number in range(2, 12)))
    assert all(_said(answers) == _said(live) for answers in played)


async def test_a_resumed_run_gets_an_answer_again(desk: Desk) -> None:
    desk.blank()
    await desk.converse("run-1")
    first = await desk.converse("run-2")
    assert _said(await desk.converse("run-2")) == _said(first)


async def test_the_recording_run_may_ask_again_too(desk: Desk) -> None:
    desk.blank()
    await desk.converse("run-1")
    await desk.converse("run-1")
    assert len(desk.opened) == 2
    assert len(yaml.safe_load(desk.tape.read_text())["entries"]) == 2


async def test_equal_requests_are_answered_in_turn(desk: Desk) -> None:
    entries: list[dict[str, Any]] = [
        {"request": {"keep": 0, "messages": [{"role": "user", "content": "Roll."}]}, "answer": {"text": t}} for t in ("1", "2")
    ]
    entries[0]["request"].pop("keep")
    desk.tape.write_text(yaml.safe_dump({"cassette": 1, "entries": entries}))
    for run in ("a", "b"):
        texts = [(await desk.ask([{"role": "user", "content": "Roll."}], run)).text for _ in range(3)]
        assert texts == ["1", "2", "2"]


def _result(turn: int, body: dict[str, Any]) -> None:
    if turn == 1:
        body["messages"][-1]["content"] = "result 1\nof never\n"


def _prompt(turn: int, body: dict[str, Any]) -> None:
    body["messages"][0]["content"] = "Be long."


def _parameter(turn: int, body: dict[str, Any]) -> None:
    body["temperature"] = 0.75


def _tools(turn: int, body: dict[str, Any]) -> None:
    body["tools"] = [body["tools"][1], {"type": "function", "function": {"name": "rm"}}]


def _description(turn: int, body: dict[str, Any]) -> None:
    body["tools"] = [{"type": "function", "function": {**body["tools"][0]["function"], "description": "?"}}, body["tools"][1]]


def _echo(turn: int, body: dict[str, Any]) -> None:
    if turn == 1:
        body["messages"][2]["content"] = "I never said that."


def _more(turn: int, body: dict[str, Any]) -> None:
    if turn == 1:
        body["messages"].append({"role": "user", "content": "And quickly!"})


def _fewer(turn: int, body: dict[str, Any]) -> None:
    if turn == 1:
        body["messages"].pop()


@pytest.mark.parametrize(
    ("twist", "words"),
    [
        (_result, ["request 2 of 2", "messages[4].content", "-of now", "+of never"]),
        (_prompt, ["request 1 of 2", "messages[0].content", "-Be", "+Be long."]),
        (_parameter, ["request 1 of 2", "parameters", "0.5", "0.75"]),
        (_tools, ["- tools.look", "+ tools.rm"]),
        (_description, ["! tools.look: another description"]),
        (_echo, ["request 2 of 2", "messages[2].content", "+I never said that."]),
        (_more, ["request 2 of 2", "messages[5] (this run)", "And quickly!"]),
        (_fewer, ["request 2 of 2", "messages[4] (cassette)"]),
    ],
)
async def test_the_first_request_that_differs_ends_the_run(
    desk: Desk, twist: Callable[[int, dict[str, Any]], None], words: list[str]
) -> None:
    desk.blank()
    await desk.converse("run-1")
    with pytest.raises(ProviderError) as raised:
        await desk.converse("run-2", twist=twist)
    assert raised.value.failure == "refused"
    for word in words:
        assert word in raised.value.message
    assert len(raised.value.message) <= 2048


async def test_asking_for_more_than_is_recorded(desk: Desk) -> None:
    desk.blank()
    answers = await desk.converse("run-1")
    longer = [{"role": "system", "content": "Be\nbrief."}, {"role": "user", "content": "What is there?"}, answers[0].message]
    longer += [
        {"role": "tool", "tool_call_id": call["id"], "content": f"result {n}\nof {call['name']}\n"}
        for n, call in answers[0].calls.items()
    ]
    longer += [answers[1].message, {"role": "user", "content": "More?"}]
    with pytest.raises(ProviderError, match="all 2 answers were played"):
        await desk.ask(longer, "run-2")


async def test_a_huge_difference_is_shown_in_short(desk: Desk) -> None:
    desk.blank()
    await desk.converse("run-1")

    def huge(turn: int, body: dict[str, Any]) -> None:
        body["messages"][1]["content"] = "What is there" + "!\n" * 500_000

    with pytest.raises(ProviderError) as raised:
        await desk.converse("run-2", twist=huge)
    assert len(raised.value.message) <= 2048
    assert "messages[1].content" in raised.value.message


async def test_compaction_is_recorded_with_what_stays(desk: Desk) -> None:
    desk.blank()

    def compact(turn: int, body: dict[str, Any]) -> None:
        if turn == 1:
            body["messages"][1]["content"] = "[left out]"

    await desk.converse("run-1", twist=compact)
    assert yaml.safe_load(desk.tape.read_text())["entries"][1]["request"]["keep"] == 1
    await desk.converse("run-2", twist=compact)
    with pytest.raises(ProviderError, match=r"messages\[1\]"):
        await desk.converse("run-3")


async def test_what_is_volatile_may_differ(desk: Desk) -> None:
    desk.blank(volatile=[{"pattern": r"\d{4}-\d\d-\d\d", "as": "<date>"}])

    def dated(date: str) -> Callable[[int, dict[str, Any]], None]:
        def twist(turn: int, body: dict[str, Any]) -> None:
            body["messages"][0]["content"] = f"Today is {date}."

        return twist

    live = await desk.converse("run-1", twist=dated("2025-01-01"))
    assert _said(await desk.converse("run-2", twist=dated("2031-12-31"))) == _said(live)
    with pytest.raises(ProviderError, match="tomorrow"):
        await desk.converse("run-3", twist=dated("tomorrow"))


async def test_a_failed_recording_leaves_the_cassette_blank(desk: Desk) -> None:
    desk.blank()
    before = desk.tape.read_text()
    desk.server.say(Answer("one two three", fault=Fault("cut")))
    with pytest.raises(ProviderError) as raised:
        await desk.converse("run-1")
    assert raised.value.failure == "unavailable"
    assert desk.tape.read_text() == before
    await desk.converse("run-2")
    assert yaml.safe_load(desk.tape.read_text())["recorded"]["run"] == "run-2"


async def test_only_one_run_records(desk: Desk) -> None:
    desk.blank()
    desk.server.say(Answer("one two three four", delay=0.05))
    first = asyncio.create_task(desk.converse("run-1"))
    await desk.server.until_requested()
    with pytest.raises(ProviderError, match="recorded by another run"):
        await desk.converse("run-2")
    await first


async def test_a_recording_goes_on_after_a_restart(desk: Desk) -> None:
    desk.blank()
    with pytest.raises(ZeroDivisionError):
        await desk.converse("run-1", twist=lambda turn, body: None if turn == 0 else 1 / 0)  # type: ignore[arg-type]
    desk.replay._tapes.clear()
    await desk.converse("run-1")
    assert len(yaml.safe_load(desk.tape.read_text())["entries"]) == 2
    assert len(desk.opened) == 2


async def test_a_conversation_with_the_key_in_it_is_not_kept(desk: Desk) -> None:
    desk.blank()
    desk.server.say(Answer(f"The key is {desk.server.key}."))
    with pytest.raises(ProviderError, match="contains the model's key") as raised:
        await desk.converse("run-1")
    assert desk.server.key not in str(raised.value)
    assert desk.server.key not in desk.tape.read_text()


async def test_a_file_that_cannot_be_written_says_so(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.blank()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(ProviderError, match="No space left"):
        await desk.converse("run-1")
    assert not list(desk.tape.parent.glob(".*"))


async def test_pace(desk: Desk) -> None:
    desk.tape.write_text(
        "cassette: 1\nentries:\n- request: {messages: [{role: user, content: Hi}]}\n  answer: {text: one two three}\n  pause: 0.05\n"
    )
    began = time.monotonic()
    answer = await desk.ask([{"role": "user", "content": "Hi"}], "run-1")
    assert answer.pieces == ["one ", "two ", "three"]
    assert time.monotonic() - began >= 0.14


async def test_by_name_and_by_url(desk: Desk) -> None:
    desk.blank()
    live = await desk.converse("run-1")
    folder = desk.tape.parent / "cassettes"
    folder.mkdir()
    desk.tape.rename(folder / "demo v1.yaml")
    (folder / "demo.yaml").write_text((folder / "demo v1.yaml").read_text())
    url = f"file://{folder}"
    for endpoint in (Endpoint("demo"), Endpoint("x", f"{url}/demo%20v1.yaml"), Endpoint("demo", url)):
        assert _said(await desk.converse("run-2", endpoint=endpoint)) == _said(live)


@pytest.mark.parametrize(
    ("model", "base", "words"),
    [
        ("missing", "", "there is no cassette"),
        ("a/b.yaml", "", "relative path"),
        ("../../etc", "file:///tmp", "is not the name of a cassette"),
        ("x", "https://example.com/v1", "does not name a cassette"),
        ("x", "file://elsewhere/tape.yaml", "does not name a cassette"),
        ("..", "", "is not the name of a cassette"),
    ],
)
async def test_places_that_are_none(desk: Desk, model: str, base: str, words: str) -> None:
    with pytest.raises(ProviderError, match=words) as raised:
        await desk.converse("run-1", endpoint=Endpoint(model, base))
    assert raised.value.failure == "refused"


async def test_an_edited_file_is_read_again(desk: Desk, tmp_path: Path) -> None:
    for text in ("one", "another"):
        desk.tape.write_text(f"cassette: 1\nentries: [{{request: {{messages: [{{role: user}}]}}, answer: {{text: {text}}}}}]\n")
        assert (await desk.ask([{"role": "user", "content": ""}], "run-1")).text == text
