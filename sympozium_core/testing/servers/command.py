"""A strict server as a program, for a person or for a test that wants it in a process of its own."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import signal
from pathlib import Path

from sympozium_core.testing.servers.host import StrictServer
from sympozium_core.testing.servers.script import Answer, Conversation, Script, load


def run(kind: type[StrictServer]) -> None:
    """Serves until a signal ends it. Prints one line, the base URL, when it is ready."""
    parser = argparse.ArgumentParser(description=(kind.__doc__ or kind.__name__).splitlines()[0])
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--model", default="test-model", help="the only model that exists")
    parser.add_argument(
        "--key", default="test-key-0123456789abcdef", help="the only key that is accepted; this is a test server"
    )
    parser.add_argument("--script", type=Path, help="YAML or JSON file with conversations; default: one polite turn")
    options = parser.parse_args()
    try:
        script = load(options.script) if options.script else _polite()
    except (OSError, ValueError) as error:
        parser.error(f"{options.script}: {error}")
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve(kind(key=options.key, model=options.model, script=script), options.host, options.port))


async def _serve(server: StrictServer, host: str, port: int) -> None:
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    await server.start(port, host)
    print(server.base_url, flush=True)
    await ended.wait()
    await server.stop()


def _polite() -> Script:
    return Script((Conversation((Answer(text="Hello from a test server."),)),))
