"""A sandbox runtime: turns a PodPlan into isolated processes (or a Job) and tells what became of them. Runs in the controller.

Every method is idempotent and keyed by the pod's id, which the controller writes into the run's status before it calls `start`: after a
crash the same call is made again. A pod's id is a DNS label of at most 63 characters and is never used twice.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Literal, get_args

from sympozium_core.contracts.cluster import Cluster, Follow
from sympozium_core.contracts.plan import PodPlan
from sympozium_core.errors import Temporary


class NoRoom(Temporary):
    """The runtime does not take the pod now, and nothing of it exists: its run waits, and it is asked again for the same pod."""

    reason = "QuotaExceeded"


Promise = Literal["credentials", "filesystem", "network", "processes"]
"""What a runtime keeps apart: the server's secrets (P2), other files of the machine, the network (P3), other processes."""

ALL_PROMISES: frozenset[Promise] = frozenset(("credentials", "filesystem", "network", "processes"))


Feature = Literal[
    "images", "identities", "runtime-classes", "egress", "secrets", "node-selection", "claims", "host-access", "memory"
]
"""``images``: starts containers from images; ``identities``: hands Kubernetes tokens to sidecars; ``runtime-classes``: a kernel sandbox
by name; ``egress``: opens listed destinations; ``secrets``: mounts a Secret into one sidecar; ``node-selection``; ``claims``: volumes that stay;
``host-access``: gives one sidecar what its pack and the policy say of the node; ``memory``: an instance's memory."""
ALL_FEATURES: frozenset[Feature] = frozenset(get_args(Feature))


@dataclass(frozen=True)
class Availability:
    usable: bool
    reason: str
    """One line for a person: why it is or is not usable here, and what would make it so."""


@dataclass(frozen=True)
class ContainerStatus:
    state: Literal["waiting", "running", "ended"]
    exit_code: int | None = None
    """Negative: the signal that ended it."""
    out_of_memory: bool = False
    message: str = ""
    """The last lines of standard error, cut to 2 KiB; hostile text."""
    said: str = ""
    """Of a hook that ended with 0: what it wrote to `layout.CONTROL_SKIP`, cut to `layout.MAX_SKIP` bytes; hostile text."""


@dataclass(frozen=True)
class PodStatus:
    state: Literal["absent", "starting", "running", "ended"]
    containers: Mapping[str, ContainerStatus] = field(default_factory=dict)
    lost: bool = False
    """Ended with the runtime itself (the server stopped or died, a node went), not by its own doing: no failure of the run's."""
    message: str = ""
    """Why it is not running yet, or what ended it from outside, as ``Reason: text`` with one CamelCase word before the colon; empty when
    it only takes its time, and when the containers say it all."""

    name: str = ""
    """Under which the runtime's own tools show it, where that is not its id."""

    def worst(self) -> ContainerStatus | None:
        """The container that best explains the end: out of memory first, then any other failure."""
        failed = [c for c in self.containers.values() if c.state == "ended" and (c.out_of_memory or c.exit_code)]
        return next((c for c in failed if c.out_of_memory), failed[0] if failed else None)


@dataclass(frozen=True)
class SandboxContext:
    """What a driver is handed at `open`."""

    data_dir: Path
    """A directory of its own, mode 0700, that outlives the process."""
    bus_address: str
    """Where a bridge finds the bus: ``unix:///path``, ``nats://host:port`` or ``tls://host:port``."""
    bridge_credential: Callable[[str], str]
    """Makes the bus token of the pod with this id. The driver hands it to the bridge, as `token` of its credential file, and to nobody else."""
    changed: Callable[[str], None]
    """To be called with a pod's id, from the event loop's thread, whenever `observe` would answer something new."""
    cluster: Cluster | None = None
    """The Kubernetes API, for a driver that starts pods there; None on a machine without a cluster."""
    follow: Follow | None = None
    """Follows objects of `cluster`; there where that is."""
    bus_ca: str = ""
    """The authority of the bus's certificate, PEM, for ``tls://``; empty: one that every machine knows."""
    namespace_of: Callable[[str], str] = field(default=lambda pod_id: "")
    """Where the pod with this id belongs, as the runs say it; empty for a pod that no run knows. Objects of a cluster are believed by
    this alone: whoever may write in one namespace can make a Job there by the name of another's pod."""
    secret: Callable[[str, str], Awaitable[Mapping[str, bytes]]] | None = None
    """Reads what is in a Secret, by namespace and name, for a driver that hands it to a container itself; raises Permanent where it is not there."""
    memory_dir: Path | None = None
    """Where this machine keeps the memories of instances, each in a folder by the name of `PodPlan.memory`; None on a cluster."""
    bridge_command: tuple[str, ...] = ()
    """The command line that plans will give for bridges, for a driver that can get something ready; empty when it is not known."""


class Sandbox(ABC):
    """One instance per controller process. The volumes that it makes are those of `sympozium_core.ipc.layout`."""

    promises: ClassVar[frozenset[Promise]]
    """What this runtime keeps; what is missing from `ALL_PROMISES` is said at every use, and some policies refuse it."""
    features: ClassVar[frozenset[Feature]] = frozenset()
    """What only some runtimes have; a plan that needs one that is missing here is refused."""
    keeps_workspace: ClassVar[bool] = True
    """Whether a pod can go on with the /workspace of an earlier one. Where not, the model is told that it was lost."""

    @abstractmethod
    async def check(self) -> Availability:
        """Whether it works on this machine, found out by doing, in well under a second. Called before `open`."""

    @abstractmethod
    async def open(self, context: SandboxContext) -> None:
        """Takes over what an earlier process left: pods that are still known can be observed, stopped and removed."""

    @abstractmethod
    async def start(self, pod_id: str, plan: PodPlan, *, workspace_of: str = "") -> None:
        """Starts the pod; returns when its processes exist or will by themselves, not when they are ready. A pod that exists already is left
        alone.

        `workspace_of` is an earlier pod of the same run whose /workspace this one goes on with, where `keeps_workspace` is true. Raises
        NoRoom, Temporary or Permanent.
        """

    @abstractmethod
    async def observe(self, pod_id: str) -> PodStatus:
        """What is true now."""

    @abstractmethod
    async def stop(self, pod_id: str, *, grace: float) -> None:
        """Asks the pod to end and kills what has not ended after `grace` seconds. Returns when no process of it is left."""

    @abstractmethod
    async def remove(self, pod_id: str, *, keep_workspace: bool = False) -> None:
        """Stops at once and leaves nothing: no process, file or mount (a kept workspace goes with its next pod's removal).

        On a cluster the last processes end within seconds of its return; to wait for that, `stop` first.
        """

    @abstractmethod
    async def pods(self) -> list[str]:
        """Every pod of which anything is left, for the sweep that removes those no run knows."""

    @abstractmethod
    async def close(self) -> None:
        """Ends every pod that cannot live without this process."""
