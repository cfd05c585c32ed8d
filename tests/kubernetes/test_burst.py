"""A hundred runs at once on one real node: each ends, once, with its own answer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest

from sympozium_core.testing.servers.script import from_data
from tests.kubernetes import runs
from tests.kubernetes.kubectl import Kubectl, as_list, eventually
from tests.kubernetes.runs import Model

COUNT, INSTANCES, BATCH = 100, 4, 20
WITHIN = 480
ECHO = {
    "name": "write_file",
    "arguments": {"path": "/workspace/once", "content": "x"},
}
CONVERSATIONS = {
    "conversations": [
        {"when": f"^task {number:03}$", "turns": [{"tools": [ECHO]}, {"text": f"answer {number:03}"}]}
        for number in range(COUNT)
    ]
}


@pytest.fixture(scope="module")
def model() -> Iterator[Model]:
    with runs.serve_model(from_data(CONVERSATIONS)) as served:
        yield served


@pytest.mark.timeout(WITHIN + 400)
def test_a_hundred_runs_at_once(sympozium: object, here: Kubectl, model: Model) -> None:
    runs.furnish(here, model)
    agents = [f"agent-{number}" for number in range(INSTANCES)]  # of one instance, 50 ended runs are kept
    here.apply(*(runs.instance(model, agent) for agent in agents))
    wanted = [runs.run(f"run-{number:03}", f"task {number:03}", agents[number % INSTANCES]) for number in range(COUNT)]
    for start in range(0, COUNT, BATCH):
        here("create", "-f", "-", stdin=as_list(tuple(wanted[start : start + BATCH])))
    patient = Kubectl(here.kubeconfig, here.namespace, WITHIN + 60)
    ended = patient.call("wait", "--for=jsonpath={.status.phase}=Succeeded", "agentruns", "--all", f"--timeout={WITHIN}s")
    found = {each["metadata"]["name"]: each.get("status") or {} for each in here.get("agentruns")["items"]}
    assert ended.returncode == 0, Counter((status.get("phase"), status.get("reason")) for status in found.values())
    assert {name: status.get("output") for name, status in found.items()} == {
        f"run-{number:03}": f"answer {number:03}" for number in range(COUNT)
    }
    assert {status["attempt"] for status in found.values()} == {1}, "no pod was lost"
    assert len(model.server.requests) == 2 * COUNT, "no turn was asked twice"
    assert not model.server.refusals
    eventually(lambda: not here.get("pods,jobs,secrets", "-l", "sympozium.ai/run")["items"], "nothing is left of them", 120)
