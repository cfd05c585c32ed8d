"""What every channel has from its contract: messages that are sound, refusals, and `run`."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Mapping
from typing import Any, ClassVar
from unittest.mock import Mock

import pytest

from sympozium_core.contracts import channel as contract
from sympozium_core.contracts.channel import Channel, ChannelContext, Health
from sympozium_core.contracts.channel_messages import (
    MAX_ID,
    MAX_NAME,
    MAX_TEXT,
    Abilities,
    ChannelError,
    Failure,
    InboundMessage,
    OutboundMessage,
    Reaction,
    WebRequest,
    pieces,
)
from sympozium_core.errors import Temporary

PLAIN = Abilities(longest_text=100)
ABLE = Abilities(longest_text=100, threads=True, replies=True, markdown=True, aliases=True, reactions=True)


def inbound(**fields: Any) -> InboundMessage:
    return InboundMessage(**{"id": "1", "chat": "c", "sender": "s", "text": "t", **fields})


def outbound(**fields: Any) -> OutboundMessage:
    return OutboundMessage(**{"chat": "c", "text": "t", "key": "k", **fields})


@pytest.mark.parametrize("field", ["id", "chat", "sender"])
@pytest.mark.parametrize("value", ["", "a\nb", "\x00", "\ud800", "x" * (MAX_ID + 1), 7, None])
def test_what_is_no_id_is_no_message(field: str, value: object) -> None:
    with pytest.raises(ValueError, match=field):
        inbound(**{field: value})


@pytest.mark.parametrize("fields", [{"text": None}, {"text": b"t"}, {"sender_name": 1}, {"thread": None}, {"thread": "a\tb"}])
def test_what_is_no_text_is_no_message(fields: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="expected"):
        inbound(**fields)


def test_texts_and_names_are_bounded_and_clean() -> None:
    message = inbound(text="a\x00\ud83d\tb\n" + "x" * MAX_TEXT, sender_name="Z\n" + "o" * MAX_NAME)
    assert message.text.startswith("a\ufffd\ufffd\tb\n")
    assert (len(message.text), message.cut) == (MAX_TEXT, True)
    assert message.sender_name == "Z\ufffd" + "o" * (MAX_NAME - 2)
    assert inbound(text="x" * MAX_TEXT).cut is False


def test_a_message_is_cut_into_pieces_each_with_a_key_of_its_own() -> None:
    made = list(pieces(outbound(text="word " * 50, reply_to="7", thread="th"), ABLE))
    assert [piece.key for piece in made] == ["k.0", "k.1", "k.2"]
    assert [piece.reply_to for piece in made] == ["7", "", ""]
    assert {piece.thread for piece in made} == {"th"}
    assert " ".join(piece.text for piece in made).split() == ["word"] * 50
    assert list(pieces(outbound(), PLAIN)) == [outbound()]


@pytest.mark.parametrize(
    ("fields", "says"),
    [({"thread": "t"}, "no threads"), ({"reply_to": "1"}, "no replies"), ({"markdown": True}, "no Markdown"), ({"alias": "A"}, "no names"), ({"text": " \n"}, "empty")],
)  # fmt: skip
async def test_what_a_channel_cannot_do_is_refused_before_anybody_is_asked(fields: dict[str, Any], says: str) -> None:
    channel, _ = await opened()
    with pytest.raises(ChannelError, match=says) as from_pieces:
        list(pieces(outbound(**fields), PLAIN))
    with pytest.raises(ChannelError, match=says) as from_send:
        await channel.send(outbound(**fields))
    assert from_pieces.value.failure == from_send.value.failure == "refused"
    assert not channel.sent


async def test_reactions_and_long_texts_are_refused() -> None:
    channel, _ = await opened()
    with pytest.raises(ChannelError, match="no reactions"):
        await channel.react(Reaction("c", "1", "👀"))
    with pytest.raises(ChannelError, match="more than 100 characters"):
        await channel.send(outbound(text="x" * 101))
    assert await channel.send(outbound(text="x" * 100)) == "1"


async def test_what_is_not_there_is_said() -> None:
    with pytest.raises(ChannelError, match=r"looked for token, SCRIPTED_TOKEN.*--prompt token"):
        await opened(credentials={"token": " "})
    with pytest.raises(ChannelError, match=r"setting 'colour'.*settings: url"):
        await opened(settings={"colour": "red"})
    channel, _ = await opened(credentials={"SCRIPTED_TOKEN": " t\n"})
    assert channel.credential() == "t"
    assert "t\\n" not in repr(channel.context)
    assert channel.setting("url") == "http://h"
    assert (await channel.webhook(WebRequest("POST", "/"))).status == 404


class Scripted(Channel):
    """Each connection ends as the next of `ends` says; after the last it lasts."""

    abilities: ClassVar[Abilities] = PLAIN
    credential_keys: ClassVar[tuple[str, ...]] = ("token", "SCRIPTED_TOKEN")
    settings: ClassVar[Mapping[str, str]] = {"url": "http://h"}

    def __init__(self, *ends: Exception | None) -> None:
        self.ends = list(ends)
        self.sent: list[OutboundMessage] = []

    async def listen(self) -> None:
        if self.ends:
            end = self.ends.pop(0)
            if end is not None:
                raise end
            return
        self.connected("bot")
        await asyncio.Event().wait()

    async def post(self, message: OutboundMessage) -> str:
        self.sent.append(message)
        return str(len(self.sent))


async def opened(*ends: Exception | None, **given: Any) -> tuple[Scripted, list[Health]]:
    channel, health = Scripted(*ends), list[Health]()
    context = {"http": Mock(), "receive": Mock(), "report": health.append, "credentials": {"token": "t"}, **given}
    await channel.open(ChannelContext(**context))
    return channel, health


async def waits(monkeypatch: pytest.MonkeyPatch, channel: Channel, health: list[Health]) -> list[float]:
    """Runs until it is connected, in no time; how long it would have waited before each try."""
    slept: list[float] = []
    sleep = asyncio.sleep

    async def pass_at_once(seconds: float) -> None:
        slept.append(seconds)
        await sleep(0)

    monkeypatch.setattr(contract, "asyncio", Mock(sleep=pass_at_once))
    task = asyncio.create_task(channel.run())
    async with asyncio.timeout(5):
        while not (health and health[-1].connected) and not task.done():
            await sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return slept


FAILED: list[tuple[Callable[[], Exception | None], str, str]] = [
    (lambda: ChannelError("unavailable", "away"), "unavailable", "away"),
    (lambda: ChannelError("garbage", "nonsense"), "garbage", "nonsense"),
    (lambda: None, "unavailable", "the connection ended"),
    (lambda: Temporary("the bus is away"), "host", "the bus is away"),
    (lambda: KeyError("tok-1"), "bug", "the channel raised KeyError"),
]


@pytest.mark.parametrize(("end", "failure", "message"), FAILED)
async def test_a_connection_that_ends_is_reported_and_made_again(
    end: Callable[[], Exception | None], failure: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    channel, health = await opened(end())
    await waits(monkeypatch, channel, health)
    assert health == [Health(False, failure=failure, message=message), Health(True, account="bot")]  # type: ignore[arg-type]


async def test_waits_grow_and_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    channel, health = await opened(*[ChannelError("unavailable", "away")] * 12)
    slept = await waits(monkeypatch, channel, health)
    assert len(slept) == 12
    assert all(0.4 * 2**n <= each <= 0.5 * 2**n for n, each in enumerate(slept[:7]))
    assert 48 <= slept[-1] <= 60


@pytest.mark.parametrize(("lasted", "last"), [(contract.STEADY - 1, 8.0), (contract.STEADY, 0.5)])
async def test_a_connection_that_lasted_begins_the_waits_anew(
    lasted: float, last: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contract, "time", Mock(monotonic=itertools.count(0, lasted).__next__))
    channel, health = await opened(*[ChannelError("unavailable", "away")] * 5)
    slept = await waits(monkeypatch, channel, health)
    assert 0.8 * last <= slept[-1] <= last


async def test_a_vendors_wait_is_kept_within_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    limits = [ChannelError("rate_limited", "slow down", retry_after=after) for after in (7, 1e9)]
    channel, health = await opened(*limits)
    assert await waits(monkeypatch, channel, health) == [7, contract.LONGEST_WAIT]


@pytest.mark.parametrize("failure", ["auth", "refused"])
async def test_what_no_second_try_mends_ends_it(failure: Failure) -> None:
    channel, health = await opened(ChannelError(failure, "no"))
    with pytest.raises(ChannelError) as caught:
        await asyncio.wait_for(channel.run(), 5)
    assert caught.value.failure == failure
    assert health == [Health(False, failure=failure, message="no")]
