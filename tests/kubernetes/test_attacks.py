"""From inside each container of a live run, as an attacker would try it."""

from __future__ import annotations

import base64
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from sympozium_core.testing.servers.script import Answer, Conversation, Fault, Script
from tests.kubernetes import runs
from tests.kubernetes.attacking import attack, attack_bus, reached
from tests.kubernetes.kubectl import Kubectl
from tests.kubernetes.runs import Model

ATTACKED = threading.Event()
"""Until then the victim waits for its answer."""
SCRIPT = Script(
    (
        Conversation((Answer("I thought about it.", until=ATTACKED.is_set),), "slowly"),
        Conversation((Answer(fault=Fault("silence")),)),
    )
)
LISTENER = "import http.server; http.server.HTTPServer(('', 8000), http.server.SimpleHTTPRequestHandler).serve_forever()"
TOKEN = "eyJhbGciOi"


@pytest.fixture(scope="module")
def model() -> Iterator[Model]:
    with runs.serve_model(SCRIPT) as served:
        yield served


@pytest.fixture
def listener(sympozium: object, kubectl: Kubectl, python_image: str) -> Iterator[str]:
    """The address of a pod in another namespace that answers whoever asks."""
    other = kubectl.within("default")
    other("run", "listener", f"--image={python_image}", "--restart=Never", "--command", "--", "python3", "-c", LISTENER)
    other.wait("condition=Ready", "pod/listener")
    yield str(other.get("pod", "listener")["status"]["podIP"])
    other("delete", "pod", "listener", "--now")


def seeds(kubectl: Kubectl) -> list[str]:
    """What the control plane's own users of the bus prove themselves with."""
    kept = kubectl.within("sympozium-system").get("secret", "sympozium-bus")["data"].values()
    found = [base64.b64decode(value).decode().strip() for value in kept]
    assert found
    assert all(len(seed) > 40 for seed in found)
    return found


def targets(kubectl: Kubectl, listener: str) -> dict[str, list[Any]]:
    """What no container of a run without rights may reach."""
    system = kubectl.within("sympozium-system")
    gateway = system.get("pods", "-l", "app.kubernetes.io/component=gateway")["items"][0]["status"]["podIP"]
    nats = system.get("pods", "-l", "app.kubernetes.io/component=nats")["items"][0]["status"]["podIP"]
    return {
        "the API server's Service": ["10.96.0.1", 443, "tcp"],
        "the API server on the node": [runs.NODE_ADDRESS, 6443, "tcp"],
        "the kubelet": [runs.NODE_ADDRESS, 10250, "tcp"],
        "another pod": [listener, 8000, "tcp"],
        "the gateway": [gateway, 8081, "tcp"],
        "the bus's monitoring": [nats, 8222, "tcp"],
        "an outside address": ["198.51.100.2", 80, "tcp"],
        "the metadata address": ["169.254.169.254", 80, "tcp"],
        "DNS outside": ["198.51.100.2", 53, "udp"],
        "DNS of the cluster": ["10.96.0.10", 53, "udp"],
    }


def test_the_agent_has_nothing_and_reaches_nothing(here: Kubectl, kubectl: Kubectl, model: Model, listener: str) -> None:
    runs.furnish(here, model)
    here.apply(runs.run("victim", "wait"))
    pod = runs.pod_of(here, "victim")
    absent = ["/var/run/secrets", "/var/run/sympozium", "/volumes", "/credentials", "/var/run/docker.sock", "/run/containerd"]
    told = {"targets": targets(kubectl, listener), "needles": [runs.KEY, TOKEN, *seeds(kubectl)], "absent": absent}
    for container, neighbour in (("agent", "sympozium_skill"), ("skill-shell", "sympozium_core.runner")):
        found = attack(here, pod, container, {**told, "others": ["sympozium_core.bridge", neighbour]})
        assert len(found) >= 25
        assert not reached(found), container
    from_outside = "import socket; socket.create_connection(('{}', 4180), 2)"
    address = here.get("pod", pod)["status"]["podIP"]
    failed = kubectl.within("default").refused("exec", "listener", "--", "python3", "-c", from_outside.format(address))
    assert "timed out" in failed or "TimeoutError" in failed


def test_a_bridge_that_was_taken_over_gets_no_further_on_the_bus_than_its_run(
    sympozium: object, here: Kubectl, model: Model
) -> None:
    runs.furnish(here, model)
    here.apply(runs.run("attacker", "wait"), runs.run("victim", "think slowly"))
    pod = runs.pod_of(here, "attacker")
    runs.pod_of(here, "victim")
    found = attack_bus(here, pod, "attacker", here, "victim")
    assert len(found) > 35
    assert not reached(found)
    ATTACKED.set()
    status = runs.until_phase(here, "victim", "Succeeded", "Failed")
    assert (status["phase"], status["attempt"]) == ("Succeeded", 1), "nothing that was answered elsewhere fenced its writers"
