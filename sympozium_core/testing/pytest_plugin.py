"""``pytest --sympozium-conformance``: in the folder of a plugin's package, runs the suites of everything that the package brings.

Installed with the core (entry point ``pytest11``), so it is loaded by every pytest beside it: it imports nothing and does nothing before the
option is given. What the suites need to know of a skill's tools stands in ``tests/calls.yaml``.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterable

OPTION = "--sympozium-conformance"
FILES = ("setup.cfg", "pyproject.toml")


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("sympozium")
    group.addoption(
        OPTION, action="store_true", help="run the conformance suites of the plugins that the package in this folder brings"
    )


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption(OPTION):
        config.pluginmanager.register(Conformance(config.invocation_params.dir), "sympozium-conformance")


class Conformance:
    """Adds one module of suites to what pytest collects."""

    def __init__(self, package: Path) -> None:
        self._package = package

    @pytest.hookimpl
    def pytest_collection_modifyitems(self, session: pytest.Session, config: pytest.Config, items: list[pytest.Item]) -> None:
        """At the end of what is collected, wherever the tests are that pytest was asked for."""
        file = next((self._package / name for name in FILES if (self._package / name).is_file()), None)
        if file is None:
            raise pytest.UsageError(f"{OPTION}: {self._package} is no package's folder: there is no {' or '.join(FILES)}")
        suites = Suites.from_parent(session, path=file, package=self._package)
        items[:0] = list(_items(suites))


def _items(collector: pytest.Collector) -> Iterable[pytest.Item]:
    for node in collector.collect():
        if isinstance(node, pytest.Item):
            yield node
        elif isinstance(node, pytest.Collector):
            yield from _items(node)


class Suites(pytest.Module):
    """A module that is made and not read: one class for each plugin."""

    def __init__(self, *, package: Path, **given: Any) -> None:
        super().__init__(**given)
        self._package = package

    def _getobj(self) -> Any:
        from sympozium_core.testing.found_suites import module_of

        return module_of(self._package)
