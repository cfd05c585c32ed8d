"""Serve functions or commands as tools over files: ``from sympozium_core.sidecar import Server, tool``.

Standard library only. A tool server checks nothing about who may call what: the bridge on the other side of its volume is the gate.
The names above are loaded when they are first used, so that importing this package costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sympozium_core.sidecar.calls import Call as Call
    from sympozium_core.sidecar.calls import Outcome as Outcome
    from sympozium_core.sidecar.definition import ToolError as ToolError
    from sympozium_core.sidecar.definition import tool as tool
    from sympozium_core.sidecar.secret import read_secret as read_secret
    from sympozium_core.sidecar.server import Server as Server

_WHERE = {
    "Call": "calls",
    "Outcome": "calls",
    "ToolError": "definition",
    "tool": "definition",
    "read_secret": "secret",
    "Server": "server",
}


def __getattr__(name: str) -> object:
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(f"{__name__}.{_WHERE[name]}"), name)
