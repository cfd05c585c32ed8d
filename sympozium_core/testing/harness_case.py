"""What a suite of harnesses shares: the declarations of a subclass, and the tools that its checks offer."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import pytest

from sympozium_core.contracts.harness import Ability
from sympozium_core.testing.harness_bench import HarnessBench

SERVER = "words"
ECHO: Mapping[str, Any] = {
    "name": "echo",
    "description": "Give a text back.",
    "parameters": {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]},
}
COUNT: Mapping[str, Any] = {
    "name": "count",
    "description": "Count the words.",
    "parameters": {"type": "object", "properties": {}},
}


class HarnessChecks:
    """Declarations of a subclass of `harness.HarnessContract`."""

    abilities: ClassVar[frozenset[Ability]] = frozenset()
    """As the harness declares them."""

    def new_bench(self, path: Path) -> HarnessBench:
        """With the program of this suite, not started."""
        raise NotImplementedError

    def can(self, ability: Ability) -> None:
        """Skips what the harness says it cannot do."""
        if ability not in self.abilities:
            pytest.skip(f"this harness does not declare the ability {ability!r}")
