"""What every phase needs, in one place: no phase function takes more than this and the run."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sympozium_core.clock import Clock
from sympozium_core.contracts.bus import Bus
from sympozium_core.contracts.cluster import Cluster
from sympozium_core.contracts.plan import RunPlan
from sympozium_core.contracts.sandbox import Sandbox
from sympozium_core.controllers.agentrun.warm import WarmPods
from sympozium_core.controllers.network_profiles import NetworkProfiles
from sympozium_core.errors import Cause
from sympozium_core.names import LABEL_INSTANCE
from sympozium_core.planning.inputs import RunInputs
from sympozium_core.reconcile.cache import IndexFunction
from sympozium_core.reconcile.events import EventRecorder
from sympozium_core.reconcile.informer import Informer
from sympozium_core.resources.kinds import AGENT_RUN
from sympozium_core.settings import ControllerSettings

INDEX_UID, INDEX_POD, INDEX_PHASE, INDEX_INSTANCE = "uid", "pod", "phase", "instance"
"""Indexes of the informer of runs; `INDEXES` has their functions. A run without a phase has the phase ""."""

INDEXES: Mapping[str, IndexFunction] = {
    INDEX_UID: lambda run: (run["metadata"]["uid"],),
    INDEX_POD: lambda run: (run.get("status") or {}).get("pods") or (),
    INDEX_PHASE: lambda run: ((run.get("status") or {}).get("phase") or "",),
    INDEX_INSTANCE: lambda run: (instance_key(run),),
}


def instance_key(run: Mapping[str, Any]) -> str:
    """Under which the runs of one instance are found: ``namespace/name``, by the label that admission stamps."""
    metadata = run["metadata"]
    return f"{metadata['namespace']}/{(metadata.get('labels') or {}).get(LABEL_INSTANCE, '')}"


Gather = Callable[[Mapping[str, Any]], Awaitable[RunInputs]]
"""Collects what a plan is made of; raises Refused when the run's instance, policy or skills are not there."""

PatchPlan = Callable[[Mapping[str, Any], RunPlan], RunPlan]
"""Lets the hook plugins change a plan."""

ReviewByHooks = Callable[[Mapping[str, Any], Mapping[str, Any]], list[Cause]]
"""What the hook plugins have against a run: causes."""


@dataclass
class RunContext:
    cluster: Cluster
    bus: Bus
    sandbox: Sandbox
    sandbox_name: str
    """Of the driver: a run planned for another one must not end up in a weaker one."""
    runs: Informer
    gather: Gather
    review_by_hooks: ReviewByHooks
    patch_plan: PatchPlan
    revoke: Callable[[str], Awaitable[None]]
    """Ends the bus user of the pod with this id, at once."""
    warm: WarmPods
    events: EventRecorder
    clock: Clock
    settings: ControllerSettings
    network: NetworkProfiles | None = None
    """None where the runtime itself keeps pods off the network."""
    left_alone: set[str] = field(default_factory=set)
    """UIDs of the runs that this process does not carry out. A command that holds the data directory for its own run leaves those that it
    finds there as they are: it would be gone before they have ended."""
    slots: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held between counting who runs and writing that one more does."""
    orphans: dict[str, float] = field(default_factory=dict)
    """Since when (monotonic) a pod's bridge lives on without its agent."""

    def is_ours(self, run: Mapping[str, Any]) -> bool:
        return run["metadata"]["uid"] not in self.left_alone

    def orphaned_for(self, pod: str, grace: float) -> float:
        """Seconds left until a bridge without an agent has had its time."""
        return self.orphans.setdefault(pod, self.clock.monotonic()) + grace - self.clock.monotonic()

    def normal(self, run: Mapping[str, Any], reason: str, message: str) -> None:
        """An Event for `kubectl describe`."""
        self.events.record(AGENT_RUN, run, "Normal", reason, message)

    def warning(self, run: Mapping[str, Any], reason: str, message: str) -> None:
        self.events.record(AGENT_RUN, run, "Warning", reason, message)
