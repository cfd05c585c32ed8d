"""The conformance suite of sandbox drivers: what every runtime for one machine does, and what those do that promise to keep things apart."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import ClassVar

import pytest_asyncio

from sympozium_core.contracts.sandbox import Promise, Sandbox
from sympozium_core.testing.sandbox_bench import Bench, remains
from sympozium_core.testing.sandbox_ends import Ends
from sympozium_core.testing.sandbox_faults import Faults
from sympozium_core.testing.sandbox_pods import Pods
from sympozium_core.testing.sandbox_walls import Walls


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


class SandboxContract(Pods, Ends, Faults, Walls):
    """To be subclassed as ``Test…`` with `expects`. Needs pytest-asyncio; runs on Linux.

    The ``conftest.py`` beside it imports the fixture `bench` from here and gives the fixture `driver`, a new driver that is not yet opened; the
    driver's own tests have both too. The driver must be made without arguments, and its folders be those of docs/architecture.md, "A pod on one machine".
    """

    expects: ClassVar[frozenset[Promise]]
    """The promises that this driver makes; each is put to the test, and one that is not made is not tested."""

    def test_promises_are_those_expected(self, driver: Sandbox) -> None:
        assert driver.promises == self.expects
