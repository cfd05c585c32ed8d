"""Which model a run may ask, and what it may have fetched: found by `processes`, which know the run, its instance and its Secret; the gateway knows none of them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Protocol

from sympozium_core.contracts.fetching import FetchPolicy
from sympozium_core.contracts.plan import Limits
from sympozium_core.contracts.provider import Endpoint, Provider


@dataclass(frozen=True)
class ModelTarget:
    provider: str
    """Entry point name of the driver."""
    endpoint: Endpoint
    attempt: int
    """The run's current attempt: a call of another one comes from a pod that is over."""
    deadline: float
    """Epoch seconds at which the run ends; no call lasts longer."""
    limits: Limits = field(default_factory=Limits)
    """Of which the gateway keeps the tokens and the turns."""
    private: tuple[str, ...] = ()
    """CIDRs beside the public addresses at which the model may be asked."""


@dataclass(frozen=True)
class FetchTarget:
    """What the run's plan says of fetching; `attempt` and `deadline` as in ModelTarget."""

    policy: FetchPolicy | None
    """None: nothing may be fetched."""
    attempt: int
    deadline: float
    limits: Limits = field(default_factory=Limits)


Resolve = Callable[[str, int], Awaitable[ModelTarget]]
"""By the run's UID, for one of its attempts; the answer may be for a later one, never for an earlier. Raises SympoziumError: run unknown or ended, Secret missing (its name, the keys tried), provider not installed (those that are)."""


ResolveFetch = Callable[[str, int], Awaitable[FetchTarget]]
"""As Resolve."""


class Providers(Protocol):
    async def get(self, name: str, private: tuple[str, ...]) -> Provider:
        """The open provider of that name, which connects to public addresses and to these ranges; raises SympoziumError naming the installed ones."""
