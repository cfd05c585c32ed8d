"""The conformance suite finds drivers that are wrong: a sample of broken ones."""

from __future__ import annotations

import os
from collections.abc import Callable, Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sympozium_sandbox_process.driver import ProcessSandbox
from sympozium_sandbox_process.podfiles import PodFiles
from sympozium_sandbox_process.slots import ContainerSpec

from sympozium_core.contracts.plan import Container, PodPlan
from sympozium_core.contracts.sandbox import ALL_PROMISES, ContainerStatus, PodStatus
from sympozium_core.testing.sandbox_bench import Bench
from sympozium_core.testing.sandbox_local import LocalSandboxContract


class Suite(LocalSandboxContract):
    __test__ = False
    expects = ALL_PROMISES


class HandsDownEverything(ProcessSandbox):
    def container_spec(self, files: PodFiles, pod_id: str, container: Container) -> ContainerSpec:
        spec = super().container_spec(files, pod_id, container)
        return {**spec, "env": {**os.environ, **spec["env"]}}


class NeverStops(ProcessSandbox):
    async def stop(self, pod_id: str, *, grace: float) -> None:
        pass


class KillsAtOnce(ProcessSandbox):
    async def stop(self, pod_id: str, *, grace: float) -> None:
        await super().stop(pod_id, grace=0)


class KeepsFolders(ProcessSandbox):
    async def remove(self, pod_id: str, *, keep_workspace: bool = False) -> None:
        await super().remove(pod_id, keep_workspace=True)


class LosesWorkspaces(ProcessSandbox):
    async def start(self, pod_id: str, plan: PodPlan, *, workspace_of: str = "") -> None:
        await super().start(pod_id, plan)


class SaysAllIsWell(ProcessSandbox):
    async def observe(self, pod_id: str) -> PodStatus:
        status = await super().observe(pod_id)
        return PodStatus(status.state, {name: replace(c, exit_code=0) for name, c in status.containers.items()})


class ForgetsStandardError(ProcessSandbox):
    async def observe(self, pod_id: str) -> PodStatus:
        status = await super().observe(pod_id)
        return PodStatus(status.state, {name: ContainerStatus(c.state, c.exit_code) for name, c in status.containers.items()})


Check = Callable[..., Coroutine[Any, Any, None]]
SUITE = Suite()


@pytest.mark.parametrize(
    ("broken", "check"),
    [
        (NeverStops, SUITE.test_stop_kills_what_does_not_listen),
        (KillsAtOnce, SUITE.test_stop_asks_first),
        (KeepsFolders, SUITE.test_removed_is_gone),
        (LosesWorkspaces, SUITE.test_a_workspace_goes_on_in_the_next_pod),
        (SaysAllIsWell, SUITE.test_a_pod_runs_and_ends_with_its_code),
        (ForgetsStandardError, SUITE.test_message_is_the_end_of_standard_error),
    ],
)
async def test_a_broken_driver_fails(broken: type[ProcessSandbox], check: Check, tmp_path: Path) -> None:
    await _fails(broken, check, tmp_path)


async def test_a_leaking_driver_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    await _fails(HandsDownEverything, SUITE.test_nothing_of_the_servers_environment_is_handed_down, tmp_path, monkeypatch)


@pytest.mark.parametrize("name", ["agent", "skill-one"])
async def test_a_driver_without_walls_fails(name: str, tmp_path: Path) -> None:
    await _fails(ProcessSandbox, SUITE.test_there_is_no_network, tmp_path, name, tmp_path)
    await _fails(ProcessSandbox, SUITE.test_files_of_the_machine_are_out_of_sight, tmp_path, tmp_path, name)


async def _fails(broken: type[ProcessSandbox], check: Check, tmp_path: Path, *arguments: object) -> None:
    driver = broken()
    bench = Bench(driver, tmp_path / "sandbox")
    await driver.open(bench.context())
    try:
        with pytest.raises((AssertionError, KeyError, FileNotFoundError)):
            await check(bench, *arguments)
    finally:
        for pod_id in await driver.pods():
            await ProcessSandbox.remove(driver, pod_id)
        await driver.close()
