"""What every phase needs, in one place: no phase function takes more than this and the run."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sympozium_core.clock import Clock
from sympozium_core.contracts.bus import Bus
from sympozium_core.contracts.cluster import Cluster
from sympozium_core.contracts.plan import RunPlan
from sympozium_core.contracts.sandbox import Sandbox
from sympozium_core.controllers.agentrun.journal import Journals
from sympozium_core.controllers.agentrun.plans import Plans
from sympozium_core.controllers.agentrun.status import stage_of
from sympozium_core.controllers.agentrun.warm import WarmPods
from sympozium_core.controllers.network_profiles import NetworkProfiles
from sympozium_core.errors import Cause
from sympozium_core.names import LABEL_INSTANCE
from sympozium_core.planning.factory import label_value
from sympozium_core.planning.inputs import RunInputs
from sympozium_core.planning.policy import EffectivePolicy
from sympozium_core.recent import Recent
from sympozium_core.reconcile.cache import IndexFunction
from sympozium_core.reconcile.events import EventRecorder
from sympozium_core.reconcile.informer import Informer
from sympozium_core.resources.kinds import AGENT_RUN
from sympozium_core.settings import ControllerSettings

if TYPE_CHECKING:
    from sympozium_core.controllers.agentrun.code import SkillCode
    from sympozium_core.controllers.tool_approvals import ToolApprovals

INDEX_UID, INDEX_POD, INDEX_STAGE, INDEX_INSTANCE = "uid", "pod", "stage", "instance"
INDEX_STAGE_OF_INSTANCE = "stage of instance"
"""Indexes of the informer of runs; `INDEXES` has their functions."""

INDEXES: Mapping[str, IndexFunction] = {
    INDEX_UID: lambda run: (run["metadata"]["uid"],),
    INDEX_POD: lambda run: (run.get("status") or {}).get("pods") or (),
    INDEX_STAGE: lambda run: (stage_of(run),),
    INDEX_INSTANCE: lambda run: (instance_key(run),),
    INDEX_STAGE_OF_INSTANCE: lambda run: (f"{stage_of(run)} {instance_key(run)}",),
}


def instance_key(run: Mapping[str, Any]) -> str:
    """Under which the runs of one instance are found: ``namespace/name``, by the label that admission stamps."""
    metadata = run["metadata"]
    return f"{metadata['namespace']}/{(metadata.get('labels') or {}).get(LABEL_INSTANCE, '')}"


def key_of_instance(instance: Mapping[str, Any]) -> str:
    """What `instance_key` is of its runs. A label value stands for the name: two names that are too long for a label may share one."""
    return f"{instance['metadata']['namespace']}/{label_value(instance['metadata']['name'])}"


MAX_REVOKED = 4096

Gather = Callable[[Mapping[str, Any]], Awaitable[RunInputs]]
"""Collects what a plan is made of; raises Refused when the run's instance, policy or skills are not there."""

PatchPlan = Callable[[Mapping[str, Any], RunPlan], RunPlan]
"""Lets the hook plugins change a plan."""

Binding = Callable[[Mapping[str, Any]], Awaitable[Sequence[EffectivePolicy]]]
"""The policies that bind a run which is under way, as they are now."""

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
    plans: Plans
    journals: Journals
    gather: Gather
    binding: Binding
    review_by_hooks: ReviewByHooks
    patch_plan: PatchPlan
    revoke: Callable[[str], Awaitable[None]]
    """Ends the bus user of the pod with this id, at once."""
    warm: WarmPods
    approvals: ToolApprovals
    events: EventRecorder
    clock: Clock
    settings: ControllerSettings
    single_user: bool = False
    """There is one user, who has nobody else to ask."""
    network: NetworkProfiles | None = None
    """None where the runtime itself keeps pods off the network."""
    code: SkillCode | None = None
    """None where containers are programs of this machine."""
    left_alone: set[str] = field(default_factory=set)
    """UIDs of the runs that this process does not carry out. A command that holds the data directory for its own run leaves those that it
    finds there as they are: it would be gone before they have ended."""
    claiming: set[str] = field(default_factory=set)
    """UIDs of the runs whose place is being written: they count as placed before the cache says so."""
    outdated: set[str] = field(default_factory=set)
    """UIDs of the runs with a policy that has changed since they were last held against it; of all of them, when a process begins."""
    revoked: Recent[bool] = field(default_factory=lambda: Recent(MAX_REVOKED))
    """By UID the runs whose rights this process has taken away: what is forgotten is only done once more."""
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
