"""Drivers: one implementation is chosen by the name that a resource gives, through stevedore.

stevedore is imported at the first use. Its DriverManager is asked with the entry points that the catalogue sees, because its own list is
kept for ever in the class and in a file in the user's home, forgets the distribution, and two of one name are both imported before it says so.
"""

from __future__ import annotations

import inspect
import threading
from importlib.metadata import EntryPoint
from typing import Any, Generic, TypeVar, cast

from sympozium_core.errors import Permanent
from sympozium_core.registry.catalogue import Installed, installed
from sympozium_core.registry.loading import PluginBroken, one_line
from sympozium_core.registry.record import Record

T = TypeVar("T")


class UnknownDriver(Permanent):
    """No installed plugin has that name."""

    reason = "InfrastructureError"


class AmbiguousDriver(Permanent):
    """Two installed packages claim that name."""

    reason = "InfrastructureError"


class Drivers(Generic[T]):
    """The drivers of one entry point group, each made once, at its first use. Safe to call from several threads.

    `contract` is the abstract class that the group's plugins subclass: ``Drivers[Provider](GROUP_PROVIDERS, Provider)``.
    A driver that broke stays broken for the life of the process: importing it again at every reconcile would cost and give the same.
    """

    def __init__(self, group: str, contract: type, *, record: Record | None = None, path: list[str] | None = None) -> None:
        self._group = group
        self._contract = contract
        self._record = record
        self._path = path
        self._lock = threading.Lock()
        self._made: dict[str, T] = {}
        self._broken: dict[str, PluginBroken] = {}

    def names(self) -> list[str]:
        """The installed names, sorted; imports nothing."""
        return sorted({entry.name for entry in self._installed()})

    def get(self, name: str) -> T:
        """The one instance of this driver. Raises UnknownDriver, AmbiguousDriver or PluginBroken, all of them Permanent."""
        with self._lock:
            if name in self._made:
                return self._made[name]
            if name in self._broken:
                raise self._broken[name].with_traceback(None)
            entry = self.find(name)
            try:
                driver = self._make(entry)
            except PluginBroken as error:
                self._broken[name] = error
                self._remember(entry, error)
                raise
            self._made[name] = driver
            self._remember(entry, None)
            return driver

    def _installed(self) -> list[Installed]:
        return installed([self._group], path=self._path)

    def find(self, name: str) -> Installed:
        """The entry point of that name; imports nothing. Raises UnknownDriver or AmbiguousDriver."""
        entries = self._installed()
        matching = [entry for entry in entries if entry.name == name]
        if not matching:
            known = ", ".join(sorted({entry.name for entry in entries})) or "none"
            raise UnknownDriver(
                f"no plugin named {name!r} is installed in {self._group}; installed: {known}",
                hint="install the package that brings it: pip install PACKAGE",
            )
        if len(matching) > 1:
            packages = " and ".join(entry.distribution for entry in matching)
            raise AmbiguousDriver(
                f"{name!r} in {self._group} is claimed by packages {packages}",
                hint="uninstall all of them but one: pip uninstall PACKAGE",
            )
        return matching[0]

    def _make(self, entry: Installed) -> T:
        try:
            loaded = _load(entry)
            fault = driver_fault(loaded, self._contract)
            if not fault:
                return cast(T, loaded())
        except (Exception, SystemExit) as error:
            raise PluginBroken(entry.group, entry.name, entry.distribution, one_line(error)) from error
        raise PluginBroken(entry.group, entry.name, entry.distribution, fault)

    def _remember(self, entry: Installed, error: PluginBroken | None) -> None:
        if self._record is not None:
            self._record.write(
                entry.group,
                entry.name,
                ok=error is None,
                reason=error.why if error else "",
                version=entry.version,
                distribution=entry.distribution,
            )


def driver_fault(candidate: object, contract: type) -> str:
    """Why this is not a driver of that contract; empty when it is one."""
    if not isinstance(candidate, type):
        return f"its entry point names a {type(candidate).__name__}, not a subclass of {contract.__name__}"
    if not issubclass(candidate, contract):
        return f"{candidate.__qualname__} is not a subclass of {contract.__module__}.{contract.__name__}"
    if inspect.isabstract(candidate):
        missing = ", ".join(sorted(getattr(candidate, "__abstractmethods__", ())))
        return f"{candidate.__qualname__} does not implement {missing}"
    return ""


def _load(entry: Installed) -> Any:
    from stevedore.driver import DriverManager  # 75 ms that listing and the agent's processes do not pay

    class OneDriver(DriverManager[Any]):
        def list_entry_points(self) -> list[EntryPoint]:
            return [EntryPoint(entry.name, entry.value, entry.group)]

    return OneDriver(entry.group, entry.name).driver
