"""The last known state of each plugin, written by whoever loads one, shown by those who must not load any.

One small JSON file in the data directory: ``{"version": 1, "plugins": {"<group>/<name>": {"ok", "reason", "at", "version", "distribution"}}}``.
It is a memory aid and never the truth: a file that is missing, broken or cannot be written costs the states and nothing else.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sympozium_core.clock import Clock, SystemClock

FILE_NAME = "plugins.json"
MAX_REASON = 500
MAX_ENTRIES = 1000
MAX_BYTES = 4 << 20

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class State:
    """What happened when a plugin was loaded last."""

    ok: bool
    reason: str
    """One line; empty when there is nothing to say."""
    at: float
    """Seconds since the epoch."""
    version: str
    distribution: str


class Record:
    """Reads and writes the file. Several processes may: writers take turns by a lock file, readers see one whole version or the other."""

    def __init__(self, path: Path, clock: Clock | None = None) -> None:
        self._path = path
        self._clock = clock or SystemClock()

    @classmethod
    def in_directory(cls, data_dir: Path) -> Record:
        return cls(data_dir / FILE_NAME)

    def read(self) -> dict[tuple[str, str], State]:
        """States by (group, name); what cannot be understood is left out."""
        found: dict[tuple[str, str], State] = {}
        for key, raw in self._load().items():
            group, _, name = key.partition("/")
            with suppress(KeyError, TypeError, ValueError):
                found[group, name] = _state(raw)
        return found

    def write(self, group: str, name: str, *, ok: bool, reason: str = "", version: str = "", distribution: str = "") -> bool:
        """Remembers one result; False, and a line in the log, when the file cannot be written."""
        state = {
            "ok": ok,
            "reason": " ".join(reason.split())[:MAX_REASON],
            "at": self._clock.now(),
            "version": version,
            "distribution": distribution,
        }
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._turn():
                plugins = self._load()
                plugins.pop(f"{group}/{name}", None)
                plugins[f"{group}/{name}"] = state
                self._store(dict(list(plugins.items())[-MAX_ENTRIES:]))
        except OSError as error:
            log.warning("cannot record the state of plugin %s in %s: %s", name, self._path, error)
            return False
        return True

    @contextmanager
    def _turn(self) -> Iterator[None]:
        descriptor = os.open(f"{self._path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def _load(self) -> dict[str, Any]:
        try:
            with self._path.open("rb") as file:
                content = json.loads(file.read(MAX_BYTES))
        except (OSError, ValueError, RecursionError):
            return {}
        plugins = content.get("plugins") if isinstance(content, dict) and content.get("version") == 1 else None
        return plugins if isinstance(plugins, dict) else {}

    def _store(self, plugins: dict[str, Any]) -> None:
        descriptor, temporary = tempfile.mkstemp(dir=self._path.parent, prefix=f".{self._path.name}.")
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                json.dump({"version": 1, "plugins": plugins}, file, indent=1)
            os.replace(temporary, self._path)
        except BaseException:
            with suppress(OSError):
                os.unlink(temporary)
            raise


def _state(raw: dict[str, Any]) -> State:
    return State(
        ok=raw["ok"] is True,
        reason=str(raw["reason"])[:MAX_REASON],
        at=float(raw["at"]),
        version=str(raw["version"]),
        distribution=str(raw["distribution"]),
    )
