"""The skill's own tool server, on this very machine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sympozium_skill_llmfit import LlmfitSkill

from sympozium_core.sidecar.interpreter import python_command
from sympozium_core.testing.tool_client import ToolClient


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ToolClient]:
    with ToolClient(tmp_path / "pod", "llmfit", python_command(LlmfitSkill().module())) as made:
        yield made
