"""A language model provider: the one place that knows a vendor's wire format and may hold its key. Runs in the gateway.

The lingua franca is OpenAI's chat completions: a request body goes in as the agent wrote it, chunks of the same protocol come out
(https://platform.openai.com/docs/api-reference/chat). A provider that speaks it natively passes both through.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from sympozium_core.errors import SympoziumError

if TYPE_CHECKING:
    from pathlib import Path

    import aiohttp

Chunk = dict[str, Any]
"""A `chat.completion.chunk`. The last one before the end carries `usage`."""

Failure = Literal["auth", "rate_limited", "refused", "unavailable", "timeout", "garbage"]


class ProviderError(SympoziumError):
    """The model could not answer. `failure` decides what the gateway does.

    ``auth`` (the key is refused), ``refused`` (the request is: too long, unknown model) and ``garbage`` (the answer breaks the protocol)
    end the call; ``rate_limited``, ``unavailable`` and ``timeout`` are tried again while the call's deadline lasts. Never contains a key.
    """

    reason = "ModelError"

    def __init__(
        self, failure: Failure, message: str, *, status: int = 0, retry_after: float | None = None, hint: str = ""
    ) -> None:
        super().__init__(message, hint=hint)
        self.failure = failure
        self.status = status
        self.retry_after = retry_after

    @property
    def retryable(self) -> bool:
        return self.failure in ("rate_limited", "unavailable", "timeout")


@dataclass(frozen=True)
class Endpoint:
    """Where and as whom to ask. Made by the gateway from the instance and its Secret; never leaves the gateway."""

    model: str
    base_url: str = ""
    """Without a trailing slash; empty means the provider's own default."""
    credentials: Mapping[str, str] = field(default_factory=dict, repr=False)
    """The decoded data of the Secret, by key."""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Extra headers that the user asked for."""


@dataclass(frozen=True)
class ChatRequest:
    body: Mapping[str, Any]
    """An OpenAI chat completions body, checked for shape; `model` is replaced by the endpoint's."""
    timeout: float
    """Seconds left for the whole call."""
    run_uid: str = ""


async def _no_other_provider(name: str) -> Provider:
    raise ProviderError("refused", f"provider {name!r} cannot be opened from here")


@dataclass(frozen=True)
class ProviderContext:
    """What a provider is handed: it makes no client of its own."""

    http: aiohttp.ClientSession
    """Shared by all providers that its runs ask: keeps no cookies, reads no proxy settings. An address that may not be asked fails as a
    connection does, with EACCES: a ClientConnectorError whose `os_error` is a PermissionError that says why."""
    provider: Callable[[str], Awaitable[Provider]] = _no_other_provider
    """Another installed provider by its entry point's name, open; the caller neither opens nor closes it. Raises ProviderError."""
    data_dir: Path | None = None
    """A directory in which the provider may keep files of its own; None where there is none."""


class Provider(ABC):
    """One instance per gateway process and set of private addresses that runs may ask, shared by all of them; `open` once, many `chat` at a time, `close` once."""

    needs_credentials: ClassVar[bool] = True
    credential_keys: ClassVar[tuple[str, ...]] = ("apiKey",)
    """Names under which a Secret may hold the key, in order; a missing key's message lists them."""
    default_base_url: ClassVar[str] = ""
    local: ClassVar[bool] = False
    """Runs on the user's own machine: no key, slow first answers."""

    async def open(self, context: ProviderContext) -> None:
        """Imports and builds what is dear. Raises ProviderError or ImportError."""
        self.context = context

    @abstractmethod
    def chat(self, endpoint: Endpoint, request: ChatRequest) -> AsyncIterator[Chunk]:
        """Asks with streaming and yields chunks. Raises ProviderError, before or between chunks."""

    async def close(self) -> None:
        """Gives back what `open` took."""

    def credential(self, endpoint: Endpoint) -> str:
        """The key from the endpoint's Secret; raises ProviderError("auth") that lists the names tried."""
        for key in self.credential_keys:
            if endpoint.credentials.get(key):
                return endpoint.credentials[key].strip()
        raise ProviderError(
            "auth",
            f"the Secret has no key for this provider; looked for {', '.join(self.credential_keys)}",
            hint=f"add one: sympozium secrets create NAME --prompt {self.credential_keys[0]}",
        )
