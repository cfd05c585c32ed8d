"""The conformance suite of sandbox drivers: what every runtime does, and what those do that promise to keep things apart.

`SandboxContract` is for all of them, `local.LocalSandboxContract` for those that run pods on this machine.
"""

from __future__ import annotations

from typing import ClassVar

from sympozium_core.contracts.sandbox import Promise, Sandbox
from sympozium_core.testing.sandbox_ends import Ends
from sympozium_core.testing.sandbox_hooks import Hooks
from sympozium_core.testing.sandbox_pods import Pods
from sympozium_core.testing.sandbox_walls import Walls


class SandboxContract(Pods, Ends, Hooks, Walls):
    """To be subclassed as ``Test…`` with `expects`. Needs pytest-asyncio; runs on Linux.

    The ``conftest.py`` beside it gives the fixtures `driver`, a new driver that is not yet opened, and `bench`, a `sandbox_bench.Bench`
    whose driver is open. Containers are POSIX shell and Python scripts.
    """

    expects: ClassVar[frozenset[Promise]]
    """The promises that this driver makes; each is put to the test, and one that is not made is not tested."""

    def test_promises_are_those_expected(self, driver: Sandbox) -> None:
        assert driver.promises == self.expects
