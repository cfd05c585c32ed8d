"""The contract of the cluster port as a test class. An implementation runs it by giving it a `cluster` fixture:

```python
class TestMine(ClusterContract):
    @pytest.fixture
    async def cluster(self): ...
```

The cluster must serve `CONTRACT_KINDS`; on a real API server that means applying `CONTRACT_CRDS` first and making the namespaces in
an override of `namespace` and `other_namespace`. Nothing is asserted here that a real API server does not do.
"""

from __future__ import annotations

import uuid

import pytest

from sympozium_core.testing.cluster_deletion import DeletionChecks, GarbageChecks
from sympozium_core.testing.cluster_kinds import CONTRACT_CRDS, CONTRACT_KINDS
from sympozium_core.testing.cluster_lists import ListChecks
from sympozium_core.testing.cluster_objects import CreateChecks, ReplaceChecks, SecretChecks
from sympozium_core.testing.cluster_patches import PatchChecks
from sympozium_core.testing.cluster_watches import WatchChecks

__all__ = ["CONTRACT_CRDS", "CONTRACT_KINDS", "ClusterContract"]


class ClusterContract(
    CreateChecks, ReplaceChecks, SecretChecks, PatchChecks, ListChecks, WatchChecks, DeletionChecks, GarbageChecks
):
    @pytest.fixture
    def namespace(self) -> str:
        """A namespace that only this test uses."""
        return f"contract-{uuid.uuid4().hex[:10]}"

    @pytest.fixture
    def other_namespace(self) -> str:
        return f"contract-{uuid.uuid4().hex[:10]}"
