"""A Python skill, and a memory backend, that no image has: the package is installed where the control plane runs, and its code comes to the sidecar as a volume."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sympozium_core.testing.servers.script import from_data
from tests.kubernetes import runs
from tests.kubernetes.kubectl import Kubectl, eventually
from tests.kubernetes.runs import Model

HOME = "sympozium-system"
PROCESSES = ("deployment/sympozium-controller", "deployment/sympozium-webhook")
LIST = "SYMPOZIUM_SKILL_IMAGE_LIST"
NOTE = "Deploys happen on Tuesdays."
STORE = {"name": "memory_store", "arguments": {"content": NOTE}}
LIST_NOTES = {"name": "memory_list", "arguments": {}}
COMMAND = {"name": "execute_command", "arguments": {"command": "echo from-the-volume; ls /opt/sympozium/code"}}


@pytest.fixture(scope="module")
def model() -> Iterator[Model]:
    conversations = [
        {"when": "^run", "turns": [{"tools": [COMMAND]}, {"text": "It ran."}]},
        {"when": "^remember", "turns": [{"tools": [STORE]}, {"tools": [LIST_NOTES]}, {"text": "It is kept."}]},
    ]
    with runs.serve_model(from_data({"conversations": conversations})) as served:
        yield served


@pytest.fixture
def nothing_in_the_image(sympozium: object, kubectl: Kubectl) -> Iterator[None]:
    """The control plane believes that the image of Python skills is empty: every skill is like one that was installed later."""
    home = kubectl.within(HOME)

    def settle(variable: str) -> None:
        for process in PROCESSES:
            home("set", "env", process, variable)
        for process in PROCESSES:
            home("rollout", "status", process, "--timeout=120s")

    settle(f"{LIST}=")
    yield
    settle(f"{LIST}-")


def test_its_code_is_a_volume_of_the_instance_and_goes_with_it(
    nothing_in_the_image: None, here: Kubectl, kubectl: Kubectl, model: Model
) -> None:
    packs = kubectl.within(HOME)("get", "skillpacks", "-o", "name").split()
    assert "skillpack.sympozium.ai/shell" in packs, "what is installed appears by itself"
    runs.furnish(here, model)
    here.apply(runs.run("carried", "run it"))
    status = runs.until_phase(here, "carried", "Succeeded", "Failed")
    assert status["result"] == "It ran.", status
    answers = [
        message for request in model.server.requests for message in request.body["messages"] if message["role"] == "tool"
    ]
    assert "from-the-volume" in answers[0]["content"]
    assert "code.zip" in answers[0]["content"]
    (volume,) = (item for item in here.get("configmaps")["items"] if item["metadata"]["name"].startswith("code-"))
    assert volume["immutable"] is True
    assert [owner["kind"] for owner in volume["metadata"]["ownerReferences"]] == ["SympoziumInstance"]
    here("delete", "sympoziuminstance", "my-first-agent")
    name = volume["metadata"]["name"]
    eventually(lambda: not here("get", "configmap", name, "-o", "name", "--ignore-not-found").strip(), "the code is gone", 60)


def test_the_backend_of_a_memory_comes_with_the_skill_that_serves_it(
    nothing_in_the_image: None, here: Kubectl, model: Model
) -> None:
    runs.furnish(here, model, memory={"backend": "sqlite"})
    here.apply(runs.run("kept", "remember when we deploy"))
    status = runs.until_phase(here, "kept", "Succeeded", "Failed")
    assert status["result"] == "It is kept.", status
    answers = [message["content"] for message in model.server.requests[-1].body["messages"] if message["role"] == "tool"]
    assert NOTE in answers[-1]


def test_a_backend_that_is_not_installed_is_refused_with_those_that_are(sympozium: object, here: Kubectl, model: Model) -> None:
    runs.furnish(here, model, memory={"backend": "vectors"})
    here.apply(runs.run("lost", "remember when we deploy"))
    status = runs.until_phase(here, "lost", "Succeeded", "Failed")
    assert "no plugin named 'vectors' is installed in sympozium.memories; installed: sqlite" in status["message"], status
