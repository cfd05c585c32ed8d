"""The suite of harnesses passes a sound one, that of the template (and the runner: `tests/runner/test_conformance.py`), and each of its checks finds one that is broken."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest

from sympozium_core.contracts.harness import ALL_ABILITIES, Ability, Harness
from sympozium_core.errors import SympoziumError
from sympozium_core.registry.scaffold import write_package
from sympozium_core.testing.harness import HarnessContract
from sympozium_core.testing.harness_bench import HarnessBench
from tests.testing.harness_breaks import PROGRAM, RUNNER

HURRY = 4.0
"""Seconds for what a broken program will not do."""
RUNNER_MAIN = "import os, sys\n{}\nfrom sympozium_core.runner.main import main\nsys.exit(main())"
BITTEN = (AssertionError, SympoziumError, OSError, KeyError)


class HurriedBench(HarnessBench):
    def __init__(self, path: Path, command: Sequence[str]) -> None:
        super().__init__(path, command)
        self.patience = HURRY


class Suite(HarnessContract):
    __test__ = False
    abilities: ClassVar[frozenset[Ability]] = frozenset({"limits"})

    def new_bench(self, path: Path) -> HarnessBench:
        return HurriedBench(path, self.command)


class RunnerSuite(Suite):
    abilities: ClassVar[frozenset[Ability]] = ALL_ABILITIES


def template(folder: Path) -> Path:
    """The program of a new package."""
    folder.mkdir()
    return next(path for path in write_package("harness", "plain", folder) if path.name == "agent.py")


class TestTemplate(HarnessContract):
    abilities: ClassVar[frozenset[Ability]] = frozenset({"limits"})

    def new_bench(self, path: Path) -> HarnessBench:
        return HarnessBench(path, (sys.executable, "-S", "-E", str(template(path.with_name(f"{path.name}-package")))))


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The template's."""
    return template(tmp_path_factory.mktemp("template") / "package").read_text()


@pytest.mark.parametrize("way", PROGRAM)
def test_a_broken_program_fails(way: str, program: str, tmp_path: Path) -> None:
    check, changes = PROGRAM[way]
    for old, new in changes:
        assert program.count(old) == 1, f"the template has {old!r} {program.count(old)} times"
        program = program.replace(old, new)
    file = tmp_path / "agent.py"
    file.write_text(program)
    suite = Suite()
    suite.command = (sys.executable, "-S", "-E", str(file))  # type: ignore[misc]  # of this one
    with pytest.raises(BITTEN):
        run_check(suite, check, tmp_path)


@pytest.mark.parametrize("way", RUNNER)
def test_a_broken_runner_fails(way: str, tmp_path: Path) -> None:
    check, patch = RUNNER[way]
    suite = RunnerSuite()
    suite.command = (sys.executable, "-c", RUNNER_MAIN.format(patch))  # type: ignore[misc]  # of this one
    with pytest.raises(BITTEN):
        run_check(suite, check, tmp_path)


class NeedsWords(Harness):
    def __init__(self, word: str) -> None:
        self.word = word


class Forgetful(Harness):
    made = 0

    def module(self) -> str:
        type(self).made += 1
        return f"module{self.made}"


class Telepathic(Harness):
    abilities = frozenset({"telepathy"})  # type: ignore[arg-type]


class Newest(Harness):
    def image(self) -> str:
        return "ghcr.io/acme/agent:latest"


class Commanded(Harness):
    def image_command(self) -> Sequence[str]:
        return ("serve",)


class Lost(Harness):
    def command(self) -> Sequence[str]:
        return ("no-such-program-at-all",)


PACKAGES: dict[str, tuple[str, dict[str, Any]]] = {
    "not-installed": ("the_entry_point_names_the_class", {"harness_class": Newest, "entry_point": "plain"}),
    "no-name": ("an_instance_can_name_it", {"harness_class": Newest, "entry_point": "Plain_Agent"}),
    "taken-name": ("an_instance_can_name_it", {"harness_class": Newest, "entry_point": "runner"}),
    "needs-words": ("making_it_does_no_work", {"harness_class": NeedsWords}),
    "forgetful": ("making_it_does_no_work", {"harness_class": Forgetful}),
    "telepathic": ("its_abilities_are_such_as_there_are", {"harness_class": Telepathic}),
    "nothing": ("its_program_can_be_found", {"harness_class": Harness}),
    "lost": ("its_program_can_be_found", {"harness_class": Lost}),
    "newest": ("its_image_stays_the_same", {"harness_class": Newest}),
    "no-image": ("its_image_stays_the_same", {"harness_class": Commanded}),
    "no-such-gap": ("declarations_name_what_there_is", {"known_gaps": {"test_nothing": "no such check"}}),
}


@pytest.mark.parametrize("way", PACKAGES)
def test_a_broken_package_fails(way: str, tmp_path: Path) -> None:
    check, fields = PACKAGES[way]
    with pytest.raises((AssertionError, TypeError)):
        run_check(type("Suite", (HarnessContract,), {"__test__": False, **fields})(), check, tmp_path)


def test_a_program_that_nobody_can_start_fails(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="say how the program is started"):
        HarnessContract().new_bench(tmp_path)


def test_every_check_has_a_harness_that_fails_it() -> None:
    checks = {name.removeprefix("test_") for name in dir(HarnessContract) if name.startswith("test_")}
    found = {re.sub(r"\[.*", "", check) for check, _ in (*PROGRAM.values(), *RUNNER.values(), *PACKAGES.values())}
    assert sorted(checks - found) == []
    assert sorted(found - checks) == []
    assert len(checks) >= 25


def run_check(suite: HarnessContract, name: str, path: Path) -> None:
    """One check, with the parameters that its name has in brackets."""
    check, _, case = name.removesuffix("]").partition("[")
    method = getattr(suite, f"test_{check}")
    wanted = set(inspect.signature(method).parameters)
    given: dict[str, Any] = {"tmp_path": path} if "tmp_path" in wanted else {}
    if case:
        (mark,) = [each for each in method.pytestmark if each.name == "parametrize"]
        values = list(mark.args[1])
        given[mark.args[0]] = values[list(mark.kwargs.get("ids") or values).index(case)]
    if "bench" not in wanted:
        method(**given)
        return
    bench = suite.new_bench(path / "bench")
    try:
        method(bench=bench, **given)
    finally:
        bench.close()
