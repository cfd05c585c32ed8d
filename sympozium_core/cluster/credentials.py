"""What proves to an API server who we are, kept fresh: renewed before it expires, and once when the server does not take it any more."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from ssl import SSLContext

from sympozium_core.clock import Clock, SystemClock
from sympozium_core.contracts.cluster import Unauthorized
from sympozium_core.errors import SympoziumError

TOKEN_FILE_SECONDS = 60.0
"""How long the content of a token file is used before the file is read again; kubelet replaces it at 80 % of the token's life."""
LEAD_SECONDS = 60.0
"""A credential is renewed so long before it expires, but not before four fifths of what was left of its life when it came."""
SHORTEST_SECONDS = 5.0
"""Between two renewals, and between two because of a refusal: each may start a program."""
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Credential:
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    tls: SSLContext | None = None
    """What connections are made with: the authority to trust and, where the credential is a client certificate, that."""
    expires: float | None = None
    """Epoch seconds; None where the credential itself does not say."""
    read_again: float | None = None
    """Epoch seconds at which there may be another, for a file that somebody replaces."""
    certificate: bytes = field(default=b"", repr=False)
    """The client certificate in PEM, to tell when it ended."""


class Credentials:
    """`obtain` may block (it reads files, it runs a program): it is called in a thread. It raises SympoziumError."""

    def __init__(self, obtain: Callable[[], Credential], *, clock: Clock | None = None) -> None:
        self._obtain = obtain
        self._clock = clock or SystemClock()
        self._lock = asyncio.Lock()
        self._current: Credential | None = None
        self._renew_at: float | None = None
        self._refused = 0.0

    async def current(self) -> Credential:
        """Raises SympoziumError, most often Unauthorized, where there is none (any more)."""
        if self._current is None or self._due():
            async with self._lock:
                if self._current is None:
                    self._take(await asyncio.to_thread(self._obtain))
                elif self._due():  # nobody else did while we waited
                    await self._renew(self._current)
        assert self._current is not None
        return self._current

    async def refused(self, used: Credential) -> bool:
        """The server did not take `used`. True when there is another now, so that the request is worth repeating.

        Raises what `obtain` does: the old one is of no use.
        """
        async with self._lock:
            if self._current is used and self._clock.now() - self._refused >= SHORTEST_SECONDS:
                self._refused = self._clock.now()
                self._take(await asyncio.to_thread(self._obtain))
        now = self._current
        return now is not None and (now.headers != used.headers or now.tls is not used.tls)

    async def _renew(self, old: Credential) -> None:
        """In good time: while the old one is of use, a failure may wait."""
        try:
            self._take(await asyncio.to_thread(self._obtain))
        except SympoziumError as error:
            now = self._clock.now()
            if old.expires is not None and old.expires <= now:
                raise
            log.warning("the credentials of the API server cannot be renewed: %s; using the old ones", error)
            self._renew_at = now + SHORTEST_SECONDS

    def _take(self, fresh: Credential) -> None:
        self._current = fresh
        self._renew_at = _renewal(fresh, self._clock.now())

    def _due(self) -> bool:
        return self._renew_at is not None and self._clock.now() >= self._renew_at


def static(credential: Credential) -> Credentials:
    """Credentials that never change."""
    return Credentials(lambda: credential)


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def token_file(path: Path, *, tls: SSLContext | None, clock: Clock | None = None) -> Credentials:
    """A token that somebody replaces in its file before it expires."""
    now = (clock or SystemClock()).now

    def read() -> Credential:
        try:
            token = path.read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not text"
            raise Unauthorized(f"cannot read the token in {path}: {reason}") from error
        if not token:
            raise Unauthorized(f"the token file {path} is empty")
        return Credential(bearer(token), tls, read_again=now() + TOKEN_FILE_SECONDS)

    return Credentials(read, clock=clock)


def ended(credential: Credential) -> float | None:
    """When the credential ends or ended, in epoch seconds, if it tells: what its maker said, a token's own claim, a certificate."""
    if credential.expires is not None:
        return credential.expires
    if credential.certificate:
        from cryptography import x509

        try:
            return x509.load_pem_x509_certificate(credential.certificate).not_valid_after_utc.timestamp()
        except ValueError:
            return None
    parts = credential.headers.get("Authorization", "").removeprefix("Bearer ").split(".")
    if len(parts) != 3:
        return None
    try:
        claim = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))["exp"]
        return float(claim)
    except (ValueError, KeyError, TypeError):
        return None


def _renewal(credential: Credential, now: float) -> float | None:
    due = credential.read_again
    if credential.expires is not None:
        left = max(0.0, credential.expires - now)
        before = credential.expires - min(LEAD_SECONDS, left / 5)
        due = before if due is None else min(due, before)
    return None if due is None else max(due, now + SHORTEST_SECONDS)
