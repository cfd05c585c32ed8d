"""Checks of `ChannelContract` on what people write to a bot."""

from __future__ import annotations

import pytest

from sympozium_core.contracts.channel_messages import MAX_TEXT
from sympozium_core.errors import Temporary
from sympozium_core.testing.channel_case import ChannelCase

TEXTS = {
    "beyond-ascii": "Grüße, 世界! 🙂🏳️‍🌈 — “ok”",
    "lines": "one\n\n  two\n\tthree",
    "marks": '*a* _b_ `c` <d> & "e" \\f\\ [g](http://h) @everyone #1',
    "commands": "/start now; {{x}} ${y} %s",
}


class ReceivingChecks:
    async def test_a_message_arrives_with_who_wrote_it_and_where(self, case: ChannelCase) -> None:
        running = await case.connected()
        case.server.say("Hello.")
        await running.until_received("Hello.")
        message = running.received[0]
        assert (message.chat, message.sender) == (case.server.group, case.server.person)
        assert message.sender_name == case.server.person_name
        assert message.thread == ""
        assert not message.cut

    @pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
    async def test_what_is_written_comes_through_unchanged(self, case: ChannelCase, text: str) -> None:
        running = await case.connected()
        case.server.say(text)
        await running.until_received(text)

    async def test_each_message_arrives_once(self, case: ChannelCase) -> None:
        running = await case.connected()
        said = [case.server.say(f"number {number}") for number in range(25)]
        await case.until_acknowledged(running, *said)
        assert sorted(running.texts) == sorted(each.text for each in said)

    async def test_messages_of_a_chat_come_in_order(self, case: ChannelCase) -> None:
        said = [case.server.say(f"number {number}") for number in range(12)]
        running = await case.connected()
        said += [case.server.say(f"number {number}") for number in range(12, 25)]
        await case.until_acknowledged(running, *said)
        assert running.texts == [each.text for each in said]

    async def test_two_messages_never_share_an_id(self, case: ChannelCase) -> None:
        running = await case.connected()
        chats = (case.server.group, case.server.other_group, case.server.direct)
        said = [case.server.say("Same.", chat=chat) for chat in chats for _ in range(2)]
        await case.until_acknowledged(running, *said)
        assert len({message.id for message in running.received}) == len(said)
        assert {message.chat for message in running.received} == set(chats)

    async def test_nothing_is_acknowledged_before_it_is_kept(self, case: ChannelCase) -> None:
        running = await case.connected()
        running.gate.clear()
        said = case.server.say("Keep me.")
        await running.until_received("Keep me.")
        # Whatever else the channel does meanwhile has been done once it has sent something.
        await case.send(running, case.message())
        assert said.id not in case.server.bot.acknowledged
        running.gate.set()
        await case.until_acknowledged(running, said)

    async def test_what_was_not_kept_comes_again_under_its_id_after_a_crash(self, case: ChannelCase) -> None:
        first = await case.connected()
        first.gate.clear()
        case.server.say("Keep me.")
        await first.until_received("Keep me.")
        await first.stop()
        second = await case.connected()
        await second.until_received("Keep me.")
        assert second.received[0] == first.received[0]

    async def test_what_was_acknowledged_does_not_come_again(self, case: ChannelCase) -> None:
        first = await case.connected()
        said = case.server.say("Once.")
        await case.until_acknowledged(first, said)
        await first.stop()
        second = await case.connected()
        case.server.say("Twice.")
        await second.until_received("Twice.")
        assert second.texts == ["Twice."]

    async def test_what_could_not_be_kept_comes_again_under_its_id(self, case: ChannelCase) -> None:
        running = await case.connected()
        running.trouble.append(Temporary("the bus is away"))
        said = case.server.say("Keep me.")
        await case.until_acknowledged(running, said)
        assert running.texts == ["Keep me.", "Keep me."]
        assert len({message.id for message in running.received}) == 1

    async def test_what_was_written_before_it_came_up_is_received(self, case: ChannelCase) -> None:
        case.server.say("Early.")
        running = await case.connected()
        await running.until_received("Early.")

    async def test_a_thread_is_told(self, case: ChannelCase) -> None:
        """That of a channel without threads is the chat itself: then a reply goes there."""
        running = await case.connected()
        case.server.say("In a thread.", thread=case.server.thread)
        await running.until_received("In a thread.")
        expected = case.server.thread if running.channel.abilities.threads else ""
        assert running.received[0].thread == expected

    async def test_whether_the_bot_is_meant_is_told(self, case: ChannelCase) -> None:
        running = await case.connected()
        case.server.say("direct", chat=case.server.direct)
        case.server.say("mention", mentions=(case.server.bot.id,))
        case.server.say("another", mentions=("person-2",))
        await running.until_received("direct", "mention", "another")
        told = {message.text: (message.direct, message.addressed) for message in running.received}
        assert told == {"direct": (True, True), "mention": (False, True), "another": (False, False)}

    async def test_its_own_messages_are_not_received(self, case: ChannelCase) -> None:
        running = await case.connected()
        case.server.say("Mine.", sender=case.server.bot.id, mentions=(case.server.bot.id,))
        said = case.server.say("Yours.")
        await case.until_acknowledged(running, said)
        assert running.texts == ["Yours."]

    async def test_messages_of_other_bots_are_not_received(self, case: ChannelCase) -> None:
        running = await case.connected()
        case.server.say("I am a robot.", sender="bot-99", by_bot=True, mentions=(case.server.bot.id,))
        said = case.server.say("I am none.")
        await case.until_acknowledged(running, said)
        assert running.texts == ["I am none."]

    async def test_what_is_no_message_is_skipped(self, case: ChannelCase) -> None:
        running = await case.connected()
        for junk in case.server.junk():
            case.server.say("junk", junk=junk)
        said = case.server.say("Still there?")
        await case.until_acknowledged(running, said)
        assert running.texts == ["Still there?"]

    async def test_a_text_that_is_too_long_is_cut(self, case: ChannelCase) -> None:
        running = await case.connected()
        case.server.say("long " * MAX_TEXT)
        await running.until(lambda: running.received, "a long text did not arrive")
        assert running.received[0].cut
        assert len(running.received[0].text) <= MAX_TEXT

    async def test_a_text_that_is_no_unicode_is_made_sound(self, case: ChannelCase) -> None:
        running = await case.connected()
        case.server.say("a\ud800b\x00c")
        await running.until(lambda: running.received, "a text with half a character did not arrive")
        assert running.received[0].text.encode().decode() == "a\ufffdb\ufffdc"

    async def test_two_bots_hear_only_what_is_theirs(self, case: ChannelCase) -> None:
        other = case.server.new_bot()
        running = [await case.connected(), await case.connected(other)]
        said = case.server.say("To the first."), case.server.say("To the second.", to=other)
        await case.until_acknowledged(running[0], said[0])
        await case.until_acknowledged(running[1], said[1], bot=other)
        assert [each.texts for each in running] == [["To the first."], ["To the second."]]

    async def test_messages_are_sent_while_another_is_being_kept(self, case: ChannelCase) -> None:
        running = await case.connected()
        running.gate.clear()
        case.server.say("Wait.")
        await running.until_received("Wait.")
        await case.send(running, case.message("Meanwhile."))
        assert [each.text for each in case.arrived] == ["Meanwhile."]
