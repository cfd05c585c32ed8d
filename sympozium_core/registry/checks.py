"""Checks every installed plugin, each in a process of its own (`registry.check`), and records what came of it."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

from sympozium_core.registry.catalogue import Installed
from sympozium_core.registry.record import Record

TIMEOUT = 20.0
AT_ONCE = 2
MAX_OUTPUT = 64 << 10
MAX_ERROR_LINE = 300
DRAIN = 1.0


@dataclass(frozen=True)
class Checked:
    entry: Installed
    ok: bool
    reason: str
    """One line; empty when it is ok."""


async def check_all(
    entries: Iterable[Installed], *, record: Record | None = None, timeout: float = TIMEOUT, at_once: int = AT_ONCE
) -> list[Checked]:
    """One result an entry, in their order. `timeout` is for each, in seconds. Never raises for a plugin."""
    turns = asyncio.Semaphore(at_once)

    async def one(entry: Installed) -> Checked:
        async with turns:
            reason = await _run(entry, timeout)
        return Checked(entry, not reason, reason)

    results = await asyncio.gather(*(one(entry) for entry in entries))
    if record is not None:
        for result in results:
            entry = result.entry
            record.write(
                entry.group,
                entry.name,
                ok=result.ok,
                reason=result.reason,
                version=entry.version,
                distribution=entry.distribution,
            )
    return results


class _Tail(asyncio.Protocol):
    """A pipe for a process to write into, of which the last `MAX_OUTPUT` bytes are kept.

    Not asyncio's own pipes: with those, waiting for the process waits for whoever inherited its output as well.
    """

    def __init__(self, writing: int) -> None:
        self.writing = writing
        """The end to hand to the process; -1 once it is closed on this side."""
        self.content = b""
        self.ended = asyncio.Event()

    def data_received(self, data: bytes) -> None:
        self.content = (self.content + data)[-MAX_OUTPUT:]

    def handed_over(self) -> None:
        """Closes this side's copy of `writing`, so that the end of the process is the end of the pipe."""
        writing, self.writing = self.writing, -1
        if writing >= 0:
            os.close(writing)

    def connection_lost(self, exc: Exception | None) -> None:
        self.ended.set()


@asynccontextmanager
async def _pipe() -> AsyncIterator[_Tail]:
    reading, writing = os.pipe()
    tail = _Tail(writing)
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(lambda: tail, os.fdopen(reading, "rb"))
    try:
        yield tail
    finally:
        tail.handed_over()
        transport.close()
        await tail.ended.wait()


async def _run(entry: Installed, timeout: float) -> str:
    if entry.conflicts:
        return f"package {', '.join(entry.conflicts)} claims the same name; uninstall one"
    async with _pipe() as output, _pipe() as errors:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", "sympozium_core.registry.check", entry.group, entry.name),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output.writing,
            stderr=errors.writing,
            start_new_session=True,
        )
        output.handed_over()
        errors.handed_over()
        try:
            async with asyncio.timeout(timeout):
                code = await process.wait()
        except TimeoutError:
            return f"loading it took longer than {timeout:g} s"
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
        with suppress(TimeoutError):
            async with asyncio.timeout(DRAIN):
                await asyncio.gather(output.ended.wait(), errors.ended.wait())
    return _reason(code, output.content, errors.content)


def _reason(code: int, output: bytes, errors: bytes) -> str:
    try:
        answer = json.loads(output)
        return "" if answer["ok"] is True and code == 0 else str(answer["reason"]) or "it failed without a reason"
    except (ValueError, KeyError, TypeError):
        ended = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        said = errors.decode(errors="replace").strip().splitlines()
        return f"its process ended with {ended}" + (f": {said[-1][:MAX_ERROR_LINE]}" if said else "")
