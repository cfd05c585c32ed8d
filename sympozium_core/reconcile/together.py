"""Several steps at once where none needs another."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterable
from typing import Any


async def together(work: Iterable[Awaitable[Any]]) -> None:
    """All at once, each to its end; then the first failure is raised. A step that is tried again never meets itself still under way."""
    for outcome in await asyncio.gather(*work, return_exceptions=True):
        if isinstance(outcome, BaseException):
            raise outcome
