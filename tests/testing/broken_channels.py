"""How channels are broken: a few words of a sound one, and what stands there instead; and the check of `ChannelContract` that finds it."""

from __future__ import annotations

LISTENS = "    async def listen(self)"
RECEIVES = "await self.context.receive(message)"
POSTS = "    async def post(self"
OPENS = "await super().open(context)"
NEVER_KEPT = "asyncio.get_running_loop().create_task(self.context.receive(message))"
STATUS = '{401: "auth", 403: "auth", 429: "rate_limited"}'
SIGNED = "if not hmac.compare_digest(signature.encode(), expected.encode()):"
TOKEN = 'self._wire: Wire = Wire(context, self.setting("url"), self.credential())'
CONNECTED = 'me = await self._wire.get("/v1/me")\n        self.connected(str(me.get("name")))'
SHAPES = "except (KeyError, TypeError, ValueError):"


def also(method: str, place: str = LISTENS) -> tuple[str, str]:
    """A method of the class before one that it has."""
    return place, f"    {method}\n\n{place}"


def instead(place: str, new: str) -> tuple[str, str]:
    return place, new


TEMPLATE: dict[str, tuple[list[tuple[str, str]], str]] = {
    "dear": ([("if TYPE_CHECKING:", "import aiohttp  # noqa: F401\n\nif TYPE_CHECKING:")], "its_module_loads_nothing_that_is_dear"),
    "asks-at-open": ([(TOKEN, f'{TOKEN}\n        await self._wire.get("/v1/me")')], "opening_asks_nobody"),
    "any-token": ([also('def credential(self, *keys: str) -> str:\n        return self.context.credentials.get("token", "")')], "a_missing_token_names_where_it_was_looked_for"),
    "any-setting": ([(OPENS, "from dataclasses import replace\n        await super().open(replace(context, settings={k: v for k, v in context.settings.items() if k in self.settings}))")], "a_setting_that_there_is_not_is_refused"),
    "connected-at-once": ([(CONNECTED, f'self.connected("robot-1")\n        {CONNECTED}')], "it_is_connected_when_the_vendor_has_said_so"),
    "refused-and-tries": ([(STATUS, '{401: "unavailable", 429: "rate_limited"}')], "a_refused_token_ends_it_at_once"),
    "refused-later": ([(STATUS, '{401: "garbage", 429: "rate_limited"}')], "a_token_that_is_refused_later_ends_it"),
    "one-connection": ([also("async def run(self) -> None:\n        await self._listened()\n        await asyncio.Event().wait()")], "a_connection_that_is_lost_is_made_again"),
    "silent-outage": ([also("async def run(self) -> None:\n        while True:\n            await self._listened()\n            await asyncio.sleep(0.1)")], "an_outage_is_told_and_lived_through"),
    "storm": ([also("async def run(self) -> None:\n        while True:\n            self.context.report((await self._listened())[0])")], "tries_come_further_apart"),
    "impatient": ([("seconds = float(after) if after.isdigit() else None", "seconds = None")], "told_to_wait_it_waits"),
    "dies-of-nonsense": ([also("async def run(self) -> None:\n        await self.listen()")], "nonsense_from_the_vendor_does_not_end_it[garbage]"),
    "unbounded": ([("if len(body) > MAX_ANSWER:", "if len(body) < 0:")], "a_flood_is_not_taken"),
    "follows": ([('"allow_redirects": False', '"allow_redirects": True')], "the_token_goes_nowhere_else"),
    "leaves-task": ([(CONNECTED, f"self._task = asyncio.create_task(asyncio.sleep(60))\n        {CONNECTED}")], "a_cancel_ends_it_and_leaves_nothing_behind[listening]"),
    "leaves-receive": ([(RECEIVES, "await asyncio.shield(asyncio.ensure_future(self.context.receive(message)))")], "a_cancel_ends_it_and_leaves_nothing_behind[keeping]"),
    "deaf-to-cancel": ([(RECEIVES, "try:\n                        await self.context.receive(message)\n                    except BaseException:\n                        await asyncio.sleep(60)")], "a_cancel_ends_it_and_leaves_nothing_behind[keeping]"),
    "leaves-send": ([('sent = await self._wire.send("/v1/messages", body)', 'sent = await asyncio.shield(asyncio.ensure_future(self._wire.send("/v1/messages", body)))')], "a_cancel_ends_it_and_leaves_nothing_behind[sending]"),
    "shows-headers": ([('f"the chat service answered {status}"', 'f"the chat service answered {status} to {response.request_info.headers}"')], "nobody_is_shown_the_token"),
    "logs-token": ([(CONNECTED, f'__import__("logging").getLogger("x").info("as %s", self.credential())\n        {CONNECTED}')], "nobody_is_shown_the_token"),
    "sender-by-name": ([('sender=sender["id"]', 'sender=sender["name"]')], "a_message_arrives_with_who_wrote_it_and_where"),
    "one-line": ([('text=message["text"]', 'text=" ".join(message["text"].split())')], "what_is_written_comes_through_unchanged[lines]"),
    "twice": ([(RECEIVES, f"{RECEIVES}\n                    {RECEIVES}")], "each_message_arrives_once"),
    "backwards": ([("for update in updates", "for update in reversed(updates)")], "messages_of_a_chat_come_in_order"),
    "id-of-text": ([('id=message["id"]', 'id=message["text"]')], "two_messages_never_share_an_id"),
    "acknowledges-first": ([(RECEIVES, NEVER_KEPT)], "nothing_is_acknowledged_before_it_is_kept"),
    "new-id": ([('id=message["id"]', 'id=str(__import__("time").monotonic_ns())')], "what_was_not_kept_comes_again_under_its_id_after_a_crash"),
    "lost-in-a-crash": ([("await self.context.receive(message)\n                after = _offset(update)", 'await self._wire.get("/v1/updates", {"wait": "0", "after": _offset(update)})\n                    await self.context.receive(message)\n                after = _offset(update)')], "what_was_not_kept_comes_again_under_its_id_after_a_crash"),
    "acknowledges-nothing": ([("after = _offset(update)", 'after = ""')], "what_was_acknowledged_does_not_come_again"),
    "never-mind": ([(RECEIVES, "try:\n                        await self.context.receive(message)\n                    except Exception:\n                        pass")], "what_could_not_be_kept_comes_again_under_its_id"),
    "skips-the-first": ([('after = ""', 'after = "1"')], "what_was_written_before_it_came_up_is_received"),
    "threadless": ([('thread=message.get("thread", "")', 'thread=""')], "a_thread_is_told"),
    "no-mentions": ([('addressed=direct or me in message["mentions"]', "addressed=direct")], "whether_the_bot_is_meant_is_told"),
    "hears-itself": ([(' or sender["id"] == me', "")], "its_own_messages_are_not_received"),
    "hears-bots": ([('sender["bot"] is not False or ', "")], "messages_of_other_bots_are_not_received"),
    "dies-of-junk": ([(SHAPES, "except ZeroDivisionError:")], "what_is_no_message_is_skipped"),
    "cuts-in-silence": ([('text=message["text"]', 'text=message["text"][:100]')], "a_text_that_is_too_long_is_cut"),
    "loses-half-characters": ([('text=message["text"]', 'text=message["text"].encode().decode()')], "a_text_that_is_no_unicode_is_made_sound"),
    "one-bot": ([("self.credential())", '"tok-1-0123456789abcdef")')], "two_bots_hear_only_what_is_theirs"),
    "one-thing-at-a-time": ([(OPENS, f"{OPENS}\n        self._lock = asyncio.Lock()"), (RECEIVES, f"async with self._lock:\n                        {RECEIVES}"), ('sent = await self._wire.send("/v1/messages", body)', 'async with self._lock:\n            sent = await self._wire.send("/v1/messages", body)')], "messages_are_sent_while_another_is_being_kept"),
    "one-id": ([('return str(sent["id"])', 'return "1"')], "a_message_is_sent"),
    "sends-when-connected": ([(OPENS, f"{OPENS}\n        self._up = False"), (CONNECTED, f"{CONNECTED}\n        self._up = True"), ('body = {"chat"', 'if not self._up:\n            raise ChannelError("unavailable", "not connected")\n        body = {"chat"')], "it_sends_before_it_listens"),
    "strips": ([('"text": message.text', '"text": " ".join(message.text.split())')], "what_is_sent_arrives_unchanged[lines]"),
    "sends-the-beginning": ([('"text": message.text', '"text": message.text[:1000]')], "a_long_text_arrives_whole_and_in_order"),
    "says-too-much": ([("longest_text=2000", "longest_text=2001")], "it_takes_texts_as_long_as_it_says"),
    "counts-otherwise": ([("longest_text=2000", 'longest_text=8000, counted_in="utf16"')], "it_takes_texts_as_long_as_it_says"),
    "asks-with-too-much": ([also("async def send(self, message: OutboundMessage) -> str:\n        return await self.post(message)")], "it_refuses_texts_that_are_longer"),
    "asks-with-nothing": ([also("async def send(self, message: OutboundMessage) -> str:\n        return await self.post(message)")], "an_empty_text_is_refused"),
    "drops-threads": ([("if message.thread:", "if not message.thread and message.reply_to:")], "what_it_can_do_is_done_and_what_it_cannot_is_refused[threads]"),
    "ignores-aliases": ([also("async def send(self, message: OutboundMessage) -> str:\n        return await self.post(message)")], "what_it_can_do_is_done_and_what_it_cannot_is_refused[aliases]"),
    "ignores-reactions": ([also("async def react(self, reaction: object) -> None:\n        pass")], "reactions_are_made_or_refused"),
    "replies-to-another": ([('body["replyTo"] = message.reply_to', 'body["replyTo"] = "999"')], "it_replies_to_what_it_said_itself_where_it_can_reply"),
    "modest": ([(", drops_doubles=True", "")], "of_doubles_it_says_the_truth"),
    "keyless": ([('"key": message.key', '"key": str(__import__("time").monotonic_ns())')], "of_doubles_it_says_the_truth"),
    "words-as-key": ([('"key": message.key', '"key": message.text')], "two_messages_of_the_same_words_are_no_doubles"),
    "no-such-chat": ([(STATUS, STATUS[:-1] + ', 404: "unavailable"}')], "an_unknown_chat_is_refused"),
    "refused-as-message": ([(STATUS, '{401: "refused", 429: "rate_limited"}')], "a_token_that_is_refused_while_sending"),
    "forgets-when": ([("seconds = float(after) if after.isdigit() else None", "seconds = None")], "too_many_messages"),
    "all-refused": ([('"refused" if 400 <= status < 500 else "unavailable"', '"refused"')], "a_vendor_in_trouble_is_unavailable[500]"),
    "tries-again-itself": ([(POSTS, '    async def post(self, message: OutboundMessage) -> str:\n        try:\n            return await self.once(message)\n        except ChannelError:\n            return await self.once(message)\n\n    async def once(self')], "a_vendor_in_trouble_is_unavailable[503]"),
    "away-is-unknown": ([('ChannelError("unavailable", "the chat service cannot', 'ChannelError("unknown", "the chat service cannot')], "a_vendor_that_is_away_is_unavailable"),
    "lost-is-not-sent": ([('raise ChannelError("unknown", error.message) from None', "raise")], "an_answer_that_says_nothing_leaves_it_unknown[cut]"),
    "once-bitten": ([('if error.failure != "garbage":', 'self._url = "http://127.0.0.1:1"\n            if error.failure != "garbage":')], "it_sends_again_after_a_failure"),
    "shares-state": ([('body = {"chat": message.chat', 'self._chat = message.chat\n        await asyncio.sleep(0)\n        body = {"chat": self._chat')], "messages_at_once_are_not_mixed"),
    "one-voice": ([("self.credential())", '"tok-1-0123456789abcdef")')], "two_bots_speak_as_themselves"),
    "says-it-is-called": ([also("async def webhook(self, request: object) -> object:\n        from sympozium_core.contracts.channel_messages import WebAnswer\n        return WebAnswer(200)")], "a_strange_call_is_refused[nothing]"),
}  # fmt: skip
"""Of the channel that ``sympozium plugins new channel`` writes."""

