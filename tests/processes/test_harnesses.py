"""The agents' programs that are installed."""

from __future__ import annotations

from pathlib import Path

import pytest

from sympozium_core.contracts.harness import ALL_ABILITIES
from sympozium_core.planning.inputs import HarnessSource
from sympozium_core.processes.harnesses import Harnesses, harness_drivers
from sympozium_core.sidecar.interpreter import python_command
from sympozium_core.testing.packages import write_package

SOURCE = """
    from sympozium_core.contracts.harness import Harness

    class Whole(Harness):
        abilities = frozenset({"limits", "of-a-later-version"})

        def module(self):
            return "sympozium_core.runner"

        def image(self):
            return "ghcr.io/acme/agent:1"

        def image_command(self):
            return ["serve"]

    class Commanded(Whole):
        def command(self):
            return ["acme-agent", "--quick"]

    class Lost(Harness):
        def module(self):
            return "no_such_package_at_all"

    class Rude(Harness):
        def image(self):
            raise RuntimeError("not today")
"""


@pytest.fixture
def harnesses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Harnesses:
    monkeypatch.syspath_prepend(str(tmp_path))
    classes = {"whole": "Whole", "commanded": "Commanded", "lost": "Lost", "rude": "Rude", "other": "Path", "runner": "Rude"}
    entries = {name: f"acme_harnesses:{each}" for name, each in classes.items()}
    write_package(tmp_path, "acme", {"acme_harnesses": SOURCE}, {"sympozium.harnesses": entries})
    return Harnesses(harness_drivers(), ("python3", "-m", "runner"))


def of(harnesses: Harnesses, name: str | None) -> HarnessSource:
    return harnesses.of({"spec": {"harness": name} if name else {}})


@pytest.mark.parametrize("name", [None, "runner"])
def test_an_instance_that_names_none_has_the_runner_and_nobody_takes_its_name(harnesses: Harnesses, name: str | None) -> None:
    assert of(harnesses, name) == HarnessSource("runner", ALL_ABILITIES, ("python3", "-m", "runner"))


def test_what_a_package_says_is_taken_over(harnesses: Harnesses) -> None:
    found = of(harnesses, "whole")
    assert found.command == tuple(python_command("sympozium_core.runner"))
    assert (found.image, found.image_command, found.abilities) == ("ghcr.io/acme/agent:1", ("serve",), frozenset({"limits"}))
    assert of(harnesses, "commanded").command == ("acme-agent", "--quick")
    assert not found.problem


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("none-such", "it is not installed; there are commanded, lost, other, rude, runner, whole"),
        ("lost", "no package 'no_such_package_at_all' is installed"),
        ("rude", "RuntimeError: not today"),
        ("other", "has no attribute 'Path'"),
    ],
)
def test_one_that_cannot_be_had_says_why(harnesses: Harnesses, name: str, problem: str) -> None:
    found = of(harnesses, name)
    assert problem in found.problem
    assert found.hint
