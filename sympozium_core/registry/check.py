"""Loads one plugin in a process of its own and says what is wrong with it: ``python -m sympozium_core.registry.check GROUP NAME``.

The process prints one JSON line ``{"ok", "reason"}`` on its first standard output; what the plugin prints goes to standard error.
`check_all` runs one process a plugin, a few at once, bounded in time and output: a plugin that hangs, exits or crashes harms nobody.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

from sympozium_core.errors import Permanent
from sympozium_core.registry.catalogue import Installed, installed
from sympozium_core.registry.drivers import driver_fault
from sympozium_core.registry.kinds import PluginKind, kind_of
from sympozium_core.registry.loading import load_value, one_line


def verify(entry: Installed) -> str:
    """Loads a plugin into this process. Returns why it cannot be used; empty when it can."""
    try:
        if entry.conflicts:
            return f"package {', '.join(entry.conflicts)} claims the same name; uninstall one"
        kind = kind_of(entry.group)
        return _hook_fault(entry) if kind.hook else _driver_fault(kind, load_value(entry.value))
    except (Exception, SystemExit) as error:
        return one_line(error)


def _hook_fault(entry: Installed) -> str:
    from sympozium_core.registry.relay import Relay, Source  # pluggy is not needed to check a driver

    failure = Relay().load(Source(entry.name, entry.value, entry.distribution, entry.version))
    return failure.message if failure else ""


def _driver_fault(kind: PluginKind, loaded: Any) -> str:
    fault = driver_fault(loaded, load_value(kind.contract))
    if not fault:
        loaded()
    return fault


def main(arguments: list[str]) -> int:
    answer = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    if len(arguments) != 2:
        print("usage: python -m sympozium_core.registry.check GROUP NAME", file=sys.stderr)
        return 2
    group, name = arguments
    try:
        found = [entry for entry in installed([kind_of(group).group]) if entry.name == name]
        fault = verify(found[0]) if found else f"no plugin named {name!r} is installed in {group}"
    except Permanent as error:
        fault = str(error)
    with answer:
        json.dump({"ok": not fault, "reason": fault}, answer)
        answer.write("\n")
    return 1 if fault else 0


if __name__ == "__main__":
    code = main(sys.argv[1:])
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # threads that a plugin started at import do not keep the process
