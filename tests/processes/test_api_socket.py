"""When a command that holds the data directory can be spoken to."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from sympozium_core.cluster.client import ClusterClient
from sympozium_core.embedded.lock import DataDir
from sympozium_core.processes.embedded import serve_embedded
from sympozium_core.resources.kinds import AGENT_RUN
from sympozium_core.settings import EmbeddedSettings


@pytest.fixture
def settings() -> Iterator[EmbeddedSettings]:
    with tempfile.TemporaryDirectory(prefix="sy") as folder:
        yield EmbeddedSettings(Path(folder), "process")


async def test_a_brief_holder_opens_its_socket_though_no_run_begins(settings: EmbeddedSettings) -> None:
    directory = DataDir(settings.data_dir).acquire()
    async with serve_embedded(settings, controllers=False, brief=directory):
        assert not settings.api_socket.exists()
        async with asyncio.timeout(20):
            while not settings.api_socket.is_socket():  # noqa: ASYNC110 - another process would look in the same way
                await asyncio.sleep(0.01)
        client = ClusterClient.over_socket(settings.api_socket)
        assert (await client.list(AGENT_RUN)).items == []
        await client.close()
    assert not settings.api_socket.exists()
    assert not directory.held


async def test_a_path_that_no_socket_can_have_costs_a_command_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    settings = EmbeddedSettings(tmp_path / ("x" * 120), "process")
    async with serve_embedded(settings, controllers=False, brief=DataDir(settings.data_dir).acquire()) as server:
        assert (await server.as_myself(pytest.fail).list(AGENT_RUN)).items == []
        async with asyncio.timeout(20):
            while "cannot speak to this one" not in caplog.text:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
