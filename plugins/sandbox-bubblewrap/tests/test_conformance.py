"""The driver `bubblewrap` keeps the contract of sandboxes and every promise of isolation."""

from __future__ import annotations

from sympozium_core.contracts.sandbox import ALL_PROMISES
from sympozium_core.testing.sandbox_local import LocalSandboxContract


class TestBubblewrap(LocalSandboxContract):
    expects = ALL_PROMISES
