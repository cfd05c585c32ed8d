"""Hooks: all plugins are asked, in the order of their names, each on its own.

Every plugin gets a pluggy PluginManager of its own. So one that cannot be loaded, has a wrong signature or a misspelt hook is left out
and kept in `failures` while the others work (pluggy's bulk loader ends at the first broken one), and what one raises reaches no other.
"""

from __future__ import annotations

import difflib
import inspect
import logging
import types
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import pluggy

from sympozium_core import hooks
from sympozium_core.registry.loading import Failure, load_value, one_line, trace

MAX_FAILURES = 200
PREFIX = f"{hooks.PROJECT}_"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Source:
    """Where a hook plugin is found: what the catalogue knows, or a ``module:attribute`` that another process looked up."""

    name: str
    value: str
    distribution: str = ""
    version: str = ""
    conflicts: tuple[str, ...] = ()


@dataclass(frozen=True)
class Plugin:
    source: Source
    manager: pluggy.PluginManager


@dataclass(frozen=True)
class Answer:
    plugin: str
    result: Any


@dataclass(frozen=True)
class Answers:
    """What one call of a hook brought: each result that is not None, and whoever raised, both in the order of the plugins' names."""

    results: tuple[Answer, ...]
    failures: tuple[Failure, ...]


@dataclass
class Relay:
    """The hook plugins of one process. Make one with `load_relay`, or with `Relay()` and `add` where the plugins are at hand (tests)."""

    plugins: list[Plugin] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    """Whoever could not be loaded or raised, newest last; the last `MAX_FAILURES`."""

    def add(self, source: Source, plugin: Any) -> Failure | None:
        """Takes one plugin in, or keeps and returns what is wrong with it."""
        manager = _new_manager()
        try:
            manager.register(plugin, name=source.name)
            fault = plugin_fault(manager, plugin)
        except Exception as error:
            fault = one_line(error)
        if fault:
            return self._fail(Failure(source.name, source.distribution, "", fault, ""))
        self.plugins.append(Plugin(source, manager))
        self.plugins.sort(key=lambda each: each.source.name)
        return None

    def load(self, source: Source) -> Failure | None:
        """Imports one plugin and takes it in, or keeps and returns what is wrong with it."""
        if source.conflicts:
            others = ", ".join(source.conflicts)
            return self._fail(
                Failure(source.name, source.distribution, "", f"package {others} claims the same name; uninstall one", "")
            )
        try:
            plugin = load_value(source.value)
        except (Exception, SystemExit) as error:
            return self._fail(Failure(source.name, source.distribution, "", one_line(error), trace(error)))
        return self.add(source, plugin)

    def ask(self, plugin: Plugin, hook: str, **arguments: Any) -> list[Any] | Failure:
        """Asks one plugin: its results that are not None, or the failure when it raises."""
        try:
            found = getattr(plugin.manager.hook, hook)(**arguments)
            return list(found)
        except (Exception, SystemExit) as error:
            return self._fail(Failure(plugin.source.name, plugin.source.distribution, hook, one_line(error), trace(error)))

    def ask_all(self, hook: str, **arguments: Any) -> Answers:
        """Asks every plugin. What this means for the one who asked is in the hook's own text; see `registry.calls`."""
        results: list[Answer] = []
        failures: list[Failure] = []
        for plugin in self.plugins:
            found = self.ask(plugin, hook, **arguments)
            if isinstance(found, Failure):
                failures.append(found)
            else:
                results.extend(Answer(plugin.source.name, result) for result in found)
        return Answers(tuple(results), tuple(failures))

    def implements(self, hook: str) -> bool:
        """Whether asking would reach anybody; lets a caller skip building the arguments."""
        return any(getattr(plugin.manager.hook, hook).get_hookimpls() for plugin in self.plugins)

    def fail(self, plugin: Plugin, hook: str, message: str) -> Failure:
        """Keeps against a plugin that its answer could not be used."""
        return self._fail(Failure(plugin.source.name, plugin.source.distribution, hook, message, ""))

    def _fail(self, failure: Failure) -> Failure:
        self.failures.append(failure)
        del self.failures[:-MAX_FAILURES]
        where = f"hook {failure.hook}" if failure.hook else "it cannot be loaded"
        log.warning("plugin %s (%s): %s: %s", failure.plugin, failure.distribution or "no package", where, failure.message)
        if failure.traceback:
            log.debug("plugin %s: %s", failure.plugin, failure.traceback)
        return failure


def load_relay(sources: Iterable[Source], *, loaded: Callable[[Source, Failure | None], None] | None = None) -> Relay:
    """A relay of these plugins, loaded in the order of their names; `loaded` is told of each, to record it. Never raises for a plugin."""
    relay = Relay()
    for source in sorted(sources, key=lambda each: each.name):
        failure = relay.load(source)
        if loaded is not None:
            loaded(source, failure)
    return relay


def plugin_fault(manager: pluggy.PluginManager, plugin: Any) -> str:
    """What is wrong with a plugin that pluggy has registered; empty when nothing is."""
    if inspect.isclass(plugin):
        return f"its entry point names the class {plugin.__name__}; name a module or an instance"
    known = sorted(_specified())
    for caller in manager.get_hookcallers(plugin) or ():
        if not caller.has_spec():
            return f"there is no hook {caller.name}{_meant(caller.name, known)}"
        for implementation in caller.get_hookimpls():
            if inspect.iscoroutinefunction(implementation.function):
                return f"{caller.name} is asynchronous; a hook is a plain function"
            if implementation.wrapper or implementation.hookwrapper:
                return f"{caller.name} is a wrapper; a hook answers for itself alone"
    marked = {caller.name for caller in manager.get_hookcallers(plugin) or ()}
    for name in vars(plugin) if isinstance(plugin, types.ModuleType) else dir(type(plugin)):
        if name.startswith(PREFIX) and name not in marked and name in known:
            return f"{name} is not marked; put @hookimpl above it"
    if not marked:
        return f"it implements no hook; hooks: {', '.join(known)}"
    return ""


def _new_manager() -> pluggy.PluginManager:
    manager = pluggy.PluginManager(hooks.PROJECT)
    manager.add_hookspecs(hooks)
    return manager


def _specified() -> set[str]:
    return {name for name in vars(hooks) if name.startswith(PREFIX)}


def _meant(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {near[0]}?" if near else f"; hooks: {', '.join(known)}"
