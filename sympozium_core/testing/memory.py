"""The conformance suite of memory backends (`sympozium_core.contracts.memory`).

    class TestNotes(MemoryContract):
        memory_class = NotesMemory
        entry_point = "notes"

That a note outlives a loss of power cannot be tried here: that it outlives a process that is killed is. Needs pytest.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path
from typing import ClassVar

import pytest

from sympozium_core.contracts.memory import Memory
from sympozium_core.names import GROUP_MEMORIES
from sympozium_core.registry.drivers import driver_fault
from sympozium_core.testing.imported_alone import imported_alone
from sympozium_core.testing.memory_bench import Bench
from sympozium_core.testing.memory_bounds import BoundChecks
from sympozium_core.testing.memory_notes import NoteChecks
from sympozium_core.testing.memory_places import PlaceChecks
from sympozium_core.testing.memory_processes import ProcessChecks
from sympozium_core.testing.memory_search import SearchChecks

PUBLIC = ("contracts", "errors")
"""What of the core is loaded with what a backend may import."""


class MemoryContract(NoteChecks, SearchChecks, BoundChecks, PlaceChecks, ProcessChecks):
    """To be subclassed as ``Test…`` with `memory_class`, which other processes import by its module and name. Each check gets a folder of its own."""

    memory_class: ClassVar[type[Memory]]
    entry_point: ClassVar[str] = ""
    """Its name in the package; empty for a class that is not installed."""

    @pytest.fixture
    def bench(self, tmp_path: Path) -> Iterator[Bench]:
        made = Bench(self.memory_class, tmp_path / "bench")
        made.path.mkdir()
        yield made
        made.close()

    def test_the_entry_point_names_the_class(self) -> None:
        assert not (fault := driver_fault(self.memory_class, Memory)), fault
        if not self.entry_point:
            pytest.skip("a class that is not installed has no entry point")
        found = list(entry_points(group=GROUP_MEMORIES, name=self.entry_point))
        assert len(found) == 1, f"{len(found)} installed packages have an entry point {self.entry_point!r} in {GROUP_MEMORIES}"
        assert found[0].load() is self.memory_class

    def test_its_module_can_be_imported_alone_and_says_nothing(self) -> None:
        done = imported_alone(self.memory_class.__module__)
        assert done.returncode == 0, done.stderr[-2000:]
        assert not done.stdout, f"it prints when it is imported: {done.stdout[:200]!r}"

    def test_its_module_imports_of_the_core_what_is_public(self) -> None:
        done = imported_alone(
            self.memory_class.__module__, "print(*(n for n in sys.modules if n.startswith('sympozium_core.')), sep='\\n')"
        )
        assert done.returncode == 0, done.stderr[-2000:]
        strange = [name for name in done.stdout.split() if name.split(".")[1] not in PUBLIC]
        assert not strange, f"not for backends, and may change without notice: {', '.join(strange)}"
