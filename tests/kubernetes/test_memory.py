"""An instance's memory on its claim: what one run stores, the next one finds."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sympozium_core.testing.servers.script import from_data
from tests.kubernetes import runs
from tests.kubernetes.kubectl import Kubectl
from tests.kubernetes.runs import Model

NOTE = "Deploys happen on Tuesdays."
STORE = {"name": "memory_store", "arguments": {"content": NOTE}}
SEARCH = {"name": "memory_search", "arguments": {"query": "when do we deploy?"}}
CONVERSATIONS = {
    "conversations": [
        {"when": "^remember", "turns": [{"tools": [STORE]}, {"text": "stored"}]},
        {"when": "^when", "turns": [{"tools": [SEARCH]}, {"text": "found"}]},
    ]
}


@pytest.fixture(scope="module")
def model() -> Iterator[Model]:
    with runs.serve_model(from_data(CONVERSATIONS)) as served:
        yield served


def test_what_one_run_stores_the_next_one_finds(sympozium: object, here: Kubectl, model: Model) -> None:
    runs.furnish(here, model, memory={"enabled": True})
    for name, task in (("first", "remember when we deploy"), ("second", "when do we deploy?")):
        here.apply(runs.run(name, task))
        assert runs.until_phase(here, name, "Succeeded", "Failed")["phase"] == "Succeeded", runs.status(here, name)
    answers = [message["content"] for message in model.server.requests[-1].body["messages"] if message["role"] == "tool"]
    assert NOTE in answers[0]
    claim = here.get("pvc", "my-first-agent-memory")
    assert [owner["kind"] for owner in claim["metadata"]["ownerReferences"]] == ["SympoziumInstance"]
