"""An instance that names a harness is told what is wrong with it, and its runs are refused."""

from __future__ import annotations

from typing import Any

import pytest

from sympozium_core.contracts.cluster import Forbidden


async def test_one_that_is_not_installed_is_said_and_its_runs_are_refused(world: Any) -> None:
    await world.instance(harness="acme")
    assert [each for each in world.warnings if "harness 'acme' cannot be used" in each and "runs are refused" in each]
    with pytest.raises(Forbidden, match="it is not installed; there are runner"):
        await world.run()


async def test_the_cores_own_may_be_named(world: Any) -> None:
    await world.instance(harness="runner")
    assert not world.warnings
    assert await world.run()