CALLING: dict[str, tuple[list[tuple[str, str]], str]] = {
    "takes-unsigned": ([(SIGNED, "if signature and not hmac.compare_digest(signature, expected):"), ('request.headers.get("x-stamp", "")', 'request.headers.get("x-stamp", str(int(time.time())))')], "an_unsigned_call_is_refused"),
    "any-signature": ([(SIGNED, "if len(signature) != len(expected):")], "a_call_that_is_signed_with_another_secret_is_refused"),
    "signs-the-stamp": ([(SIGNED, "if len(signature) != len(expected):")], "a_call_that_was_changed_on_its_way_is_refused"),
    "any-age": ([("> MAX_AGE", "> 1e12")], "an_old_call_is_refused"),
    "polite": ([("return WebAnswer(400)", "return WebAnswer(200)")], "a_strange_call_is_refused[another-method]"),
    "junk-again-and-again": ([("if message is not None:", "if message is None:\n            return WebAnswer(500)\n        else:")], "signed_nonsense_is_answered_and_skipped"),
    "answers-first": ([(RECEIVES, NEVER_KEPT)], "a_call_is_answered_when_its_message_is_kept"),
    "success-anyway": ([(RECEIVES, "try:\n                await self.context.receive(message)\n            except Exception:\n                pass")], "a_call_whose_message_cannot_be_kept_is_not_answered_with_success"),
    "counts-calls": ([('id=message["id"]', "id=str(time.monotonic_ns())")], "a_call_that_comes_twice_has_one_id"),
    "letter-by-letter": ([('"markdown" if message.markdown else "plain"', '"plain"')], "what_it_can_do_is_done_and_what_it_cannot_is_refused[markdown]"),
    "nameless": ([("if message.alias:", "if message.alias == '':")], "what_it_can_do_is_done_and_what_it_cannot_is_refused[aliases]"),
    "another-emoji": ([('"emoji": reaction.emoji', '"emoji": "x"')], "reactions_are_made_or_refused"),
    "counts-characters": ([(', counted_in="utf16"', "")], "it_takes_texts_as_long_as_it_says"),
}  # fmt: skip
"""Of `calling_channel`."""
