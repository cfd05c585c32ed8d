"""Nodes that only look like nodes (kwok): Pods on them start and succeed by their status alone, so thousands fit on one machine.

They carry the taint and the label `type=kwok`; a Pod gets there only by tolerating the one and selecting the other.
"""

from __future__ import annotations

import json
from pathlib import Path

from tests.kubernetes.machine.control_plane import kubectl
from tests.kubernetes.machine.layout import Layout
from tests.kubernetes.machine.processes import Command, Processes

STAGES = Path(__file__).parent / "stages.yaml"
_ROOM = {"cpu": "1000", "memory": "1Ti", "ephemeral-storage": "100Ti", "pods": "3000"}


def _node(number: int) -> dict[str, object]:
    name = f"simulated-{number}"
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": name,
            "annotations": {"kwok.x-k8s.io/node": "fake"},
            "labels": {"type": "kwok", "kubernetes.io/hostname": name},
        },
        "spec": {"taints": [{"key": "kwok.x-k8s.io/node", "value": "fake", "effect": "NoSchedule"}]},
        "status": {"allocatable": _ROOM, "capacity": _ROOM},
    }


def _all_ready(layout: Layout) -> bool:
    nodes = json.loads(kubectl(layout, "get", "nodes", "-l", "type=kwok", "-o", "json"))["items"]
    return all({"Ready": "True"} in [{c["type"]: c["status"]} for c in node["status"].get("conditions", [])] for node in nodes)


def start(layout: Layout, processes: Processes, count: int) -> None:
    """Makes so many simulated nodes and waits until all are Ready.

    Raises:
        MachineError: kwok ended or is late; with the end of its log.
    """
    which = ["--manage-all-nodes=false", "--manage-nodes-with-annotation-selector=kwok.x-k8s.io/node=fake"]
    where = [
        "--cidr=10.200.0.1/16",
        "--node-ip=10.200.0.1",
        "--node-lease-duration-seconds=40",
        "--server-address=127.0.0.1:10247",
    ]
    command = ["kwok", f"--kubeconfig={layout.kubeconfig}", *which, *where, f"--config={STAGES}"]
    processes.start(Command("kwok", command))
    nodes = {"apiVersion": "v1", "kind": "List", "items": [_node(number) for number in range(1, count + 1)]}
    kubectl(layout, "create", "-f", "-", stdin=json.dumps(nodes))
    processes.wait("kwok", lambda: _all_ready(layout), 60 + count)
