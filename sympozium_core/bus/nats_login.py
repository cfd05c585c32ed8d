"""Who connects to NATS, how it proves that, and how it knows the server. Files are read anew at each connection: they are rotated."""

from __future__ import annotations

import base64
import re
import ssl
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

import nats.errors
from nats.aio.client import Client

from sympozium_core.errors import Permanent

if TYPE_CHECKING:
    from sympozium_core.bus.nkeys import KeyPair

_Proof = TypeVar("_Proof", str, bytes)

MAX_TOKEN = 8 * 1024
"""Of a bearer token; one of a ServiceAccount has about 1 KiB."""
_CREDENTIALS = re.compile(r"-+BEGIN NATS USER JWT-+\s+(\S+)\s+-+END.*?-+BEGIN USER NKEY SEED-+\s+(\S+)\s+-+END", re.DOTALL)


class Unencrypted(nats.errors.Error):
    """The server offers no TLS at an address that begins with ``tls://``."""


@dataclass(frozen=True)
class Login:
    """`url` is ``nats://host:port`` or ``tls://host:port``; of the others, one way to prove who connects, or none."""

    url: str
    ca_file: Path | None = None
    """The authority that signed the server's certificate; None for those that the system trusts."""
    seed_file: Path | None = None
    """An nkey seed, or a credentials file as `nsc` writes it: a user's token and its seed."""
    token_file: Path | None = None
    """A bearer token, for the auth callout."""
    user: str = ""
    password: str = ""

    @property
    def host(self) -> str:
        return urlsplit(self.url).hostname or self.url

    def check(self) -> None:
        """Raises Permanent for a file that cannot be used, before anybody waits for a server."""
        parts = urlsplit(self.url)
        if parts.scheme not in ("nats", "tls") or not parts.hostname or parts.username or parts.password:
            raise Permanent("this is no address of NATS", hint="write nats://host:4222 or tls://host:4222, and no user in it")
        if self.ca_file is not None:
            self.tls()
        if self.seed_file is not None:
            self._signer()
        if self.token_file is not None:
            self._token()

    def options(self, client: Client) -> dict[str, Any]:
        """For `client.connect`. Nothing secret is handed to a server before the connection is as private as the address says."""

        def privately(proof: Callable[[], _Proof]) -> Callable[[], _Proof]:
            def prove() -> _Proof:
                self._check_private(client)
                try:
                    return proof()
                except Permanent as error:  # nats-py tries again after errors of its own kind, and never after others
                    raise nats.errors.Error(error.message) from error

            return prove

        options: dict[str, Any] = {}
        if self.ca_file is not None or self.url.startswith("tls://"):
            options["tls"] = self.tls()
        if self.token_file is not None:
            options["token"] = privately(self._token)
        if self.user:
            options |= {"user": self.user, "password": privately(lambda: self.password)}
        if self.seed_file is not None:
            token, key = self._signer()
            if token:
                options["user_jwt_cb"] = privately(self._user_token)
            else:
                client._public_nkey = key.public  # nats-py has no option for it without PyNaCl
            options["signature_cb"] = lambda nonce: privately(lambda: self._signature(nonce))()
        return options

    def account(self) -> str:
        """The public key of the account that the credentials are of, where NATS has an operator; empty for an nkey alone.
        Raises Permanent for credentials that are none."""
        from sympozium_core.bus import jwt

        token, _ = self._signer() if self.seed_file is not None else ("", None)
        if not token:
            return ""
        claims = jwt.verified(token)
        return str((claims.get("nats") or {}).get("issuer_account") or claims["iss"])

    def tls(self) -> ssl.SSLContext:
        """Raises Permanent for an authority that cannot be read."""
        try:
            return ssl.create_default_context(cafile=self.ca_file)
        except OSError as error:
            raise Permanent(f"the authority in {self.ca_file} cannot be used: {error.strerror or error}") from error

    def renew(self, tls: ssl.SSLContext) -> None:
        """Before the next connection: an authority that took over since then is believed too."""
        if self.ca_file is not None:
            with suppress(OSError):
                tls.load_verify_locations(self.ca_file)

    def _signature(self, nonce: str) -> bytes:
        return base64.b64encode(self._signer()[1].sign(nonce.encode()))

    def _user_token(self) -> bytes:
        return self._signer()[0].encode()

    def _check_private(self, client: Client) -> None:
        """nats-py encrypts when the server says so, and not because the address does."""
        if self.url.startswith("tls://") and not client._server_info.get("tls_required"):
            raise Unencrypted("the server offers no TLS")

    def _signer(self) -> tuple[str, KeyPair]:
        """The user's token, or nothing, and its key."""
        from sympozium_core.bus import nkeys  # `cryptography` is not loaded by those who have a token

        assert self.seed_file is not None
        try:
            text = self.seed_file.read_text()
        except (OSError, UnicodeDecodeError) as error:
            raise Permanent(f"the seed in {self.seed_file} cannot be read: {getattr(error, 'strerror', 'no text')}") from error
        if (found := _CREDENTIALS.search(text)) is not None:
            return found[1], nkeys.KeyPair.from_seed(found[2])
        return "", nkeys.load(self.seed_file, nkeys.Kind.USER)

    def _token(self) -> str:
        assert self.token_file is not None
        try:
            token = self.token_file.read_text().strip()
        except (OSError, UnicodeDecodeError) as error:
            raise Permanent(
                f"the token in {self.token_file} cannot be read: {getattr(error, 'strerror', 'no text')}"
            ) from error
        if not 0 < len(token) <= MAX_TOKEN:
            raise Permanent(f"the token in {self.token_file} has {len(token)} characters, not 1 to {MAX_TOKEN}")
        return token
