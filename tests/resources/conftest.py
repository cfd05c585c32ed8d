from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest


@pytest.fixture
def make() -> Callable[..., dict[str, Any]]:
    def make(kind: str, /, **spec: Any) -> dict[str, Any]:
        return {"apiVersion": "sympozium.ai/v1alpha1", "kind": kind, "metadata": {"name": "thing"}, "spec": spec}

    return make
