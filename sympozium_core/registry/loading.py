"""Importing foreign code: the one place where it can go wrong, and the one form in which that is told."""

from __future__ import annotations

import importlib
import traceback
from dataclasses import dataclass
from typing import Any

from sympozium_core.errors import Permanent

MAX_LINE = 300


class PluginBroken(Permanent):
    """A plugin that cannot be used. `distribution` says which package to mend or to uninstall; the cause is chained."""

    reason = "InfrastructureError"

    def __init__(self, group: str, name: str, distribution: str, why: str) -> None:
        package = f" of package {distribution}" if distribution else ""
        super().__init__(
            f"plugin {name!r}{package} ({group}) is broken: {why}",
            hint="see `sympozium plugins list --check`; mend or uninstall it",
        )
        self.group, self.name, self.distribution, self.why = group, name, distribution, why


@dataclass(frozen=True)
class Failure:
    """What a plugin did wrong, kept for `sympozium plugins` and readiness."""

    plugin: str
    distribution: str
    hook: str
    """Empty when it failed to load."""
    message: str
    traceback: str


def one_line(error: BaseException) -> str:
    """``ValueError: the first line of its text``, cut."""
    text = " ".join(str(error).split())
    return (f"{type(error).__name__}: {text}" if text else type(error).__name__)[:MAX_LINE]


def trace(error: BaseException) -> str:
    """The traceback as text, its last 8,000 characters."""
    return "".join(traceback.format_exception(error))[-8000:]


def load_value(value: str) -> Any:
    """What ``module:attribute`` names. Raises whatever the module raises, SystemExit included, and ValueError for another form."""
    module, _, attribute = value.partition(":")
    if not all(part.isidentifier() for part in module.split(".")):
        raise ValueError(f"{value!r} is not of the form module:attribute")
    found: Any = importlib.import_module(module)
    for part in attribute.split(".") if attribute else ():
        found = getattr(found, part)
    return found
