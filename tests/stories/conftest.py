"""A control plane in this process, a strict model server, and an instance whose key is in a Secret."""

from __future__ import annotations

import socket
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest

from sympozium_core.settings import ControllerSettings, EmbeddedSettings
from sympozium_core.testing import embedded
from sympozium_core.testing.embedded import OpenPlane, Plane, furnish
from sympozium_core.testing.servers.openai import OpenAIServer


@pytest.fixture
def data_dir() -> Iterator[Path]:
    """Short: the sockets in it must fit 108 bytes."""
    with tempfile.TemporaryDirectory(prefix="sym-") as folder:
        yield Path(folder) / "data"


@pytest.fixture
async def model() -> AsyncIterator[OpenAIServer]:
    async with OpenAIServer(key="sk-story-4fd1c0ffee-never-in-clear") as server:
        yield server


@pytest.fixture
def own_address() -> str:
    """Of this machine, as others have it: its loopback is open to no run."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as way:
        way.connect(("203.0.113.1", 9))
        return str(way.getsockname()[0])


@pytest.fixture
def sandbox() -> str:
    return "process"


@pytest.fixture
def open_plane(data_dir: Path, sandbox: str) -> OpenPlane:
    """Opens a control plane with settings of its own."""

    def opened(**controller: Any) -> AbstractAsyncContextManager[Plane]:
        return embedded.in_process(EmbeddedSettings(data_dir, sandbox, ControllerSettings(**controller)))

    return opened


@pytest.fixture
async def plane(open_plane: OpenPlane, model: OpenAIServer) -> AsyncIterator[Plane]:
    """With the instance `agent`, its policy permissive, its key in a Secret."""
    async with open_plane() as opened:
        await furnish(opened, model)
        yield opened
