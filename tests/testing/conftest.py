"""For suites that look at plugins of the tests' own."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    """As what is installed is: suites import a plugin in processes of their own too."""
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2]))
