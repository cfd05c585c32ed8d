"""What names stand for, asked of the system's resolver and remembered for a moment: a burst of runs of one policy asks once."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import Executor
from functools import partial

from sympozium_core.errors import Temporary

REMEMBERED = 60.0
"""Seconds."""
PATIENCE = 10.0
"""Seconds that the resolver gets for all names."""
_NOWHERE = (socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME), socket.EAI_FAIL)


class Addresses:
    """For one event loop."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[float, tuple[str, ...]]] = {}

    async def of(self, hosts: Iterable[str]) -> Mapping[str, tuple[str, ...]]:
        """Addresses by name, sorted; none for a name that does not exist. Raises Temporary where the resolver cannot say."""
        wanted = tuple(hosts)
        if not wanted:
            return {}
        try:
            async with asyncio.timeout(PATIENCE):
                found = await asyncio.gather(*(self._of(host) for host in wanted))
        except TimeoutError:
            raise Temporary(f"looking up {', '.join(wanted)[:200]} took longer than {PATIENCE:g} s", after=5.0) from None
        return dict(zip(wanted, found, strict=True))

    async def _of(self, host: str) -> tuple[str, ...]:
        now = time.monotonic()
        self._known = {name: known for name, known in self._known.items() if known[0] > now}
        if host not in self._known:
            self._known[host] = (now + REMEMBERED, await look_up(host))
        return self._known[host][1]


async def look_up(host: str, executor: Executor | None = None) -> tuple[str, ...]:
    """As `Addresses.of`, asked now. Not within PATIENCE: whoever connects has a limit of its own.

    A name whose servers do not answer keeps a thread for as long as the resolver waits: names that agents choose get an executor of their own.
    """
    try:
        ask = partial(socket.getaddrinfo, host, None, type=socket.SOCK_STREAM)
        found = await asyncio.get_running_loop().run_in_executor(executor, ask)
    except (socket.gaierror, UnicodeError) as error:
        if isinstance(error, UnicodeError) or error.errno in _NOWHERE:
            return ()
        raise Temporary(f"the name {host[:200]!r} cannot be looked up now: {error.strerror}", after=5.0) from error
    return tuple(sorted({str(address[0]).partition("%")[0] for *_, address in found}))
