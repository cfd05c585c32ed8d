"""Checks of `ChannelContract` on calls from the vendor. A channel that is not called has to say so, and to take nothing from whoever calls it."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from sympozium_core.contracts.channel_messages import WebRequest
from sympozium_core.errors import Temporary
from sympozium_core.testing.channel_case import ChannelCase

OLD = 3600.0
"""Seconds."""
STRANGE = {
    "nothing": WebRequest("GET", "/"),
    "no-body": WebRequest("POST", "/"),
    "no-text": WebRequest("POST", "/", body=b"\xff\xfe\x00"),
    "nested": WebRequest("POST", "/", body=b"[" * 200_000),
    "another-method": WebRequest("DELETE", "/", body=b"{}"),
}


class CallChecks:
    async def test_an_unsigned_call_is_refused(self, case: ChannelCase) -> None:
        signed = case.server.signed(case.server.written("forged"))
        bare = {name: value for name, value in signed.headers.items() if name not in case.server.signature_headers}
        await _refused(case, replace(signed, headers=bare))

    async def test_a_call_that_is_signed_with_another_secret_is_refused(self, case: ChannelCase) -> None:
        await _refused(case, case.server.signed(case.server.written("forged"), secret="another-secret-0123456789"))

    async def test_a_call_that_was_changed_on_its_way_is_refused(self, case: ChannelCase) -> None:
        signed = case.server.signed(case.server.written("genuine"))
        await _refused(case, replace(signed, body=signed.body.replace(b"genuine", b"changed")))

    async def test_an_old_call_is_refused(self, case: ChannelCase) -> None:
        """Whoever has recorded one could make it again for ever."""
        await _refused(case, case.server.signed(case.server.written("old"), age=OLD))

    @pytest.mark.parametrize("request_of", STRANGE.values(), ids=STRANGE)
    async def test_a_strange_call_is_refused(self, case: ChannelCase, request_of: WebRequest) -> None:
        await _refused(case, request_of)

    async def test_signed_nonsense_is_answered_and_skipped(self, case: ChannelCase) -> None:
        """Anything but success, and the vendor would come again with it for ever."""
        running = await case.opened()
        for junk in case.server.junk() if running.channel.called else ():
            answer = await running.channel.webhook(case.server.signed(case.server.written("junk", junk=junk)))
            assert 200 <= answer.status < 300, f"{answer.status} for {junk!r}"
        answer = await running.channel.webhook(case.server.signed(case.server.written("message")))
        assert answer.status == (200 if running.channel.called else 404)
        assert running.texts == (["message"] if running.channel.called else [])

    async def test_a_call_is_answered_when_its_message_is_kept(self, case: ChannelCase) -> None:
        running = await case.opened()
        running.gate.clear()
        request = case.server.signed(case.server.written("Keep me."))
        call = asyncio.create_task(running.channel.webhook(request))
        if running.channel.called:
            await running.until_received("Keep me.")
            await case.send(running, case.message())
            assert not call.done(), "it was answered before the message was kept"
            running.gate.set()
        assert (await call).status == (200 if running.channel.called else 404)

    async def test_a_call_whose_message_cannot_be_kept_is_not_answered_with_success(self, case: ChannelCase) -> None:
        running = await case.opened()
        running.trouble.append(Temporary("the bus is away"))
        answer = await case.call(case.server.signed(case.server.written("Keep me.")))
        assert answer.status == (503 if running.channel.called else 404)

    async def test_a_call_that_comes_twice_has_one_id(self, case: ChannelCase) -> None:
        running = await case.opened()
        request = case.server.signed(case.server.written("Once."))
        for _ in range(2):
            answer = await running.channel.webhook(request)
            assert answer.status == (200 if running.channel.called else 404)
        assert len({message.id for message in running.received}) == (1 if running.channel.called else 0)


async def _refused(case: ChannelCase, request: WebRequest) -> None:
    running = await case.opened()
    answer = await case.call(request)
    if running.channel.called:
        assert 400 <= answer.status < 500, f"it was answered with {answer.status}"
    else:
        assert answer.status == 404, "a channel that is not called says so"
    assert not running.received, "somebody else's words were taken"
