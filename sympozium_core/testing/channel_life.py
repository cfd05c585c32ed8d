"""Checks of `ChannelContract` on connections: made, refused, lost, made again, ended; and on what is said of all that."""

from __future__ import annotations

import asyncio
import functools
import logging
import subprocess
import sys
import time
from typing import Any, ClassVar, get_args

import pytest

from sympozium_core.contracts.channel import Channel, Health
from sympozium_core.contracts.channel_messages import ChannelError, Failure
from sympozium_core.testing.channel_case import ChannelCase, ended
from sympozium_core.testing.servers.chat import FLOOD, ChatFaultKind
from sympozium_core.testing.shown import everything_of

WRONG = "wrong-token-that-nobody-may-see"


class LifeChecks:
    channel_class: ClassVar[type[Channel]]

    async def test_its_module_loads_nothing_that_is_dear(self) -> None:
        """It is imported to be listed and checked; what a vendor's library takes to load is for `open`."""
        name = self.channel_class.__module__
        code = (
            f"import sys; sys.path[:] = {[path for path in sys.path if path]!r}; before = set(sys.modules); import {name}; "
            f"new = {{each.partition('.')[0] for each in set(sys.modules) - before}}; "
            f"print(*sorted(new - sys.stdlib_module_names - {{'sympozium_core', {name.partition('.')[0]!r}}}))"
        )
        run = functools.partial(subprocess.run, capture_output=True, text=True, timeout=60, check=False)
        done = await asyncio.to_thread(run, [sys.executable, "-c", code])
        assert done.returncode == 0, done.stderr
        assert done.stdout == "\n", f"importing {name} also loads {done.stdout.strip()}"

    async def test_opening_asks_nobody(self, case: ChannelCase) -> None:
        running = await case.opened()
        await running.stop()
        assert not case.server.asked
        assert not running.health

    async def test_a_missing_token_names_where_it_was_looked_for(self, case: ChannelCase) -> None:
        with pytest.raises(ChannelError, match=case.channel_class.credential_keys[0]) as caught:
            await case.opened(credentials={})
        assert caught.value.failure == "auth"

    async def test_a_setting_that_there_is_not_is_refused(self, case: ChannelCase) -> None:
        with pytest.raises(ChannelError, match="no-such-setting") as caught:
            await case.opened(settings={**case.server.settings(), "no-such-setting": "1"})
        assert caught.value.failure == "refused"

    async def test_it_is_connected_when_the_vendor_has_said_so(self, case: ChannelCase) -> None:
        case.server.fail("silence", "receive", times=100)
        running = await case.started()
        await running.until(lambda: case.server.asked, "the vendor was not asked")
        assert not any(health.connected for health in running.health)
        await running.stop()
        case.server.mend()
        running = await case.connected()
        assert running.health[-1] == Health(True, account=case.server.bot.name)

    async def test_a_refused_token_ends_it_at_once(self, case: ChannelCase) -> None:
        credentials = {**case.server.credentials(case.server.bot), case.server.credential_key: WRONG}
        running = await case.started(credentials=credentials)
        error = await running.until_ended()
        assert isinstance(error, ChannelError)
        assert error.failure == "auth"
        assert (running.health[-1].connected, running.health[-1].failure) == (False, "auth")
        assert len(case.server.asked) <= 2, "a token that is refused is not tried again"

    async def test_a_token_that_is_refused_later_ends_it(self, case: ChannelCase) -> None:
        running = await case.connected()
        del case.server.bots[case.server.bot.token]
        case.server.drop()
        error = await running.until_ended()
        assert isinstance(error, ChannelError)
        assert error.failure == "auth"
        assert not running.connected

    async def test_a_connection_that_is_lost_is_made_again(self, case: ChannelCase) -> None:
        running = await case.connected()
        for text in ("one", "two"):
            # More than once, because an HTTP client may make a request again by itself.
            case.server.fail("cut", "receive", times=2)
            case.server.drop()
            case.server.say(text)
            await running.until_received(text)
        # One that was kept and not yet acknowledged comes twice, as one message.
        assert [message.text for message in {message.id: message for message in running.received}.values()] == ["one", "two"]

    async def test_an_outage_is_told_and_lived_through(self, case: ChannelCase) -> None:
        running = await case.connected()
        await case.server.go_down()
        await running.until(lambda: not running.connected, "nobody was told of an outage")
        assert running.health[-1].failure in get_args(Failure)
        assert running.health[-1].message
        case.server.say("Meanwhile.")
        await case.server.come_up()
        await running.until_received("Meanwhile.")
        await running.until_connected()

    async def test_tries_come_further_apart(self, case: ChannelCase) -> None:
        case.server.fail("status", "receive", times=3)
        began = time.monotonic()
        await case.connected()
        assert time.monotonic() - began > 1.0, "a vendor in trouble is left alone for a while"

    async def test_told_to_wait_it_waits(self, case: ChannelCase) -> None:
        case.server.fail("status", "receive", status=429, retry_after=2)
        began = time.monotonic()
        running = await case.connected()
        assert time.monotonic() - began > 1.9
        assert [health.failure for health in running.health] == ["rate_limited", ""]

    @pytest.mark.parametrize("kind", ["garbage", "html", "not_http", "cut", "nested", "status"])
    async def test_nonsense_from_the_vendor_does_not_end_it(self, case: ChannelCase, kind: ChatFaultKind) -> None:
        case.server.fail(kind, "receive")
        running = await case.connected()
        case.server.fail(kind, "receive")
        case.server.say("Still there?")
        await running.until_received("Still there?")

    async def test_a_flood_is_not_taken(self, case: ChannelCase) -> None:
        case.server.fail("flood", "receive")
        await case.connected()
        assert case.server.flooded < FLOOD

    async def test_the_token_goes_nowhere_else(self, case: ChannelCase) -> None:
        async with type(case.server)() as other:
            running = await case.connected()
            place = other.address.replace("127.0.0.1", "localhost")
            case.server.fail("redirect", "receive", location=place)
            case.server.fail("redirect", "send", location=place)
            case.server.say("Still there?")
            await case.failure(running, case.message())
            await running.until_received("Still there?")
            assert not other.asked, "a redirect was followed"

    @pytest.mark.parametrize("state", ["listening", "keeping", "between-tries", "sending"])
    async def test_a_cancel_ends_it_and_leaves_nothing_behind(self, case: ChannelCase, state: str) -> None:
        before = asyncio.all_tasks()
        running = await (case.opened() if state == "sending" else case.connected())
        if state == "keeping":
            running.gate.clear()
            case.server.say("Keep me.")
            await running.until_received("Keep me.")
        elif state == "between-tries":
            await case.server.go_down()
            await running.until(lambda: not running.connected, "nobody was told of an outage")
        elif state == "sending":
            case.server.fail("silence", "send")
            sending = asyncio.create_task(running.channel.send(case.message()))
            await running.until(lambda: case.server.asked, "nothing was sent")
            await ended(sending)
        await running.stop()
        await running.until(lambda: not _left(before), "a task of the channel is left")

    async def test_nobody_is_shown_the_token(self, case: ChannelCase, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.DEBUG)
        running = await case.connected()
        secrets = [*case.server.credentials(case.server.bot).values(), WRONG]
        shown = [repr(running.channel), repr(running.channel.context)]
        kinds: tuple[ChatFaultKind, ...] = ("status", "garbage", "cut", "redirect", "not_http", "html")
        for kind in kinds:
            case.server.fail(kind, "send", status=401, location=f"http://localhost:1/{secrets[0]}")
            shown.append(everything_of(await case.failure(running, case.message())))
        await running.stop()
        for kind in kinds:
            case.server.fail(kind, "receive", location=f"http://localhost:1/{secrets[0]}")
            running = await case.started()
            await running.until(lambda running=running: running.health, "it did not say what became of it")  # type: ignore[misc]  # mypy: lambda's default
            shown.append(repr(running.health))
            await running.stop()
        credentials = {**case.server.credentials(case.server.bot), case.server.credential_key: WRONG}
        running = await case.started(credentials=credentials)
        error = await running.until_ended()
        assert error is not None
        shown += [everything_of(error), repr(running.health), caplog.text]
        for secret in secrets:
            assert secret not in "".join(shown), "a token is shown"


def _left(before: set[asyncio.Task[Any]]) -> list[asyncio.Task[Any]]:
    """New tasks that are neither the strict server's nor those of who calls the channel."""
    ours = ("sympozium_core.testing.servers.", "aiohttp.web")
    new = [
        task
        for task in asyncio.all_tasks() - before
        for frame in task.get_stack(limit=1)
        if not frame.f_globals["__name__"].startswith(ours)
    ]
    return [task for task in new if not task.done()]
