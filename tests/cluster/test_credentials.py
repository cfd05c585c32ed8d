"""When credentials are obtained, kept, renewed and given up; and by whom of many that ask at once."""

from __future__ import annotations

import asyncio
import base64
import datetime
import json
import logging
from pathlib import Path
from typing import Any

import pytest

from sympozium_core.cluster.credentials import LEAD_SECONDS, Credential, Credentials, bearer, ended, token_file
from sympozium_core.contracts.cluster import Unauthorized

LIFE = 1000.0


class Clock:
    def __init__(self) -> None:
        self.time = 1_000_000.0

    def now(self) -> float:
        return self.time

    def monotonic(self) -> float:
        return self.time


class Desk:
    """Gives out numbered tokens that live for `life` seconds; refuses while `closed`."""

    def __init__(self, clock: Clock, life: float | None = LIFE) -> None:
        self.clock, self.life = clock, life
        self.given = 0
        self.closed = False

    def __call__(self) -> Credential:
        if self.closed:
            raise Unauthorized("closed")
        self.given += 1
        return Credential(bearer(str(self.given)), expires=None if self.life is None else self.clock.time + self.life)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def desk(clock: Clock) -> Desk:
    return Desk(clock)


@pytest.fixture
def credentials(desk: Desk, clock: Clock) -> Credentials:
    return Credentials(desk, clock=clock)


async def test_they_are_obtained_once_for_all_who_ask(credentials: Credentials, desk: Desk) -> None:
    found = await asyncio.gather(*(credentials.current() for _ in range(20)))
    assert len({id(one) for one in found}) == 1
    assert desk.given == 1


async def test_they_are_renewed_before_they_expire(credentials: Credentials, desk: Desk, clock: Clock) -> None:
    first = await credentials.current()
    clock.time += LIFE - LEAD_SECONDS - 1
    assert await credentials.current() is first
    clock.time += 2
    found = await asyncio.gather(*(credentials.current() for _ in range(20)))
    assert {one.headers["Authorization"] for one in found} == {"Bearer 2"}
    assert desk.given == 2


@pytest.mark.parametrize(("life", "kept"), [(100.0, 80.0), (30.0, 24.0), (0.0, 5.0), (-50.0, 5.0)])
async def test_short_lives_do_not_make_a_storm(
    desk: Desk, credentials: Credentials, clock: Clock, life: float, kept: float
) -> None:
    desk.life = life
    first = await credentials.current()
    clock.time += kept - 0.5
    assert await credentials.current() is first
    clock.time += 1
    assert await credentials.current() is not first


async def test_without_an_end_they_are_kept(desk: Desk, credentials: Credentials, clock: Clock) -> None:
    desk.life = None
    first = await credentials.current()
    clock.time += 1e9
    assert await credentials.current() is first


async def test_what_cannot_be_renewed_yet_is_used_to_its_end(
    credentials: Credentials, desk: Desk, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    first = await credentials.current()
    desk.closed = True
    clock.time += LIFE - 10
    with caplog.at_level(logging.WARNING):
        assert await credentials.current() is first
    assert "cannot be renewed: closed" in caplog.text
    assert "Bearer" not in caplog.text
    clock.time += 11
    with pytest.raises(Unauthorized, match="closed"):
        await credentials.current()
    desk.closed = False
    assert (await credentials.current()).headers == bearer("2")


async def test_none_at_all(credentials: Credentials, desk: Desk) -> None:
    desk.closed = True
    with pytest.raises(Unauthorized):
        await credentials.current()


async def test_a_refusal_renews_once_for_all(credentials: Credentials, desk: Desk) -> None:
    used = await credentials.current()
    assert await asyncio.gather(*(credentials.refused(used) for _ in range(10))) == [True] * 10
    assert desk.given == 2


async def test_refusals_one_after_the_other_do_not_make_a_storm(credentials: Credentials, desk: Desk, clock: Clock) -> None:
    for expected in (True, False, False):
        assert await credentials.refused(await credentials.current()) is expected
    assert desk.given == 2
    clock.time += 6
    assert await credentials.refused(await credentials.current())


async def test_the_same_again_is_not_worth_a_request(clock: Clock) -> None:
    credentials = Credentials(lambda: Credential(bearer("same")), clock=clock)
    assert not await credentials.refused(await credentials.current())


async def test_a_refusal_that_cannot_be_mended_says_why(credentials: Credentials, desk: Desk) -> None:
    used = await credentials.current()
    desk.closed = True
    with pytest.raises(Unauthorized, match="closed"):
        await credentials.refused(used)


async def test_obtaining_does_not_hold_the_loop(clock: Clock) -> None:
    going = asyncio.Event()
    loop = asyncio.get_running_loop()

    def slow() -> Credential:
        asyncio.run_coroutine_threadsafe(_set(going), loop).result(10)  # the loop has to run for this to come back
        return Credential(bearer("1"))

    await Credentials(slow, clock=clock).current()
    assert going.is_set()


async def _set(event: asyncio.Event) -> None:
    event.set()


async def test_a_token_file_is_read_again(tmp_path: Path, clock: Clock) -> None:
    path = tmp_path / "token"
    path.write_text("one\n")
    credentials = token_file(path, tls=None, clock=clock)
    assert (await credentials.current()).headers == bearer("one")
    path.write_text("two\n")
    assert (await credentials.current()).headers == bearer("one")
    clock.time += 61
    assert (await credentials.current()).headers == bearer("two")
    path.unlink()
    clock.time += 61
    assert (await credentials.current()).headers == bearer("two")


@pytest.mark.parametrize(("content", "message"), [(None, "cannot read the token"), ("\n", "is empty"), ("é", "it is not text")])
async def test_a_token_file_without_a_token(tmp_path: Path, content: str | None, message: str) -> None:
    path = tmp_path / "token"
    if content is not None:
        path.write_text(content, encoding="utf-8")
    with pytest.raises(Unauthorized, match=message):
        await token_file(path, tls=None).current()


def _token(claims: object) -> str:
    part = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"e30.{part}.signature"


@pytest.mark.parametrize(
    ("credential", "end"),
    [
        (Credential(expires=5.0), 5.0),
        (Credential(bearer(_token({"exp": 7}))), 7.0),
        (Credential(bearer(_token({}))), None),
        (Credential(bearer(_token([]))), None),
        (Credential(bearer("a.b.c")), None),
        (Credential(bearer("opaque")), None),
        (Credential({}), None),
        (Credential(certificate=b"nonsense"), None),
    ],
)
def test_what_a_credential_tells_of_its_end(credential: Credential, end: float | None) -> None:
    assert ended(credential) == end


def test_a_certificate_tells_its_end(authority: Any) -> None:
    end = datetime.datetime(2026, 2, 3, tzinfo=datetime.UTC)
    pair = authority.issue("client", ends=end)
    assert ended(Credential(certificate=pair.certificate.encode())) == end.timestamp()


def test_no_secret_is_shown() -> None:
    assert "s3cret" not in repr(Credential(bearer("s3cret"), certificate=b"s3cret"))
