"""Checks of `ChannelContract` on what a bot says."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from sympozium_core.contracts.channel_messages import Reaction
from sympozium_core.contracts.channel_text import measure
from sympozium_core.testing.channel_case import ChannelCase
from sympozium_core.testing.channel_receiving import TEXTS
from sympozium_core.testing.servers.chat import ChatFaultKind

ABILITIES = ("threads", "replies", "markdown", "aliases")


class SendingChecks:
    async def test_a_message_is_sent(self, case: ChannelCase) -> None:
        running = await case.connected()
        first, second = [(await case.send(running, case.message(text)))[0] for text in ("Hello.", "Again.")]
        assert [(each.chat, each.text) for each in case.arrived] == [
            (case.server.group, "Hello."),
            (case.server.group, "Again."),
        ]
        assert first
        assert first != second

    async def test_it_sends_before_it_listens(self, case: ChannelCase) -> None:
        await case.send(await case.opened(), case.message("Early."))
        assert [each.text for each in case.arrived] == ["Early."]

    @pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
    async def test_what_is_sent_arrives_unchanged(self, case: ChannelCase, text: str) -> None:
        await case.send(await case.connected(), case.message(text))
        assert [each.text for each in case.arrived] == [text]

    async def test_a_long_text_arrives_whole_and_in_order(self, case: ChannelCase) -> None:
        running = await case.connected()
        longest = running.channel.abilities.longest_text
        words = [f"word{number}" for number in range(longest // 2)]
        ids = await case.send(running, case.message(" ".join(words)))
        assert len(ids) > 1
        assert " ".join(each.text for each in case.arrived).split() == words

    async def test_it_takes_texts_as_long_as_it_says(self, case: ChannelCase) -> None:
        """Each character counts two UTF-16 units and four bytes."""
        running = await case.connected()
        abilities = running.channel.abilities
        count = abilities.longest_text // measure("🙂", abilities.counted_in)
        await case.send(running, case.message("🙂" * count))
        assert [each.text for each in case.arrived] == ["🙂" * count]

    async def test_it_refuses_texts_that_are_longer(self, case: ChannelCase) -> None:
        running = await case.connected()
        error = await case.failure(running, case.message("x" * (running.channel.abilities.longest_text + 1)))
        assert error.failure == "refused"
        assert not [asked for asked in case.server.asked if asked.way == "send"], "the vendor was asked"

    async def test_an_empty_text_is_refused(self, case: ChannelCase) -> None:
        error = await case.failure(await case.connected(), case.message(" \n"))
        assert error.failure == "refused"
        assert not [asked for asked in case.server.asked if asked.way == "send"], "the vendor was asked"

    @pytest.mark.parametrize("ability", ABILITIES)
    async def test_what_it_can_do_is_done_and_what_it_cannot_is_refused(self, case: ChannelCase, ability: str) -> None:
        running = await case.connected()
        case.server.say("Question?", thread=case.server.thread if ability == "threads" else "")
        await running.until_received("Question?")
        asked = running.received[0]
        wanted: dict[str, tuple[dict[str, Any], tuple[str, str, bool, str]]] = {
            "threads": ({"thread": asked.thread or case.server.thread}, (case.server.thread, "", False, "")),
            "replies": ({"reply_to": asked.id}, ("", case.server.bot.inbox[0].id, False, "")),
            "markdown": ({"markdown": True}, ("", "", True, "")),
            "aliases": ({"alias": "Mina"}, ("", "", False, "Mina")),
        }
        fields, expected = wanted[ability]
        message = case.message("Answer.", chat=asked.chat, **fields)
        if getattr(running.channel.abilities, ability):
            await case.send(running, message)
            (arrived,) = case.arrived
            assert (arrived.thread, arrived.reply_to, arrived.markdown, arrived.alias) == expected
        else:
            assert (await case.failure(running, message)).failure == "refused"
            assert not case.arrived

    async def test_reactions_are_made_or_refused(self, case: ChannelCase) -> None:
        running = await case.connected()
        said = case.server.say("Look.")
        await running.until_received("Look.")
        reaction = Reaction(running.received[0].chat, running.received[0].id, "👀")
        if running.channel.abilities.reactions:
            await running.channel.react(reaction)
            assert [(each.message, each.emoji) for each in case.server.marked] == [(said.id, "👀")]
        else:
            with pytest.raises(Exception, match="no reactions") as caught:
                await running.channel.react(reaction)
            assert getattr(caught.value, "failure", "") == "refused"

    async def test_it_replies_to_what_it_said_itself_where_it_can_reply(self, case: ChannelCase) -> None:
        running = await case.connected()
        (first,) = await case.send(running, case.message("First."))
        message = case.message("Second.", reply_to=first)
        if running.channel.abilities.replies:
            await case.send(running, message)
            assert case.arrived[1].reply_to == case.arrived[0].id
        else:
            assert (await case.failure(running, message)).failure == "refused"

    async def test_of_doubles_it_says_the_truth(self, case: ChannelCase) -> None:
        running = await case.connected()
        message = case.message("Again.")
        ids = [(await case.send(running, message))[0] for _ in range(2)]
        drops = running.channel.abilities.drops_doubles
        assert len(case.arrived) == (1 if drops else 2)
        assert len(set(ids)) == (1 if drops else 2)

    async def test_two_messages_of_the_same_words_are_no_doubles(self, case: ChannelCase) -> None:
        running = await case.connected()
        for _ in range(2):
            await case.send(running, case.message("Yes."))
        assert len(case.arrived) == 2

    async def test_an_unknown_chat_is_refused(self, case: ChannelCase) -> None:
        error = await case.failure(await case.connected(), case.message(chat=case.server.nowhere))
        assert error.failure == "refused"
        assert not error.retryable
        assert not case.arrived

    async def test_a_token_that_is_refused_while_sending(self, case: ChannelCase) -> None:
        running = await case.connected()
        case.server.fail("status", "send", status=401)
        assert (await case.failure(running, case.message())).failure == "auth"

    async def test_too_many_messages(self, case: ChannelCase) -> None:
        """Who sends knows what to send first when the time has come; a channel that waits by itself does not."""
        running = await case.connected()
        case.server.fail("status", "send", status=429, retry_after=7)
        error = await case.failure(running, case.message())
        assert error.failure == "rate_limited"
        assert error.retry_after == 7
        assert len([asked for asked in case.server.asked if asked.way == "send"]) == 1

    @pytest.mark.parametrize("status", [500, 503])
    async def test_a_vendor_in_trouble_is_unavailable(self, case: ChannelCase, status: int) -> None:
        running = await case.connected()
        case.server.fail("status", "send", status=status)
        error = await case.failure(running, case.message())
        assert error.failure == "unavailable"
        assert error.retryable
        assert len([asked for asked in case.server.asked if asked.way == "send"]) == 1

    async def test_a_vendor_that_is_away_is_unavailable(self, case: ChannelCase) -> None:
        running = await case.opened()
        await case.server.go_down()
        assert (await case.failure(running, case.message())).failure == "unavailable"

    @pytest.mark.parametrize("kind", ["cut", "garbage", "html", "nested"])
    async def test_an_answer_that_says_nothing_leaves_it_unknown(self, case: ChannelCase, kind: ChatFaultKind) -> None:
        """Whoever sends it again may say it twice, and has to know."""
        running = await case.connected()
        case.server.fail(kind, "send")
        error = await case.failure(running, case.message())
        assert error.failure == "unknown"
        assert not error.retryable

    async def test_it_sends_again_after_a_failure(self, case: ChannelCase) -> None:
        running = await case.connected()
        for kind in ("cut", "not_http", "status", "garbage"):
            case.server.fail(kind, "send")
            await case.failure(running, case.message("Lost."))
        await case.send(running, case.message("Back."))
        assert case.arrived[-1].text == "Back."

    async def test_messages_at_once_are_not_mixed(self, case: ChannelCase) -> None:
        running = await case.connected()
        chats = (case.server.group, case.server.other_group)
        messages = [case.message(f"{chats[number % 2]} {number}", chat=chats[number % 2]) for number in range(10)]
        await asyncio.gather(*(case.send(running, message) for message in messages))
        assert sorted(each.text for each in case.arrived) == sorted(message.text for message in messages)
        assert all(each.text.split()[0] == each.chat for each in case.arrived)

    async def test_two_bots_speak_as_themselves(self, case: ChannelCase) -> None:
        other = case.server.new_bot()
        running = [await case.connected(), await case.connected(other)]
        for number, each in enumerate(running):
            await case.send(each, case.message(f"I am {number}."))
        assert [(each.bot, each.text) for each in case.arrived] == [(case.server.bot.id, "I am 0."), (other.id, "I am 1.")]
