"""The attacks of `redteam.protocol` from the agent's container of a pod, beside the honest runner, which ends its run unharmed."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from sympozium_core.testing.servers.script import Answer, Conversation, Fault, Script
from tests.kubernetes import runs
from tests.kubernetes.attacking import attack_protocol
from tests.kubernetes.kubectl import Kubectl
from tests.kubernetes.runs import Model
from tests.redteam.policy import CALLS, ONLY, POLICY, TOLD, WORDS, through

ATTACKED = threading.Event()
"""Until then the runner waits for its answer."""
GATEWAY_HEALTH = 8081
SCRIPT = Script(
    (
        Conversation((Answer("I thought about it.", until=ATTACKED.is_set),), "slowly"),
        Conversation((Answer(fault=Fault("silence")),), "wait"),
        Conversation((Answer("Hello."),)),
    )
)


@pytest.fixture(scope="module")
def model() -> Iterator[Model]:
    with runs.serve_model(SCRIPT) as served:
        yield served


def test_a_hostile_program_gets_no_further_than_an_honest_one(sympozium: object, here: Kubectl, model: Model) -> None:
    here.apply(POLICY)
    runs.furnish(here, model, policy=POLICY["metadata"]["name"])
    here.apply(runs.run("attacked", "think slowly"))
    found = attack_protocol(here, runs.pod_of(here, "attacked"), {**TOLD, "port": GATEWAY_HEALTH})
    assert not through(found)
    assert len(found) >= 70
    ATTACKED.set()
    status = runs.until_cleaned(here, "attacked")
    assert (status["phase"], status["result"]) == ("Succeeded", "I thought about it.")
    asked = model.server.requests
    assert {request.body["model"] for request in asked} == {"gpt-4o"}
    assert status["tokenUsage"]["totalTokens"] == 18 * len(asked), "the gateway's own count"
    assert len(status["pods"]) == 1, "nothing of it cost the run its pod"
    assert CALLS < 200, "fewer than a run may make where nobody says anything: the limit that was met is the policy's"
    assert [run["metadata"]["name"] for run in here.get("agentruns")["items"]] == ["attacked"]


def test_a_condition_on_words_is_not_passed_by_more_of_them(sympozium: object, here: Kubectl, model: Model) -> None:
    here.apply(WORDS)
    runs.furnish(here, model, policy=WORDS["metadata"]["name"])
    here.apply(runs.run("word-by-word", "wait"))
    found = attack_protocol(here, runs.pod_of(here, "word-by-word"), {**TOLD, "only": ONLY})
    assert not through(found)
    assert len(found) > 20
