"""`Watch` on an event loop: sleeps on the inotify descriptor, or by the clock when polling."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator

from sympozium_core.ipc.watch import Found, Watch


async def changes(watch: Watch) -> AsyncGenerator[list[Found], None]:
    """What appears, batch after batch, for ever; the caller ends it by cancelling, or by closing the generator.

    One iteration a watch at a time. The watch itself stays the caller's to close, after this.
    """
    loop = asyncio.get_running_loop()
    wake = asyncio.Event()
    descriptor = watch.fileno()
    if descriptor >= 0:
        loop.add_reader(descriptor, wake.set)
    try:
        while True:
            wake.clear()
            found = watch.read()
            if descriptor >= 0 and watch.fileno() < 0:
                loop.remove_reader(descriptor)  # it polls now: nobody would take what the descriptor still has to tell
                descriptor = -1
            if found:
                yield found
                # A full burst is read without sleeping in between, but others get their turn.
                await asyncio.sleep(0)
                continue
            due = watch.due
            with contextlib.suppress(TimeoutError):
                # Not `wait_for`: that of Python 3.11 loses a cancellation that comes together with what it waits for.
                async with asyncio.timeout(due):
                    await wake.wait()
    finally:
        if descriptor >= 0:
            loop.remove_reader(descriptor)
