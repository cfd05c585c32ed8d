"""Checks of `ProviderContract` on calls that fail: every failure is a ProviderError of the right family, in time, without a key."""

from __future__ import annotations

import asyncio
import socket
import time
from contextlib import aclosing

import pytest

from sympozium_core.contracts.provider import ProviderError
from sympozium_core.testing.provider_case import ProviderCase
from sympozium_core.testing.servers.script import Answer, Fault, FaultKind
from sympozium_core.testing.shown import everything_of

SHORT = 0.4
"""Seconds of a call that is meant to run out of time."""


class FailureChecks:
    async def test_wrong_key(self, case: ProviderCase) -> None:
        if not case.server.credential_key:
            case.server.say(Answer(fault=Fault("status", status=401)))
        wrong = dict.fromkeys(case.endpoint.credentials, "wrong-key-0123456789")
        error = await case.failure(endpoint=case.endpoint_with(credentials=wrong))
        assert error.failure == "auth"
        assert error.status in (0, 401)

    async def test_missing_key_names_where_it_was_looked_for(self, case: ProviderCase) -> None:
        if not case.provider.needs_credentials:
            pytest.skip("this provider needs no key")
        error = await case.failure(endpoint=case.endpoint_with(credentials={"another": "key"}))
        assert error.failure == "auth"
        assert case.provider.credential_keys[0] in error.message
        assert not case.server.requests, "the server was asked without a key"

    async def test_key_that_cannot_be_one(self, case: ProviderCase) -> None:
        if not case.server.credential_key:
            pytest.skip("this server has no keys")
        broken = {case.server.credential_key: f"{case.server.key}\r\nx-evil: 1"}
        error = await case.failure(endpoint=case.endpoint_with(credentials=broken))
        assert error.failure == "auth"
        assert not case.server.requests

    @pytest.mark.parametrize("status", [401, 403])
    async def test_not_allowed(self, case: ProviderCase, status: int) -> None:
        assert (await self._answered(case, status)).failure == "auth"

    async def test_wrong_model(self, case: ProviderCase) -> None:
        error = await case.failure(endpoint=case.endpoint_with(model="no-such-model"))
        assert error.failure == "refused"
        assert case.server.refusals, "the server was not asked"

    @pytest.mark.parametrize("status", [400, 404, 413, 422])
    async def test_refused(self, case: ProviderCase, status: int) -> None:
        error = await self._answered(case, status)
        assert error.failure == "refused"
        assert not error.retryable

    async def test_rate_limited(self, case: ProviderCase) -> None:
        case.server.say(Answer(fault=Fault("status", status=429, retry_after=7)))
        error = await case.failure()
        assert error.failure == "rate_limited"
        assert error.retry_after == 7
        assert error.status == 429

    @pytest.mark.parametrize("status", [500, 502, 503])
    async def test_unavailable(self, case: ProviderCase, status: int) -> None:
        error = await self._answered(case, status)
        assert error.failure == "unavailable"
        assert error.retryable

    async def test_vendors_words_are_passed_on(self, case: ProviderCase) -> None:
        case.server.say(Answer(fault=Fault("status", status=500)))
        words = _longest_text(case.server.refusal(500).body)
        assert words[:40] in (await case.failure()).message

    async def test_connection_refused(self, case: ProviderCase) -> None:
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            base = case.endpoint.base_url.replace(f":{case.server.port}", f":{unused.getsockname()[1]}")
            error = await case.failure(endpoint=case.endpoint_with(base_url=base))
        assert error.failure == "unavailable"

    @pytest.mark.parametrize("base", ["ftp://example.com/v1", "not a url", "http://", "http://user:secret-word@127.0.0.1:1/v1"])
    async def test_base_url_that_is_none(self, case: ProviderCase, base: str) -> None:
        error = await case.failure(endpoint=case.endpoint_with(base_url=base))
        assert error.failure == "refused"
        assert "secret-word" not in str(error)

    @pytest.mark.parametrize("kind", ["silence", "stall"])
    async def test_out_of_time(self, case: ProviderCase, kind: FaultKind) -> None:
        case.server.say(Answer("one two three", fault=Fault(kind)))
        began = time.monotonic()
        error = await case.failure(timeout=SHORT)
        assert error.failure == "timeout"
        assert time.monotonic() - began < SHORT + 2

    async def test_connection_cut(self, case: ProviderCase) -> None:
        assert (await self._spoiled(case, "cut")).failure in ("unavailable", "garbage")

    async def test_end_without_finish(self, case: ProviderCase) -> None:
        assert (await self._spoiled(case, "no_finish")).failure == "garbage"

    async def test_garbage(self, case: ProviderCase) -> None:
        assert (await self._spoiled(case, "garbage")).failure == "garbage"

    async def test_line_without_end(self, case: ProviderCase) -> None:
        assert (await self._spoiled(case, "long_line")).failure == "garbage"

    async def test_web_page(self, case: ProviderCase) -> None:
        assert (await self._spoiled(case, "html")).failure in ("garbage", "refused")

    async def test_not_http(self, case: ProviderCase) -> None:
        assert (await self._spoiled(case, "not_http")).failure in ("garbage", "unavailable")

    async def test_error_in_the_stream(self, case: ProviderCase) -> None:
        assert (await self._spoiled(case, "error")).failure in ("unavailable", "refused", "rate_limited")

    async def test_redirect_to_another_host_is_not_followed(self, case: ProviderCase) -> None:
        async with type(case.server)() as other:
            case.server.say(Answer(fault=Fault("redirect", location=f"http://localhost:{other.port}{self._path(case)}")))
            error = await case.failure()
            assert error.failure == "refused"
            assert not other.requests, "the redirect was followed"

    async def test_cancelling_closes_the_connection(self, case: ProviderCase) -> None:
        case.server.say(Answer("one two", fault=Fault("stall")))
        call = asyncio.create_task(case.ask(timeout=60.0))
        await case.server.until_requested()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        await case.server.until_abandoned()

    async def test_closing_the_answer_closes_the_connection(self, case: ProviderCase) -> None:
        case.server.say(Answer("one two three four", fault=Fault("stall", after=4)))
        async with asyncio.timeout(5), aclosing(case.stream(timeout=60.0)) as chunks:
            async for _ in chunks:
                break
        await case.server.until_abandoned()

    async def test_works_again_after_a_failure(self, case: ProviderCase) -> None:
        kinds: tuple[FaultKind, ...] = ("cut", "garbage", "status", "no_finish")
        for kind in kinds:
            await self._spoiled(case, kind)
        case.server.say(Answer("Back."))
        assert (await case.ask()).text == "Back."

    async def test_no_error_shows_the_key(self, case: ProviderCase) -> None:
        key = "hidden-key-that-nobody-may-see"
        endpoint = case.endpoint_with(
            credentials=dict.fromkeys(case.endpoint.credentials, key), headers={"x-token": f"{key}-2"}
        )
        errors = [await case.failure(endpoint=endpoint)] if case.server.credential_key else []
        case.server.key = key
        kinds: tuple[FaultKind, ...] = ("status", "garbage", "html", "cut", "redirect", "not_http", "error")
        for kind in kinds:
            case.server.say(Answer("a b c", fault=Fault(kind, status=401, location=f"http://localhost:1/?token={key}")))
            errors.append(await case.failure(endpoint=endpoint))
        for error in errors:
            assert key not in everything_of(error), f"{error.failure} shows the key"
        assert key not in repr(endpoint)

    async def _answered(self, case: ProviderCase, status: int) -> ProviderError:
        case.server.say(Answer(fault=Fault("status", status=status)))
        error = await case.failure()
        assert error.status == status
        return error

    async def _spoiled(self, case: ProviderCase, kind: FaultKind) -> ProviderError:
        case.server.say(Answer("one two three four five six", fault=Fault(kind)))
        return await case.failure(timeout=5.0)

    def _path(self, case: ProviderCase) -> str:
        return str(getattr(case.server, "path", "/"))


def _longest_text(data: object) -> str:
    if isinstance(data, dict):
        return max((_longest_text(value) for value in data.values()), key=len, default="")
    return data if isinstance(data, str) else ""
