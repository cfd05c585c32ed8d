"""The bench of `sympozium_core.testing.sandbox_bench` for pods on a real cluster, whose node is this very machine."""

from __future__ import annotations

import asyncio
import os
from dataclasses import replace
from pathlib import Path

from sympozium_core import names
from sympozium_core.contracts.builtin_kinds import JOB, POD
from sympozium_core.contracts.cluster import Cluster, Object, ResourceType
from sympozium_core.contracts.plan import Container, PodPlan
from sympozium_core.contracts.sandbox import Sandbox, SandboxContext
from sympozium_core.reconcile.following import follower
from sympozium_core.testing.sandbox_bench import Bench

BUS = "tls://192.0.2.44:4222"
"""Nobody listens there: what a bridge finds is another test's."""
AUTHORITY = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"


class PodBench(Bench):
    patience = 60.0
    haste = 20.0
    python = "/usr/bin/python3"

    def __init__(self, sandbox: Sandbox, data_dir: Path, cluster: Cluster, namespace: str) -> None:
        super().__init__(sandbox, data_dir)
        self.cluster, self.namespace = cluster, namespace

    def context(self) -> SandboxContext:
        return replace(
            super().context(),
            bus_address=BUS,
            bus_ca=AUTHORITY,
            cluster=self.cluster,
            follow=follower(self.cluster),
            namespace_of=lambda pod_id: self.namespace if pod_id in self.pod_ids else "",
        )

    def fit(self, plan: PodPlan) -> PodPlan:
        """A sidecar that ended before its node has seen it run would keep the agent from starting."""
        return replace(plan, namespace=self.namespace, containers=tuple(map(_lasting, plan.containers)))

    async def of_pod(self, kind: ResourceType, pod_id: str) -> list[Object]:
        """The objects of this kind that belong to a pod."""
        return (await self.cluster.list(kind, self.namespace, labels=f"{names.LABEL_POD}={pod_id}")).items

    async def gone(self, pod_id: str) -> None:
        """Returns when nothing of the pod is in the cluster any more."""
        async with asyncio.timeout(self.patience):
            for kind in (JOB, POD):
                while await self.of_pod(kind, pod_id):  # noqa: ASYNC110 - only a list can tell
                    await asyncio.sleep(0.1)

    async def refused(self, plan: PodPlan, *words: str) -> str:
        """Starts a pod that cannot come up; returns why, when the driver says so in these words."""
        pod_id = await self.start(plan)
        status = await self.until(pod_id, lambda status: all(word in status.message for word in words))
        assert status.state == "starting"
        return status.message


def _lasting(container: Container) -> Container:
    if container.role == "hook":
        return replace(container, image=os.environ[names.ENV_RUNNER_IMAGE])
    if container.role == "agent" or not container.command:
        return container
    return replace(container, command=("sh", "-c", 'sleep 2; exec "$@"', "sh", *container.command))
