from __future__ import annotations

import pytest
from sympozium_sandbox_bubblewrap.driver import BubblewrapSandbox

from sympozium_core.contracts.sandbox import Sandbox
from sympozium_core.testing.sandbox_local import bench

__all__ = ["bench", "driver"]


@pytest.fixture
def driver() -> Sandbox:
    return BubblewrapSandbox()
