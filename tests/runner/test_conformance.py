"""The runner passes the suite of harnesses: it is one of them, and the one of whoever names none."""

from __future__ import annotations

from sympozium_core.processes.harnesses import local_command
from sympozium_core.runner.harness import RunnerHarness
from sympozium_core.testing.harness import HarnessContract


class TestRunner(HarnessContract):
    command = local_command(RunnerHarness())
    abilities = RunnerHarness.abilities
