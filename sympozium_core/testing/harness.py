"""The conformance suite of harnesses, the programs in agents' containers, whatever they are written in: starts the program and plays the bridge.

    class TestLoop(HarnessContract):
        harness_class = LoopHarness
        entry_point = "loop"

A program without a package has `command` and `abilities` instead. What it need not do stands in `known_gaps`, each with its reason. For
``pytest --sympozium-conformance`` the package says that in its module `testing`: ``KNOWN_GAPS``, and ``COMMAND`` where its class knows only an image.
Needs pytest and jsonschema; runs on Linux.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import entry_points
from pathlib import Path
from typing import ClassVar

import pytest

from sympozium_core.contracts.harness import ALL_ABILITIES, Harness
from sympozium_core.names import GROUP_HARNESSES, RUNNER
from sympozium_core.processes.harnesses import local_command
from sympozium_core.registry.drivers import driver_fault
from sympozium_core.testing.harness_abilities import AbilityChecks
from sympozium_core.testing.harness_bench import HarnessBench
from sympozium_core.testing.harness_ends import EndChecks
from sympozium_core.testing.harness_model import ModelChecks
from sympozium_core.testing.harness_start import StartChecks
from sympozium_core.testing.harness_tools import ToolChecks

__all__ = ["HarnessContract"]

_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_FIXED = re.compile(r"\S+(:(?!latest$)[\w.-]+|@sha256:[0-9a-f]{64})")


class PackageChecks:
    """What of a harness the control plane loads."""

    harness_class: ClassVar[type[Harness] | None] = None
    entry_point: ClassVar[str] = ""
    """Name of the package's entry point; empty for a program without a package."""
    command: ClassVar[Sequence[str]] = ()
    """The command line that starts the program here: for one without a package, and for one whose class knows only its image."""

    def started_by(self) -> Sequence[str]:
        found = self.command or (local_command(self.harness_class()) if self.harness_class is not None else ())
        assert found, (
            "say how the program is started on this machine: in the class's module or command, or in the suite's command"
        )
        return found

    def harness(self) -> Harness:
        if self.harness_class is None:
            pytest.skip("a program without a package has no class")
        return self.harness_class()

    def test_the_entry_point_names_the_class(self) -> None:
        self.harness()
        assert not (fault := driver_fault(self.harness_class, Harness)), fault
        found = list(entry_points(group=GROUP_HARNESSES, name=self.entry_point))
        assert len(found) == 1, f"{len(found)} installed packages have an entry point {self.entry_point!r} in {GROUP_HARNESSES}"
        assert found[0].load() is self.harness_class

    def test_an_instance_can_name_it(self) -> None:
        self.harness()
        assert _NAME.fullmatch(self.entry_point), f"{self.entry_point!r} is no name that stands in spec.harness"
        assert self.entry_point != RUNNER, f"{RUNNER!r} is the core's own"

    def test_making_it_does_no_work(self) -> None:
        """The control plane makes one, and asks it when a run needs it."""
        one, other = self.harness(), self.harness()
        for each in ("module", "command", "image", "image_command"):
            assert getattr(one, each)() == getattr(other, each)(), each

    def test_its_abilities_are_such_as_there_are(self) -> None:
        unknown = sorted(set(self.harness().abilities) - ALL_ABILITIES)
        assert not unknown, f"there is no ability {', '.join(unknown)}; there are {', '.join(sorted(ALL_ABILITIES))}"

    def test_its_program_can_be_found(self) -> None:
        harness = self.harness()
        assert harness.module() or harness.command() or harness.image(), "it says neither a program nor an image"
        if command := local_command(harness):
            assert shutil.which(command[0]), f"{command[0]} is not to be found"

    def test_its_image_stays_the_same(self) -> None:
        harness = self.harness()
        assert not harness.image() or _FIXED.fullmatch(harness.image()), (
            f"{harness.image()!r} has neither a version nor a digest"
        )
        assert harness.image() or not harness.image_command(), "it says how to start an image, and there is none"


class HarnessContract(PackageChecks, StartChecks, ModelChecks, ToolChecks, EndChecks, AbilityChecks):
    """To be subclassed as ``Test…``. Every check gets volumes and a model of its own, and starts the program on them."""

    environment: ClassVar[Mapping[str, str]] = {}
    """What the program needs beside; where it is installed, the control plane gives it nothing."""
    known_gaps: ClassVar[Mapping[str, str]] = {}
    """Names of checks that fail, with the reason; one that passes nevertheless is an error."""

    def __init_subclass__(cls) -> None:
        if cls.harness_class is not None:
            cls.abilities = cls.harness_class.abilities

    def new_bench(self, path: Path) -> HarnessBench:
        return HarnessBench(path, self.started_by(), self.environment)

    @pytest.fixture
    def bench(self, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[HarnessBench]:
        gap = self.known_gaps.get(request.node.originalname)
        if gap is not None:
            request.node.add_marker(pytest.mark.xfail(reason=gap, strict=True))
        made = self.new_bench(tmp_path / "bench")
        yield made
        made.close()

    def test_declarations_name_what_there_is(self) -> None:
        unknown = [name for name in self.known_gaps if not hasattr(type(self), name)]
        assert not unknown, f"known_gaps names no check of the suite: {', '.join(unknown)}"
