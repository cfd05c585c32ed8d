"""The REST face of the control plane on this machine, at its Unix socket: at once where a server stays, later where a command is all there is."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from sympozium_core.errors import SympoziumError
from sympozium_core.processes.outside import import_http

if TYPE_CHECKING:
    from sympozium_core.embedded.store import Store
    from sympozium_core.processes.journal_reading import JournalReader

SOON = 1.0
"""Seconds after which somebody may want to speak to a command that has begun no run."""

log = logging.getLogger(__name__)


@asynccontextmanager
async def api_socket(store: Store, journals: JournalReader, path: Path) -> AsyncIterator[None]:
    """Served until left. Raises BadRequest for a path that is too long for a socket."""
    from sympozium_core.embedded.rest import make_app, serve_unix
    from sympozium_core.processes.journal_route import journal_route

    async with serve_unix(make_app(store, routes=[journal_route(journals)]), path):
        yield


@asynccontextmanager
async def api_socket_later(store: Store, journals: JournalReader, path: Path, begun: asyncio.Event) -> AsyncIterator[None]:
    """As `api_socket`, from when a run has `begun`: what speaks HTTP is imported while its pod starts, and not before there is a run. Others wait
    for the socket; a command that is over sooner never opens it.
    """
    serving = asyncio.ensure_future(_serve_later(store, journals, path, begun))
    try:
        yield
    finally:
        serving.cancel()
        await asyncio.wait({serving})


async def _serve_later(store: Store, journals: JournalReader, path: Path, begun: asyncio.Event) -> None:
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(begun.wait(), SOON)
    await import_http()
    await asyncio.to_thread(import_module, "sympozium_core.processes.journal_route")
    try:
        async with api_socket(store, journals, path):
            await asyncio.Event().wait()
    except (SympoziumError, OSError) as error:
        log.warning("other commands cannot speak to this one: %s", error)
