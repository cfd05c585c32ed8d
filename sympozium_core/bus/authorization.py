"""What a NATS server asks of an auth callout, and what it is answered: tokens there and back.

Server to us: ``type: authorization_request``, signed by the server (`iss` is its id), for our issuer (`sub`), with the user key that the
answer must name (`user_nkey`). We to it: ``type: authorization_response`` with an error, or with the token of a user. See
github.com/nats-io/jwt (``v2/authorization_claims.go``, ``v2/user_claims.go``) and ``server/auth_callout.go`` of nats-server.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any

from sympozium_core.bus import jwt, subjects
from sympozium_core.bus.nkeys import KeyPair, Kind, is_public
from sympozium_core.bus.users import RUNS
from sympozium_core.errors import Permanent

_AUDIENCE = "nats-authorization-request"
_TOKEN = re.compile(r"[A-Za-z0-9_-]{1,128}")
_NO_LIMITS = {"subs": -1, "data": -1, "payload": -1}
"""nats-server 2.15 does not apply the limits of a callout's user (tried); `server_config` bounds every connection."""


@dataclass(frozen=True)
class BusUser:
    """Whom a token stands for."""

    uid: str
    """Of the run."""
    pod: str
    """The pod's id; the user's name on the bus."""
    expires: float
    """Epoch seconds at which its connection is closed."""


@dataclass(frozen=True)
class AuthRequest:
    server: str
    """Public key and id of the server that asks."""
    user_nkey: str
    """Made by the server for this connection alone."""
    token: str
    """What the client has shown; anything at all, or nothing."""


class Issuer:
    """Signs for one account. `key` is that account's key or one of its signing keys.

    Where NATS has an operator, `operated` is the account's public key. Otherwise the server's configuration names the key as the
    callout's issuer, and the account by its name.
    """

    def __init__(self, key: KeyPair, *, operated: str = "") -> None:
        if key.kind is not Kind.ACCOUNT:
            raise Permanent(
                "users of the bus are signed with the seed of an account key", hint="one line that begins with SA; see nsc"
            )
        if operated and not is_public(operated, Kind.ACCOUNT):
            raise Permanent(f"{operated[:80]!r} is no public key of an account", hint="it begins with A")
        self._key, self.operated = key, operated
        self.account = operated or RUNS
        """As the server knows it."""

    def parse(self, data: bytes) -> AuthRequest:
        """Raises `jwt.BadToken` for what is no request of a server to us."""
        claims = jwt.verified(data)
        told = claims.get("nats")
        if not isinstance(told, dict) or told.get("type") != "authorization_request" or claims.get("aud") != _AUDIENCE:
            raise jwt.BadToken("this is no authorization request")
        server, user, options = told.get("server_id"), told.get("user_nkey"), told.get("connect_opts")
        if not isinstance(server, dict) or not isinstance(user, str) or not isinstance(options, dict):
            raise jwt.BadToken("an authorization request is not complete")
        issuer = claims["iss"]
        if not is_public(issuer, Kind.SERVER) or server.get("id") != issuer or not is_public(user, Kind.USER):
            raise jwt.BadToken("an authorization request is not signed by the server that it names")
        if claims.get("sub") != (self.operated or self._key.public):
            raise jwt.BadToken("an authorization request is for another issuer")
        token = options.get("auth_token", "")
        return AuthRequest(issuer, user, token if isinstance(token, str) else "")

    def grant(self, request: AuthRequest, user: BusUser) -> bytes:
        """Raises ValueError for a user with names that are no part of a subject."""
        if not _TOKEN.fullmatch(user.uid) or not _TOKEN.fullmatch(user.pod) or not math.isfinite(user.expires):
            raise ValueError("the UID or the pod id is no part of a subject")
        nats: dict[str, Any] = {
            "pub": {"allow": [*subjects.run_user_may_publish(user.uid), subjects.hello(user.pod)]},
            "sub": {"allow": [*subjects.run_user_may_subscribe(user.uid), f"{subjects.pod_inbox(user.pod)}.>"]},
            **_NO_LIMITS,
            "allowed_connection_types": ["STANDARD"],
            "type": "user",
            "version": 2,
        }
        claims: dict[str, Any] = {"sub": request.user_nkey, "name": user.pod, "exp": math.ceil(user.expires), "nats": nats}
        if self.operated:
            nats["issuer_account"] = self.operated
        else:
            claims["aud"] = self.account
        return self._answer(request, {"jwt": jwt.sign(claims, self._key)})

    def refuse(self, request: AuthRequest, because: str) -> bytes:
        """`because` is for the server's log; the client learns nothing."""
        return self._answer(request, {"error": because})

    def _answer(self, request: AuthRequest, answer: dict[str, Any]) -> bytes:
        nats = {**answer, "type": "authorization_response", "version": 2}
        if self.operated:
            nats["issuer_account"] = self.operated
        return jwt.sign({"sub": request.user_nkey, "aud": request.server, "nats": nats}, self._key).encode()
