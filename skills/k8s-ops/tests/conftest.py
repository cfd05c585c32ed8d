"""The skill's own tool server, as the process that `K8sOpsSkill.module` names. What kubectl does on a cluster is tested in ``tests/kubernetes``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sympozium_skill_k8s_ops import K8sOpsSkill

from sympozium_core.sidecar.interpreter import python_command
from sympozium_core.testing.tool_client import ToolClient


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., ToolClient]]:
    made: list[ToolClient] = []

    def serve(**environment: str) -> ToolClient:
        folder = tmp_path / str(len(made))
        made.append(ToolClient(folder, "k8s-ops", python_command(K8sOpsSkill().module()), **environment))
        return made[-1]

    yield serve
    for server in made:
        server.close()
