"""A server in a process of its own, a model that holds where a test wants it to, and one task that changes something once."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from sympozium_core.testing import leftovers
from sympozium_core.testing.conversations import command
from sympozium_core.testing.embedded import ServerProcess, furnish
from sympozium_core.testing.servers.openai import OpenAIServer
from sympozium_core.testing.servers.script import Answer, Conversation, Script

APPEND = "echo one >> /workspace/lines; echo appended"
HELD = "echo one >> /workspace/lines; until [ -e /workspace/go ]; do sleep 0.02; done; echo appended"
SLOW = " ".join(["word"] * 40)


def conversation(when: str, first: Answer) -> Conversation:
    """Turn 0 appends a line, turn 1 counts the lines, turn 2 is the end."""
    return Conversation((first, Answer("", (command("cat /workspace/lines; true"),)), Answer("Finished.")), when)


SCRIPT = Script(
    (
        conversation("slowly", Answer(SLOW, (command(APPEND),), delay=0.02)),
        Conversation((*conversation("", Answer("", (command(APPEND),))).turns[:2], Answer(SLOW, delay=0.02)), "lingering"),
        conversation("held", Answer("I append.", (command(HELD, timeout=100),))),
        conversation("", Answer("I append.", (command(APPEND),))),
    )
)


@pytest.fixture
def data_dir() -> Iterator[Path]:
    """Short: the sockets in it must fit 108 bytes."""
    with tempfile.TemporaryDirectory(prefix="sym-") as folder:
        yield Path(folder) / "data"


@pytest.fixture
async def model() -> AsyncIterator[OpenAIServer]:
    async with OpenAIServer(script=SCRIPT) as server:
        yield server


@pytest.fixture
def sandbox() -> str:
    return "process"


@pytest.fixture
def environment() -> dict[str, str]:
    """Of the server, on top of this process's."""
    return {}


@pytest.fixture
async def server(
    data_dir: Path, sandbox: str, environment: dict[str, str], model: OpenAIServer
) -> AsyncIterator[ServerProcess]:
    """With the instance `agent`; when it has stopped, no process of it may be left."""
    async with ServerProcess(data_dir, sandbox=sandbox, environment=environment) as running:
        await furnish(running.plane, model)
        yield running
    await leftovers.wait_for(lambda: not leftovers.mentioning(data_dir), f"no process of {data_dir} is left")
