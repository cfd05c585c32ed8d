"""Drivers: one by its name, each failure with its name."""

from __future__ import annotations

import json
import subprocess
import sys
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

import pytest

from sympozium_core.contracts.skill import Skill
from sympozium_core.errors import Permanent
from sympozium_core.names import GROUP_SKILLS
from sympozium_core.registry.drivers import AmbiguousDriver, Drivers, UnknownDriver, driver_fault
from sympozium_core.registry.loading import PluginBroken
from sympozium_core.registry.record import Record

GOOD = """
from sympozium_core.contracts.skill import Skill

class Good(Skill):
    def module(self):
        return "good_server"
"""


def test_gives_the_one_instance_of_the_driver_that_is_named(packages: Any, tmp_path: Path) -> None:
    packages.install("good-skill", {GROUP_SKILLS: {"good": "good_skill:Good"}}, GOOD)
    packages.install("bad-skill", {GROUP_SKILLS: {"bad": "bad_skill:Bad"}}, "raise SystemExit('never imported')")
    record = Record.in_directory(tmp_path)
    drivers = Drivers[Skill](GROUP_SKILLS, Skill, record=record, path=packages.path)
    assert drivers.names() == ["bad", "good"]
    assert "good_skill" not in sys.modules
    driver = drivers.get("good")
    assert driver.module() == "good_server"
    assert drivers.get("good") is driver
    assert "bad_skill" not in sys.modules
    assert record.read()[GROUP_SKILLS, "good"].ok


def test_an_unknown_name_is_told_with_the_group_and_what_is_installed(packages: Any) -> None:
    packages.install("good-skill", {GROUP_SKILLS: {"good": "good_skill:Good", "also": "good_skill:Good"}}, GOOD)
    drivers = Drivers[Skill](GROUP_SKILLS, Skill, path=packages.path)
    with pytest.raises(
        UnknownDriver, match=r"no plugin named 'goood' is installed in sympozium.skills; installed: also, good \(.*pip install"
    ):
        drivers.get("goood")
    packages.install("late-skill", {GROUP_SKILLS: {"goood": "late_skill:Good"}}, GOOD)
    assert drivers.get("goood").module()


def test_with_nothing_installed(packages: Any) -> None:
    with pytest.raises(UnknownDriver, match="installed: none"):
        Drivers[Skill](GROUP_SKILLS, Skill, path=packages.path).get("any")


def test_a_name_of_two_packages_is_refused_without_importing_either(packages: Any) -> None:
    packages.install("one", {GROUP_SKILLS: {"same": "one:Good"}}, GOOD)
    packages.install("two", {GROUP_SKILLS: {"same": "two:Good"}}, GOOD)
    with pytest.raises(AmbiguousDriver, match="claimed by packages one and two"):
        Drivers[Skill](GROUP_SKILLS, Skill, path=packages.path).get("same")
    assert not {"one", "two"} & set(sys.modules)


BROKEN = {
    "raises": ("raise RuntimeError('no\\nluck')", "RuntimeError: no luck"),
    "asserts": ("assert False, 'never'", "AssertionError: never"),
    "exits": ("import sys; sys.exit(3)", "SystemExit: 3"),
    "needs": ("import a_module_that_is_not_there", "ModuleNotFoundError: No module named 'a_module_that_is_not_there'"),
    "empty": ("", "AttributeError: module 'broken' has no attribute 'Good'"),
    "function": ("def Good(): pass", "its entry point names a function, not a subclass of Skill"),
    "stranger": ("class Good: pass", "Good is not a subclass of sympozium_core.contracts.skill.Skill"),
    "abstract": (
        f"from abc import abstractmethod, ABC{GOOD.replace('(Skill)', '(Skill, ABC)')}\n    @abstractmethod\n    def more(self): ...",
        "Good does not implement more",
    ),
    "arguments": (
        GOOD.replace("def module", "def __init__(self, need): pass\n    def module"),
        "TypeError: .*missing 1 required",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_driver_is_permanent_names_its_package_and_is_recorded(packages: Any, tmp_path: Path, case: str) -> None:
    source, why = BROKEN[case]
    packages.install("broken", {GROUP_SKILLS: {"x": "broken:Good"}}, source)
    record = Record.in_directory(tmp_path)
    drivers = Drivers[Skill](GROUP_SKILLS, Skill, record=record, path=packages.path)
    with pytest.raises(PluginBroken, match=f"plugin 'x' of package broken .*{why}") as caught:
        drivers.get("x")
    assert isinstance(caught.value, Permanent)
    assert caught.value.distribution == "broken"
    state = record.read()[GROUP_SKILLS, "x"]
    assert (state.ok, state.reason) == (False, caught.value.why)


def test_a_broken_driver_is_not_imported_again(packages: Any) -> None:
    counter = packages.directory / "count"
    packages.install(
        "broken", {GROUP_SKILLS: {"x": "broken:Good"}}, f"with open({str(counter)!r}, 'a') as f: f.write('x')\nraise ValueError"
    )
    drivers = Drivers[Skill](GROUP_SKILLS, Skill, path=packages.path)
    for _ in range(3):
        with pytest.raises(PluginBroken):
            drivers.get("x")
    assert counter.read_text() == "x"


def test_leaves_nothing_in_the_home_of_the_user(packages: Any, tmp_path: Path) -> None:
    packages.install("good-skill", {GROUP_SKILLS: {"good": "good_skill:Good"}}, GOOD)
    home = tmp_path / "home"
    home.mkdir()
    program = (
        "import json, sys\n"
        "from sympozium_core.registry.drivers import Drivers\n"
        "from sympozium_core.contracts.skill import Skill\n"
        "before = 'stevedore' in sys.modules\n"
        "Drivers[Skill]('sympozium.skills', Skill).get('good')\n"
        "print(json.dumps([before, 'stevedore' in sys.modules]))"
    )
    environment = {"HOME": str(home), "PYTHONPATH": str(packages.directory), "XDG_CACHE_HOME": "", "PATH": "/usr/bin:/bin"}
    answer = subprocess.run(
        [sys.executable, "-P", "-c", program], env=environment, capture_output=True, text=True, check=True, timeout=30
    )
    assert json.loads(answer.stdout) == [False, True]
    assert list(home.rglob("*")) == []


def test_what_a_driver_must_be() -> None:
    class Contract(ABC):
        @abstractmethod
        def work(self) -> None: ...

        @abstractmethod
        def also(self) -> None: ...

    class Whole(Contract):
        def work(self) -> None: ...

        def also(self) -> None: ...

    assert driver_fault(Whole, Contract) == ""
    assert driver_fault(Whole(), Contract) == "its entry point names a Whole, not a subclass of Contract"
    assert driver_fault(Contract, Contract) == f"{Contract.__qualname__} does not implement also, work"
