"""What a check finds, and what it is given to look at."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from sympozium_core import names

if TYPE_CHECKING:
    from sympozium_core.cluster.client import ClusterClient
    from sympozium_core.installation.options import Options
    from sympozium_core.installer.installed import Installed


class Level(StrEnum):
    PASS = "PASS"
    WARN = "WARN"
    """It works, but not as well as it could; or it cannot be told from here."""
    FAIL = "FAIL"
    """Something that was promised does not hold."""


@dataclass(frozen=True)
class Finding:
    level: Level
    what: str
    details: tuple[str, ...] = ()
    todo: str = ""
    """What to do; empty only for PASS."""


@dataclass(frozen=True)
class Subject:
    cluster: ClusterClient
    installed: Installed
    options: Options
    """What the installation was made with, or the usual ones."""
    probe: bool = False
    """May start pods to find out."""
    namespace: str = names.SYSTEM_NAMESPACE


Check = Callable[[Subject], Awaitable[list[Finding]]]


def passed(what: str) -> list[Finding]:
    return [Finding(Level.PASS, what)]


def warn(what: str, todo: str, *details: str) -> list[Finding]:
    return [Finding(Level.WARN, what, details, todo)]


def fail(what: str, todo: str, *details: str) -> list[Finding]:
    return [Finding(Level.FAIL, what, details, todo)]
