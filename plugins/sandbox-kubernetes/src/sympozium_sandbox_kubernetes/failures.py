"""What an API server's refusal means for whoever asked for a pod: try again, or never."""

from __future__ import annotations

from sympozium_core.contracts.cluster import ApiError, BadRequest, Forbidden, Invalid, NotFound, TooLarge
from sympozium_core.contracts.sandbox import NoRoom
from sympozium_core.errors import Permanent, SympoziumError, Temporary

NO_ROOM_AGAIN = 5.0
"""Seconds: nobody tells when a quota has room again."""


def from_api(what: str, error: ApiError) -> SympoziumError:
    """`what` was not done, such as ``create the Job of pod run-1``."""
    text = f"the cluster did not {what}: {error.message}"
    if isinstance(error, Forbidden) and "exceeded quota" in error.message:
        return NoRoom(
            text, hint="it is tried again: let other work in the namespace end, or raise its ResourceQuota", after=NO_ROOM_AGAIN
        )
    if isinstance(error, Forbidden):
        return Permanent(text, hint="see the cause; `sympozium doctor` says whether the controller has its rights")
    if isinstance(error, NotFound):
        return Permanent(text, hint="does the namespace still exist?")
    if isinstance(error, Invalid | BadRequest | TooLarge):
        return Permanent(text, hint=error.hint)
    return Temporary(text, hint=error.hint)
