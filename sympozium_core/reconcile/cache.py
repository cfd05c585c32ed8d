"""Objects of one kind in memory, with indexes: what a reconcile reads instead of asking the cluster."""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from sympozium_core.contracts.cluster import Object
from sympozium_core.reconcile.key import Key, key_of

View = Mapping[str, Any]
"""An object in the cache: shared by everybody who asks, so never to be changed, at any depth. `Cache.copy` gives one's own."""
IndexFunction = Callable[[View], Iterable[str]]

log = logging.getLogger(__name__)


class Cache:
    """Filled by an informer; for one event loop. `indexes` says under which values an object is found, per index name."""

    def __init__(self, indexes: Mapping[str, IndexFunction] | None = None) -> None:
        self._objects: dict[Key, Object] = {}
        self._functions: dict[str, IndexFunction] = {}
        self._indexes: dict[str, dict[str, dict[Key, None]]] = {}
        self._values: dict[Key, dict[str, tuple[str, ...]]] = {}
        for name, function in (indexes or {}).items():
            self.add_index(name, function)

    def __len__(self) -> int:
        return len(self._objects)

    def add_index(self, name: str, function: IndexFunction) -> None:
        """May be called at any time. Raises ValueError when the name is taken by another function."""
        if self._functions.get(name, function) is not function:
            raise ValueError(f"index {name!r} exists with another function; take another name")
        if name in self._functions:
            return
        self._functions[name] = function
        self._indexes[name] = {}
        for key, obj in self._objects.items():
            self._index(name, key, obj)

    def get(self, key: Key) -> View | None:
        return self._objects.get(key)

    def copy(self, key: Key) -> Object | None:
        """A deep copy, the caller's own."""
        return copy.deepcopy(self._objects.get(key))

    def known_keys(self) -> list[Key]:
        return list(self._objects)

    def all(self, namespace: str | None = None) -> list[View]:
        """All objects, or those of a namespace, in the order in which they came."""
        return [obj for key, obj in self._objects.items() if namespace is None or key.namespace == namespace]

    def by_index(self, name: str, value: str) -> list[View]:
        """The objects that the index has under this value. Raises KeyError for an index that is not there."""
        return [self._objects[key] for key in self._indexes[name].get(value, ())]

    def index_values(self, name: str) -> list[str]:
        """The values that at least one object has."""
        return list(self._indexes[name])

    def put(self, obj: Object) -> View | None:
        """Stores an object, which is the cache's from now on; returns what was there."""
        key = key_of(obj)
        before = self._objects.get(key)
        self._unindex(key)
        self._objects[key] = obj
        for name in self._functions:
            self._index(name, key, obj)
        return before

    def remove(self, key: Key) -> View | None:
        self._unindex(key)
        return self._objects.pop(key, None)

    def _index(self, name: str, key: Key, obj: View) -> None:
        try:
            values = tuple(dict.fromkeys(self._functions[name](obj)))
        except Exception:
            log.exception("index %s failed on %s; the object is not in it", name, key)
            values = ()
        self._values.setdefault(key, {})[name] = values
        for value in values:
            self._indexes[name].setdefault(value, {})[key] = None

    def _unindex(self, key: Key) -> None:
        for name, values in self._values.pop(key, {}).items():
            for value in values:
                found = self._indexes[name][value]
                found.pop(key, None)
                if not found:
                    del self._indexes[name][value]
