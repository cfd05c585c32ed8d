"""The driver `process` keeps the contract of sandboxes; it makes no promise of isolation."""

from __future__ import annotations

import pytest
from sympozium_sandbox_process.driver import ProcessSandbox

from sympozium_core.contracts.sandbox import Sandbox
from sympozium_core.testing.sandbox import SandboxContract


class TestProcess(SandboxContract):
    expects = frozenset()

    @pytest.fixture
    def driver(self) -> Sandbox:
        return ProcessSandbox()
