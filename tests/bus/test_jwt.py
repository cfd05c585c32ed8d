from __future__ import annotations

import base64
import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sympozium_core.bus import jwt
from sympozium_core.bus.nkeys import KeyPair, Kind

KEY = KeyPair.generate(Kind.ACCOUNT)


def test_what_was_signed_comes_back() -> None:
    claims = jwt.verified(jwt.sign({"sub": "x", "nats": {"type": "user", "version": 2}}, KEY))
    assert claims["iss"] == KEY.public
    assert claims["nats"] == {"type": "user", "version": 2}
    assert abs(claims["iat"] - time.time()) < 5
    assert len(claims["jti"]) == 52


def test_the_header_is_that_of_nats() -> None:
    header = jwt.sign({}, KEY).split(".")[0]
    assert json.loads(base64.urlsafe_b64decode(header + "==")) == {"typ": "JWT", "alg": "ed25519-nkey"}


def changed(part: int, change: Any) -> str:
    parts = jwt.sign({"sub": "x", "nats": {}}, KEY).split(".")
    value = json.loads(base64.urlsafe_b64decode(parts[part] + "=" * (-len(parts[part]) % 4)))
    value.update(change)
    parts[part] = base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()
    return ".".join(parts)


@pytest.mark.parametrize(
    "token",
    [
        "",
        "..",
        "a.b",
        "a.b.c.d",
        "x" * 100_000,
        jwt.sign({"exp": int(time.time()) - 5}, KEY),
        jwt.sign({"exp": "soon"}, KEY),
        jwt.sign({"exp": True}, KEY),
        jwt.sign({}, KEY)[:-4],
        jwt.sign({}, KEY) + "AA",
        changed(1, {"sub": "y"}),
        changed(1, {"iss": KeyPair.generate(Kind.ACCOUNT).public}),
        changed(1, {"iss": 7}),
        changed(0, {"alg": "none"}),
        changed(0, {"alg": "HS256"}),
    ],
)
def test_what_is_forged_broken_or_old_is_refused_and_not_shown(token: str) -> None:
    with pytest.raises(jwt.BadToken) as raised:
        jwt.verified(token)
    assert len(token) < 10 or token[:20] not in str(raised.value)


@given(st.binary(max_size=300))
def test_bytes_are_no_token(data: bytes) -> None:
    with pytest.raises(jwt.BadToken):
        jwt.verified(data)


def test_a_token_that_is_deep_is_refused() -> None:
    deep = base64.urlsafe_b64encode(b'{"a":' * 9000).rstrip(b"=").decode()
    with pytest.raises(jwt.BadToken):
        jwt.verified(f"{deep}.{deep}.AA")
