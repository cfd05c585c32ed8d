"""What skills say of CPU and memory in use, by a real metrics-server: of pods that have used some."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from sympozium_core.testing.servers.script import from_data
from tests.kubernetes import runs
from tests.kubernetes.kubectl import Kubectl, eventually
from tests.kubernetes.machine.layout import NODE, Layout
from tests.kubernetes.metrics import metrics_server
from tests.kubernetes.runs import Model
from tests.kubernetes.sidecar import Sidecar

ASKED = {"name": "k8s_top", "arguments": {"of": "pods", "selector": "app=greedy"}}
SCRIPT = {
    "conversations": [
        {"when": "wait", "turns": [{"fault": {"kind": "silence"}}]},
        {"when": "greedy", "turns": [{"tools": [ASKED]}, {"text": "The greedy one."}]},
    ]
}
HOLDS_MI = 64
"""Of memory, once the pod is up."""


@pytest.fixture(scope="module")
def model() -> Iterator[Model]:
    with runs.serve_model(from_data(SCRIPT)) as served:
        yield served


@pytest.fixture(scope="module")
def measured(kubectl: Kubectl, cluster: Layout) -> Iterator[None]:
    with metrics_server(kubectl, cluster):
        yield


def _greedy(here: Kubectl, image: str) -> None:
    code = f"import time; held = b'x' * ({HOLDS_MI} << 20)\nwhile True: time.sleep(0.001)"
    container = {"name": "main", "image": image, "imagePullPolicy": "Never", "command": ["python3", "-c", code]}
    spec = {"containers": [container], "terminationGracePeriodSeconds": 0}
    here.apply({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "greedy", "labels": {"app": "greedy"}}, "spec": spec})
    eventually(lambda: here.call("top", "pod", "greedy").returncode == 0, "the pod has figures", 90)


def _memory(line: str) -> int:
    """MiB, of ``greedy   5m   70Mi``."""
    found = re.search(r"greedy +\d+m +(\d+)Mi", line)
    assert found is not None, line
    return int(found[1])


def test_what_is_in_use_is_told(sympozium: object, measured: None, here: Kubectl, model: Model, python_image: str) -> None:
    runs.furnish(here, model)
    _greedy(here, python_image)
    held = [{"skillPackRef": name} for name in ("k8s-ops", "sre-observability")]
    here.apply(runs.run("held", "wait", skills=held))
    here.apply(runs.run("asking", "Who is greedy?", skills=[{"skillPackRef": "k8s-ops"}]))
    status = runs.until_phase(here, "asking", "Succeeded", "Failed")
    assert status["result"] == "The greedy one.", status
    told = str(model.server.requests[-1].body["messages"][-1]["content"])
    assert HOLDS_MI <= _memory(told) < 2 * HOLDS_MI, told
    pod = runs.pod_of(here, "held")
    ops, sre = Sidecar(here, pod, "k8s-ops"), Sidecar(here, pod, "sre-observability")
    eventually(lambda: ops.call("k8s_top", of="nodes")["status"] == "ok", "the sidecar has its token")
    assert re.search(rf"{NODE} +\d+m +\d+% +\d+Mi +\d+%", ops.done("k8s_top", of="nodes"))
    assert HOLDS_MI <= _memory(sre.done("pod_usage", selector="app=greedy")) < 2 * HOLDS_MI
