"""The tokens of NATS: JSON Web Tokens of version 2, signed with nkeys.

The form is that of github.com/nats-io/jwt (``v2/``): header ``{"typ": "JWT", "alg": "ed25519-nkey"}``, claims ``iss`` (the signer's public
nkey), ``sub``, ``aud``, ``iat``, ``exp``, ``jti`` and ``nats`` (with ``type`` and ``version`` 2), each base64url without padding.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import time
from collections.abc import Mapping
from typing import Any

from sympozium_core.bus import nkeys
from sympozium_core.errors import Permanent

_HEADER = {"typ": "JWT", "alg": "ed25519-nkey"}
MAX_TOKEN = 64 * 1024


class BadToken(Permanent):
    """Not a token of NATS, or not signed by whom it names, or too old. The message shows nothing of it."""


def sign(claims: Mapping[str, Any], key: nkeys.KeyPair) -> str:
    """`iss`, `iat` and `jti` are added."""
    body = {**claims, "iss": key.public, "iat": int(time.time())}
    body["jti"] = base64.b32encode(hashlib.sha256(_json(body)).digest()).rstrip(b"=").decode()
    signed = f"{_encode(_json(_HEADER))}.{_encode(_json(body))}"
    return f"{signed}.{_encode(key.sign(signed.encode()))}"


def verified(token: str | bytes) -> dict[str, Any]:
    """The claims, once it is certain that `iss` has signed them and that `exp` has not passed. Who `iss` may be is the caller's to check."""
    text = token.decode("ascii", "replace") if isinstance(token, bytes) else token
    parts = text.split(".")
    if len(text) > MAX_TOKEN or len(parts) != 3:
        raise BadToken("this is no token of NATS")
    header, claims = _object(parts[0]), _object(parts[1])
    issuer = claims.get("iss")
    if header.get("alg") != _HEADER["alg"] or not isinstance(issuer, str):
        raise BadToken("this is no token of NATS: it is not signed with an nkey")
    if not nkeys.verify(issuer, f"{parts[0]}.{parts[1]}".encode(), _decode(parts[2])):
        raise BadToken("the signature of a token of NATS is wrong")
    expires = claims.get("exp", 0)
    if isinstance(expires, bool) or not isinstance(expires, int) or 0 < expires < time.time():
        raise BadToken("a token of NATS has expired")
    return claims


def _json(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decode(part: str) -> bytes:
    try:
        return base64.b64decode(part + "=" * (-len(part) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise BadToken("this is no token of NATS") from None


def _object(part: str) -> dict[str, Any]:
    try:
        value = json.loads(_decode(part))
    except (ValueError, RecursionError):
        raise BadToken("this is no token of NATS: it is not JSON") from None
    if not isinstance(value, dict):
        raise BadToken("this is no token of NATS: it is no object")
    return value
