"""The driver `bubblewrap` keeps the contract of sandboxes and every promise of isolation."""

from __future__ import annotations

import pytest
from sympozium_sandbox_bubblewrap.driver import BubblewrapSandbox

from sympozium_core.contracts.sandbox import ALL_PROMISES, Sandbox
from sympozium_core.testing.sandbox import SandboxContract


class TestBubblewrap(SandboxContract):
    expects = ALL_PROMISES

    @pytest.fixture
    def driver(self) -> Sandbox:
        return BubblewrapSandbox()
