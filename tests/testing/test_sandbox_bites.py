"""Each check of the suite of local sandboxes finds a driver that is broken. That sound ones pass is tested where they are."""

from __future__ import annotations

import inspect
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from sympozium_sandbox_process import launcherclient, processtable
from sympozium_sandbox_process.local import LocalSandbox

from sympozium_core import names
from sympozium_core.contracts.sandbox import ALL_PROMISES
from sympozium_core.errors import SympoziumError
from sympozium_core.testing.sandbox_bench import Bench
from sympozium_core.testing.sandbox_local import LocalSandboxContract
from tests.testing.sandbox_breaks import BREAKS, Break

BITTEN = (
    AssertionError,
    pytest.fail.Exception,
    SympoziumError,
    OSError,
    KeyError,
    RecursionError,
    subprocess.TimeoutExpired,
)


class Suite(LocalSandboxContract):
    __test__ = False
    expects = ALL_PROMISES


class HurriedBench(Bench):
    patience = 6.0


@pytest.mark.parametrize(("broken", "check"), BREAKS, ids=[f"{check}-{broken.__name__}" for broken, check in BREAKS])  # type: ignore[attr-defined]  # classes
async def test_a_broken_driver_fails(broken: Break, check: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launcherclient, "_START", launcherclient._START)  # as it is again afterwards
    method, driver = getattr(Suite(), f"test_{check}"), broken()
    given: Mapping[str, Any] = {"driver": driver, "tmp_path": tmp_path, "monkeypatch": monkeypatch, **first_case(method)}
    bench = HurriedBench(driver, tmp_path / "sandbox")
    try:
        if "bench" in inspect.signature(method).parameters:
            bench.data_dir.mkdir(mode=0o700)
            await driver.open(bench.context())
        with pytest.raises(BITTEN):
            await run(method, {**given, "bench": bench})
    finally:
        await clean(driver, bench)


async def run(method: Any, given: Mapping[str, Any]) -> None:
    found = method(**{name: given[name] for name in inspect.signature(method).parameters})
    if inspect.isawaitable(found):
        await found


async def clean(driver: LocalSandbox, bench: Bench) -> None:
    """What a broken driver leaves: by the sound ones' own methods."""
    if driver._context is not None:
        for pod_id in await LocalSandbox.pods(driver):
            await LocalSandbox.remove(driver, pod_id)
        await LocalSandbox.close(driver)
    assert not processtable.end_marked(names.ENV_POD, bench.pod_ids)


def first_case(method: Any) -> dict[str, Any]:
    return {mark.args[0]: mark.args[1][0] for mark in getattr(method, "pytestmark", []) if mark.name == "parametrize"}


def test_every_check_has_a_driver_that_fails_it() -> None:
    checks = {name.removeprefix("test_") for name in dir(LocalSandboxContract) if name.startswith("test_")}
    found = {check for _, check in BREAKS}
    assert sorted(checks - found) == []
    assert sorted(found - checks) == []
