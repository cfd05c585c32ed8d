"""Chooses the sandbox driver: the one that was asked for, else the one that promises most among those usable here. Says which and why."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from sympozium_core.contracts.sandbox import ALL_PROMISES, Availability, Sandbox
from sympozium_core.errors import Permanent, SympoziumError
from sympozium_core.planning.inputs import SandboxFacts
from sympozium_core.registry.drivers import Drivers


def facts_of(name: str, driver: Sandbox) -> SandboxFacts:
    return SandboxFacts(name, driver.promises, driver.features, driver.keeps_workspace)


class SandboxChoice:
    """Made at its first use, once for the life of the process."""

    def __init__(self, drivers: Drivers[Sandbox], wanted: str) -> None:
        self._drivers, self._wanted = drivers, wanted
        self._lock = asyncio.Lock()
        self._chosen: tuple[str, Sandbox] | None = None
        self.why = ""
        """One line for a person, once chosen."""

    async def facts(self) -> SandboxFacts:
        name, driver = await self.choose()
        return facts_of(name, driver)

    def ahead(self) -> Callable[[], Awaitable[object]]:
        """Begins to choose: what is tried takes a while, in other processes. Whoever asks for the choice is told of what goes wrong; await what this
        returns before the loop ends.
        """
        choosing = asyncio.gather(self.choose(), return_exceptions=True)
        return lambda: asyncio.wait({choosing})

    async def choose(self) -> tuple[str, Sandbox]:
        """Raises Permanent that says of each installed driver why it is not usable."""
        async with self._lock:
            if self._chosen is None:
                self._chosen = await self._choose()
        return self._chosen

    async def other(self, name: str) -> Sandbox:
        """A driver that is not the chosen one, for what it has left behind. Raises SympoziumError when it cannot be used here."""
        driver = self._drivers.get(name)
        found = await driver.check()
        if not found.usable:
            raise Permanent(found.reason)
        return driver

    async def _choose(self) -> tuple[str, Sandbox]:
        names = [self._wanted] if self._wanted else self._drivers.names()
        refused: dict[str, str] = {}
        usable: list[tuple[str, Sandbox, Availability]] = []
        for name in names:
            try:
                driver = self._drivers.get(name)
                found = await driver.check()
            except SympoziumError as error:
                refused[name] = error.message
                continue
            if found.usable:
                usable.append((name, driver, found))
            else:
                refused[name] = found.reason
        if not usable:
            reasons = "; ".join(f"{name}: {reason}" for name, reason in refused.items()) or "none is installed"
            raise Permanent(
                f"no sandbox is usable here: {reasons}", hint="install a sandbox driver such as sympozium-sandbox-process"
            )
        usable.sort(key=lambda each: (-len(each[1].promises & ALL_PROMISES), each[0]))
        name, driver, found = usable[0]
        others = "".join(f"; not {other}: {reason}" for other, reason in refused.items())
        self.why = f"sandbox {name}: {found.reason}{others}"
        return name, driver
