"""What can go wrong, in four families: permanent, temporary, refused, and everything else, which is a bug.

Whoever raises chains the lower error; what reaches a status, a log or a terminal is the message alone, cut and free of secrets.
"""

from __future__ import annotations

from dataclasses import dataclass

MAX_MESSAGE = 2048


@dataclass(frozen=True)
class Cause:
    """One thing that is wrong with one field, in the words of the person who has to mend it."""

    field: str
    """Path of the field as the user wrote it, such as ``spec.skills[1].params``; empty when no single field is at fault."""
    message: str
    """What is wrong, naming the value."""
    hint: str = ""
    """What a good value looks like, or what to do next."""

    def __str__(self) -> str:
        where = f"{self.field}: " if self.field else ""
        return f"{where}{self.message}" + (f" ({self.hint})" if self.hint else "")


class SympoziumError(Exception):
    """Base of every error that a user may see without a traceback."""

    reason = "InfrastructureError"

    def __init__(self, message: str, *, reason: str | None = None, hint: str = "") -> None:
        super().__init__(message[:MAX_MESSAGE])
        self.message = message[:MAX_MESSAGE]
        self.hint = hint
        if reason is not None:
            self.reason = reason

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message


class Permanent(SympoziumError):
    """Trying again gives the same: a controller records it and stops."""


class BudgetExceeded(Permanent):
    """A run has used what its limits allow; the message says which, and what was reached."""

    reason = "BudgetExceeded"


class Temporary(SympoziumError):
    """Trying again may help."""

    def __init__(self, message: str, *, after: float | None = None, reason: str | None = None, hint: str = "") -> None:
        super().__init__(message, reason=reason, hint=hint)
        self.after = after
        """Seconds after which to try again; None leaves it to the caller's back-off."""


class Refused(Permanent):
    """A rule says no. Carries every cause at once, so that one round of mending is enough."""

    reason = "PolicyDenied"

    def __init__(self, causes: list[Cause] | tuple[Cause, ...], *, reason: str | None = None) -> None:
        self.causes = tuple(causes)
        super().__init__("; ".join(str(cause) for cause in self.causes), reason=reason)
