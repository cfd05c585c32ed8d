"""What nats-py and the server say, in the words of the bus contract."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import nats.errors
import nats.js.errors

from sympozium_core.contracts.bus import BusDenied, BusUnavailable, Fenced, LimitReached, PayloadTooLarge
from sympozium_core.errors import Permanent, SympoziumError

# Codes of JetStream's errors: `server/errors.json` of nats-server 2.15.
_WRONG_LAST_SEQUENCE = (10071, 10164)
_MESSAGE_TOO_LARGE = (10054, 10097)
_NO_ROOM = (10023, 10028, 10047)
_STORE_FAILED = 10077
"""Also for a stream that is full: the description then says which maximum was exceeded."""


_NO_MESSAGE = 10037


class NoMessage(Permanent):
    """The stream has no message such as was asked for."""


def api_error(code: int, description: str, subject: str) -> SympoziumError:
    """The error of an API answer: its `err_code` and description."""
    if code in _WRONG_LAST_SEQUENCE:
        return Fenced(f"another writer has appended to {subject}: {description}")
    if code in _MESSAGE_TOO_LARGE:
        return PayloadTooLarge(f"the message for {subject} is too long: {description}")
    if code in _NO_ROOM or (code == _STORE_FAILED and "maximum" in description):
        return LimitReached(f"JetStream is full: {description}", hint="raise the limits or delete old runs")
    if code == _STORE_FAILED or code // 100 == 5:
        return BusUnavailable(f"JetStream could not store a message on {subject}: {description}")
    return Permanent(f"JetStream refused {subject}: {description} ({code})")


def is_refusal(error: Exception) -> bool:
    """Whether the server does not take the user; as nats-py tells it while it connects."""
    return isinstance(error, nats.errors.AuthorizationError) or "authorization violation" in str(error).lower()


def translate(error: Exception, what: str) -> SympoziumError:
    if isinstance(error, nats.js.errors.APIError):
        if error.err_code == _NO_MESSAGE:
            return NoMessage(f"no message found: {what}")
        if error.code == 503 and error.err_code is None:
            return BusUnavailable(f"JetStream does not answer: {what}")
        if error.code is not None and error.code >= 500 and error.err_code not in (*_NO_ROOM, _STORE_FAILED):
            return BusUnavailable(f"JetStream failed: {what}: {error.description}")
        return api_error(error.err_code or 0, error.description or "no description", what)
    if is_refusal(error):
        return BusDenied(f"NATS does not know this user: {what}")
    if isinstance(error, nats.errors.MaxPayloadError):
        return PayloadTooLarge(f"longer than the server's max_payload: {what}")
    return BusUnavailable(f"{what}: {error}" if str(error) else f"{what}: {type(error).__name__}")


@contextmanager
def translated(what: str) -> Iterator[None]:
    """Raises the contract's errors for whatever nats-py raises inside."""
    try:
        yield
    except (nats.errors.Error, OSError, TimeoutError) as error:
        raise translate(error, what) from error
