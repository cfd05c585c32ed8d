"""A call as the tool server hands it on, with a volume of its own."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sympozium_core.ipc.files import Root
from sympozium_core.sidecar.calls import Call


@pytest.fixture
def call(tmp_path: Path) -> Iterator[Call]:
    with Root(tmp_path) as root:
        root.make_directory("tools/mcp/artifacts")
        made = Call("c1", "tool", time.monotonic() + 60, root, "tools/mcp")
        yield made
        made.close()
