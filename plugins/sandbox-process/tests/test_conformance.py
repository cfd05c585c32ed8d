"""The driver `process` keeps the contract of sandboxes; it makes no promise of isolation."""

from __future__ import annotations

from sympozium_core.testing.sandbox_local import LocalSandboxContract


class TestProcess(LocalSandboxContract):
    expects = frozenset()
