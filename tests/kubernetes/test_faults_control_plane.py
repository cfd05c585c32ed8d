"""`kill -9` of the control plane's processes, and restarts of the cluster's own, in the middle of runs: all go on, none is doubled."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator

import pytest

from tests.kubernetes import interrupted, runs
from tests.kubernetes.installed import HOME
from tests.kubernetes.interrupted import ControlPlane, Interrupted, refused_until
from tests.kubernetes.kubectl import Kubectl, eventually
from tests.kubernetes.machine.processes import Processes
from tests.kubernetes.runs import Model

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def model() -> Iterator[Model]:
    with runs.serve_model(interrupted.script()) as served:
        yield served


@pytest.fixture
def control_plane(sympozium: object, kubectl: Kubectl) -> Iterator[ControlPlane]:
    """Whole before and after."""
    found = ControlPlane(kubectl.within(HOME))
    found.whole()
    yield found
    found.whole()


@pytest.fixture
def under_way(control_plane: ControlPlane, here: Kubectl, model: Model) -> Interrupted:
    """Three runs, in the middle of three steps."""
    runs.furnish(here, model)
    found = Interrupted(here, model)
    found.begin()
    return found


def test_the_leading_controller_is_killed(control_plane: ControlPlane, under_way: Interrupted, here: Kubectl) -> None:
    leader = control_plane.leader()
    control_plane.kill(next(pod for pod in control_plane.pods("controller") if pod["metadata"]["name"] == leader))
    here.apply(runs.run("orphan", "one that nobody leads"))
    under_way.go_on()
    assert runs.until_phase(here, "orphan", "Succeeded", "Failed")["phase"] == "Succeeded"
    under_way.all_succeed()


def test_both_controllers_are_killed(control_plane: ControlPlane, under_way: Interrupted, here: Kubectl) -> None:
    for pod in control_plane.pods("controller"):
        control_plane.kill(pod)
    here.apply(runs.run("orphan", "one that nobody leads"))
    under_way.go_on()
    assert runs.until_phase(here, "orphan", "Succeeded", "Failed", within=120)["phase"] == "Succeeded"
    under_way.all_succeed()


def test_both_gateways_are_killed_while_answers_come(control_plane: ControlPlane, under_way: Interrupted) -> None:
    for pod in control_plane.pods("gateway"):
        control_plane.kill(pod)
    under_way.go_on()
    under_way.all_succeed()
    assert sum(under_way.asked(interrupted.STREAMS).values()) > 3, "the answer was cut and asked for again"


def test_one_webhook_is_killed(control_plane: ControlPlane, here: Kubectl, model: Model) -> None:
    runs.furnish(here, model)
    control_plane.kill(control_plane.pods("webhook")[0])
    for said in refused_until(lambda: here.apply(runs.run("after", "one that follows")), within=10):
        assert "failed calling webhook" in said
    assert runs.until_phase(here, "after", "Succeeded", "Failed")["phase"] == "Succeeded"


def test_both_webhooks_are_killed(control_plane: ControlPlane, under_way: Interrupted, here: Kubectl) -> None:
    for pod in control_plane.pods("webhook"):
        control_plane.kill(pod)
    refusals = refused_until(lambda: here.apply(runs.run("after", "one that follows")), within=60)
    assert refusals
    assert all("failed calling webhook" in said and "sympozium" in said for said in refusals), refusals
    under_way.go_on()
    assert runs.until_phase(here, "after", "Succeeded", "Failed")["phase"] == "Succeeded"
    under_way.all_succeed()


def test_nats_is_killed(control_plane: ControlPlane, under_way: Interrupted) -> None:
    [nats] = control_plane.pods("nats")
    control_plane.kill(nats)
    under_way.go_on()
    under_way.all_succeed()


def test_the_api_server_is_killed_and_started_again(
    control_plane: ControlPlane, under_way: Interrupted, kubectl: Kubectl, processes: Processes
) -> None:
    processes.end("kube-apiserver", signal.SIGKILL)
    processes.again("kube-apiserver")
    eventually(lambda: kubectl.call("get", "--raw", "/readyz").returncode == 0, "the API server is back", 60)
    under_way.go_on()
    under_way.all_succeed()


def test_the_kubelet_is_killed_and_started_again(under_way: Interrupted, processes: Processes) -> None:
    processes.end("kubelet", signal.SIGKILL)
    processes.again("kubelet")
    eventually(_answers(under_way), "the kubelet is back", 60)
    under_way.go_on()
    under_way.all_succeed()


def _answers(under_way: Interrupted) -> Callable[[], bool]:
    def holds() -> bool:
        pod = runs.pod_of(under_way.here, interrupted.HOLDS)
        return under_way.here.call("exec", pod, "-c", "skill-shell", "--", "sh", "-c", ":").returncode == 0

    return holds
