"""The conformance suite of sandbox drivers that run pods on this machine: all of `sandbox`, and what can be seen from the machine itself."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from sympozium_core.contracts.sandbox import Sandbox
from sympozium_core.testing.sandbox import SandboxContract
from sympozium_core.testing.sandbox_bench import Bench, remains
from sympozium_core.testing.sandbox_faults import Faults
from sympozium_core.testing.sandbox_folders import Folders
from sympozium_core.testing.sandbox_hooks import LocalHooks
from sympozium_core.testing.sandbox_local_walls import LocalWalls


@pytest_asyncio.fixture
async def bench(driver: Sandbox, tmp_path: Path) -> AsyncIterator[Bench]:
    """The driver, opened; at the end closed and searched for what it left."""
    bench = Bench(driver, tmp_path / "sandbox")
    bench.data_dir.mkdir(mode=0o700)
    await driver.open(bench.context())
    try:
        try:
            yield bench
        finally:
            for pod_id in await driver.pods():
                await driver.remove(pod_id)
        assert await driver.pods() == []
    finally:
        await driver.close()
    left = [entry.name for entry in bench.data_dir.iterdir() if not entry.name.startswith(".") or entry.name.startswith(".rem")]
    assert left == []
    assert remains(bench.pod_ids, bench.data_dir) == []


class LocalSandboxContract(SandboxContract, Folders, Faults, LocalHooks, LocalWalls):
    """As `SandboxContract`, whose fixture `bench` is imported from here.

    The driver must be made without arguments, and its folders be those of docs/architecture.md, "A pod on one machine".
    """
