"""What is installed, told without importing any of it.

Reads ``entry_points.txt`` of every distribution on the path itself: `importlib.metadata.entry_points` gives up altogether at one
malformed line of one foreign package, and its entry points do not carry a summary.
Format: https://packaging.python.org/en/latest/specifications/entry-points/
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import Distribution, distributions

from sympozium_core.registry.kinds import BY_GROUP, KINDS
from sympozium_core.registry.record import Record, State

_PREFIX = "[sympozium."


@dataclass(frozen=True)
class Installed:
    """One entry point of one distribution."""

    kind: str
    name: str
    group: str
    value: str
    """``module:attribute``, or a module alone."""
    distribution: str
    version: str
    summary: str
    conflicts: tuple[str, ...] = ()
    """Other distributions that claim the same name in the same group: none of them can be used."""
    state: State | None = None
    """From the last load; of another version than the installed one when `state.version` says so."""

    @property
    def state_is_current(self) -> bool:
        """Whether `state` is about what is installed now."""
        return self.state is not None and (self.state.distribution, self.state.version) == (self.distribution, self.version)


def installed(
    groups: Iterable[str] | None = None, *, path: list[str] | None = None, record: Record | None = None
) -> list[Installed]:
    """All plugins of these groups (default: of every group), by kind and name; with their last states when a `record` is given.

    `path` stands for `sys.path`. Never raises for what a foreign distribution contains.
    """
    wanted = frozenset(BY_GROUP if groups is None else groups)
    states: Mapping[tuple[str, str], State] = record.read() if record is not None else {}
    found = list(_scan(wanted, path))
    owners: dict[tuple[str, str], list[str]] = {}
    for entry in found:
        owners.setdefault((entry.group, entry.name), []).append(entry.distribution)
    order = {kind.group: position for position, kind in enumerate(KINDS)}
    complete = [
        Installed(
            kind=entry.kind,
            name=entry.name,
            group=entry.group,
            value=entry.value,
            distribution=entry.distribution,
            version=entry.version,
            summary=entry.summary,
            conflicts=tuple(sorted(set(owners[entry.group, entry.name]) - {entry.distribution})),
            state=states.get((entry.group, entry.name)),
        )
        for entry in found
    ]
    return sorted(complete, key=lambda entry: (order[entry.group], entry.name, entry.distribution))


def parse_entry_points(text: str) -> Iterator[tuple[str, str, str]]:
    """(group, name, value) of each well-formed line; the value without its extras."""
    group = ""
    for line in text.splitlines():
        line = line.strip()
        if line.startswith("[") and line.endswith("]"):
            group = line[1:-1].strip()
        elif group and "=" in line and line[0] not in "#;":
            name, _, value = line.partition("=")
            name, value = name.strip(), value.partition("[")[0].strip()
            if name and value:
                yield group, name, value


def _scan(wanted: frozenset[str], path: list[str] | None) -> Iterator[Installed]:
    seen: set[str] = set()
    for distribution in distributions() if path is None else distributions(path=path):
        text = _read(distribution, "entry_points.txt")
        if _PREFIX not in text:
            continue
        header = _header(distribution)
        name = header.get("name", "")
        normal = re.sub(r"[-_.]+", "-", name).lower()
        if not name or normal in seen:  # a second copy further down the path is shadowed by the first
            continue
        seen.add(normal)
        for group, entry, value in dict.fromkeys(parse_entry_points(text)):
            if group in wanted and group in BY_GROUP:
                version, summary = header.get("version", ""), header.get("summary", "")
                yield Installed(BY_GROUP[group].name, entry, group, value, name, version, summary)


def _header(distribution: Distribution) -> dict[str, str]:
    """The first lines of METADATA, up to the description: a whole e-mail parser costs ten times as much."""
    fields: dict[str, str] = {}
    for line in (_read(distribution, "METADATA") or _read(distribution, "PKG-INFO")).splitlines():
        if not line:
            break
        key, colon, value = line.partition(":")
        if colon and key.lower() in ("name", "version", "summary"):
            fields.setdefault(key.lower(), value.strip())
    return fields


def _read(distribution: Distribution, name: str) -> str:
    try:
        return distribution.read_text(name) or ""
    except (OSError, UnicodeDecodeError):
        return ""
