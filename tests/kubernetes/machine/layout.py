"""Where a cluster keeps its things, and its addresses: every cluster has the same ones, each in a network namespace of its own."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
"""The checkout: `python -m tests.kubernetes.machine` starts here."""

API = "https://127.0.0.1:6443"
ETCD = "https://127.0.0.1:2379"
SERVICES = "10.96.0.0/16"
SERVICE_OF_API = "10.96.0.1"
PODS = "10.244.0.0/24"
NODE_ADDRESS = "10.244.0.1"
"""The bridge's address: the node, and the API server as Pods see it."""
NODE = "machine"
BRIDGE = "pods"
OUTSIDE = "198.51.100.2"
METADATA = "169.254.169.254"
"""Two addresses that are not the cluster's and answer HTTP: what a Pod must not reach."""


@dataclass(frozen=True)
class Layout:
    """The folder of one cluster. All of it goes when the cluster goes."""

    root: Path

    @property
    def programs(self) -> Path:
        return self.root / "bin"

    @property
    def pki(self) -> Path:
        return self.root / "pki"

    @property
    def conf(self) -> Path:
        return self.root / "conf"

    @property
    def logs(self) -> Path:
        return self.root / "log"

    @property
    def data(self) -> Path:
        return self.root / "data"

    @property
    def processes(self) -> Path:
        return self.root / "processes"

    @property
    def kubeconfig(self) -> Path:
        return self.root / "kubeconfig"

    @property
    def state(self) -> Path:
        """What was asked for and who holds the namespaces, as JSON."""
        return self.root / "cluster.json"

    @property
    def outcome(self) -> Path:
        """Appears when the cluster is up (empty) or failed to come up (why)."""
        return self.root / "outcome"

    @property
    def containerd(self) -> Path:
        return self.root / "containerd.sock"

    def make(self) -> None:
        for folder in (self.programs, self.pki, self.conf, self.logs, self.data, self.processes):
            folder.mkdir(parents=True, exist_ok=True)

    def environment(self) -> dict[str, str]:
        """What the cluster's own processes have: nothing of the user's, least of all a proxy."""
        kept = {name: os.environ[name] for name in ("HOME", "LANG", "TMPDIR") if name in os.environ}
        path = f"{self.programs}:{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
        return {"PATH": path, **self.for_kubectl(), **kept}

    def for_kubectl(self) -> dict[str, str]:
        """Which cluster it talks to. It remembers what an address serves, and every cluster of the tests has the same one."""
        return {"KUBECONFIG": str(self.kubeconfig), "KUBECACHEDIR": str(self.root / "kubectl-cache")}


def usual() -> Path:
    """The folder of a developer's cluster that named none."""
    return Path(tempfile.gettempdir()) / f"sympozium-kubernetes-{os.getuid()}"
