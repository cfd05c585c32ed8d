"""The relay as it runs: a process with a port, a Unix socket behind it, and a command."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import sympozium_sandbox_bubblewrap

RELAY = str(Path(sympozium_sandbox_bubblewrap.__path__[0]) / "relay.py")
READY = "import sys; print('ready', flush=True); "
Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@asynccontextmanager
async def relay(path: Path, *command: str) -> AsyncIterator[tuple[asyncio.subprocess.Process, int]]:
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-I", "-S", RELAY, str(port), str(path), *command,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        yield process, port
    finally:
        if process.returncode is None:
            process.terminate()
        await process.communicate()


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(100_000):
        writer.write(data)
        await writer.drain()
    writer.write(b" and that was all")
    writer.close()


def waiter(seconds: int = 60) -> tuple[str, ...]:
    return (sys.executable, "-S", "-c", READY + f"import time; time.sleep({seconds})")


@pytest.mark.parametrize("size", [0, 10, 3_000_000])
async def test_both_ways_whole_and_half_closed(tmp_path: Path, size: int) -> None:
    data = os.urandom(size)
    async with await asyncio.start_unix_server(echo, tmp_path / "s"), relay(tmp_path / "s", *waiter()) as (process, port):
        assert process.stdout is not None
        await process.stdout.readline()
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        reading = asyncio.create_task(reader.read())
        writer.write(data)
        writer.write_eof()
        assert await reading == data + b" and that was all"
        writer.close()


async def test_many_connections_at_once(tmp_path: Path) -> None:
    async def ask(port: int, number: int) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"%d" % number)
        answer = await reader.readexactly(len(b"%d" % number))
        writer.close()
        return answer

    async with await asyncio.start_unix_server(echo, tmp_path / "s"), relay(tmp_path / "s", *waiter()) as (process, port):
        assert process.stdout is not None
        await process.stdout.readline()
        assert await asyncio.gather(*(ask(port, n) for n in range(100))) == [b"%d" % n for n in range(100)]


async def test_a_connection_waits_for_the_model_to_come_up(tmp_path: Path) -> None:
    async with relay(tmp_path / "s", *waiter()) as (process, port):
        assert process.stdout is not None
        await process.stdout.readline()
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"early")
        async with await asyncio.start_unix_server(echo, tmp_path / "s"):
            assert await reader.readexactly(5) == b"early"
            writer.close()


async def test_a_model_that_hangs_up_is_passed_on(tmp_path: Path) -> None:
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.abort()

    async with await asyncio.start_unix_server(hang_up, tmp_path / "s"), relay(tmp_path / "s", *waiter()) as (process, port):
        assert process.stdout is not None
        await process.stdout.readline()
        for _ in range(3):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            assert await reader.read() == b""
            writer.close()


async def test_it_listens_before_the_command_starts(tmp_path: Path) -> None:
    script = "import socket, sys; socket.create_connection(('127.0.0.1', int(sys.argv[1]))).close()"
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-I", "-S", RELAY, str(port), str(tmp_path / "s"), sys.executable, "-S", "-c", script, str(port)
    )
    assert await process.wait() == 0


@pytest.mark.parametrize(
    ("script", "code"), [("exit 0", 0), ("exit 7", 7), ("kill -TERM $$", -15), ("kill -KILL $$", -9), ("kill -SEGV $$", -11)]
)
async def test_it_ends_as_the_command_ends(tmp_path: Path, script: str, code: int) -> None:
    async with relay(tmp_path / "s", "sh", "-c", script) as (process, _):
        assert await process.wait() == code


async def test_signals_are_for_the_command(tmp_path: Path) -> None:
    # With a handler and a sleep it would now and then sleep on: a signal just before the sleep interrupts nothing.
    script = (
        READY
        + "import signal; signal.pthread_sigmask(signal.SIG_BLOCK, [15]); print('set', flush=True); sys.exit(8 + signal.sigwait([15]))"
    )
    async with relay(tmp_path / "s", sys.executable, "-S", "-c", script) as (process, _):
        assert process.stdout is not None
        while await process.stdout.readline() != b"set\n":
            pass
        process.send_signal(signal.SIGTERM)
        assert await process.wait() == 23


async def test_a_missing_command_is_said(tmp_path: Path) -> None:
    async with relay(tmp_path / "s", "/no/such/command") as (process, _):
        assert process.stderr is not None
        assert b"cannot start /no/such/command" in await process.stderr.read()
        assert await process.wait() == 127
