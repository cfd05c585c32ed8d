"""Asks a provider until it answers: retries what may pass, while time lasts and nothing has been handed on."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from itertools import count
from typing import Any

from sympozium_core.clock import Clock
from sympozium_core.contracts.provider import ChatRequest, Chunk, Endpoint, Failure, Provider, ProviderError

MAX_TRIES: Mapping[Failure, int] = {"rate_limited": 100, "unavailable": 6, "timeout": 2}
"""How often a call is made before this failure ends it; a limit on the rate is worth waiting for as long as the run lasts."""
FIRST_PAUSE = 0.25
LONGEST_PAUSE = 20.0
LEAST = 0.5
"""Seconds. A call that had less left is not begun again: the failure of the one before is told instead, while the run can still hear it."""

logger = logging.getLogger(__name__)


async def ask(
    provider: Provider, endpoint: Endpoint, body: Mapping[str, Any], *, uid: str, deadline: float, clock: Clock
) -> AsyncGenerator[Chunk, None]:
    """Chunks of one answer. `deadline` is in epoch seconds. Raises ProviderError; any other error of the driver becomes one."""
    end = clock.monotonic() + deadline - clock.now()
    for tries in count(1):
        started = False
        try:
            async with aclosing(_chunks(provider, endpoint, body, uid, end, clock)) as chunks:
                async for chunk in chunks:
                    started = True
                    yield chunk
            return
        except ProviderError as error:
            pause = _pause(tries, error.retry_after)
            late = clock.monotonic() + pause + LEAST >= end
            if started or not error.retryable or tries >= MAX_TRIES.get(error.failure, 1) or late:
                raise
            logger.info("run %s: model is asked again in %.1f s: %s", uid, pause, error.failure)
            await asyncio.sleep(pause)


async def _chunks(
    provider: Provider, endpoint: Endpoint, body: Mapping[str, Any], uid: str, end: float, clock: Clock
) -> AsyncGenerator[Chunk, None]:
    left = end - clock.monotonic()
    if left <= 0:
        raise _too_late()
    chunks = provider.chat(endpoint, ChatRequest(body=body, timeout=left, run_uid=uid))
    try:
        while True:
            try:
                # Around the step and not the loop: a time limit must not fire while the caller has the chunk.
                async with asyncio.timeout(max(0.0, end - clock.monotonic())):
                    chunk = await anext(chunks)
            except StopAsyncIteration:
                return
            except TimeoutError:
                raise _too_late() from None
            except (ProviderError, asyncio.CancelledError):
                raise
            except Exception as error:
                logger.exception("the provider failed in an unexpected way")
                raise ProviderError("garbage", f"the provider failed: {type(error).__name__}") from error
            yield chunk
    finally:
        close = getattr(chunks, "aclose", None)
        if close is not None:
            await close()


def _too_late() -> ProviderError:
    return ProviderError("timeout", "the model did not answer before the run's deadline", hint="raise the run's timeout")


def _pause(tries: int, retry_after: float | None) -> float:
    """Exponential with jitter, and never less than the vendor asks for."""
    pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** min(tries - 1, 10)) * random.uniform(0.5, 1.0)
    return max(pause, retry_after or 0.0)
