"""What every test against a real cluster begins with. Nothing here skips: `tox -e cluster` is where these tests run, and there all is had."""

from __future__ import annotations

import os
import secrets
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from sympozium_core.resources import kinds
from tests.kubernetes import installed
from tests.kubernetes.images import load_all
from tests.kubernetes.installed import Operator
from tests.kubernetes.kubectl import Kubectl, eventually
from tests.kubernetes.machine import images
from tests.kubernetes.machine.archives import Settings
from tests.kubernetes.machine.layout import ROOT, Layout
from tests.kubernetes.machine.processes import Processes
from tests.kubernetes.stage import Stage, stage

PYTHON = "localhost/python:1"
INSTALLER = "test_install"
"""The module that installs and removes Sympozium itself."""
HOW = "these tests run in `tox -e cluster`, or in `python -m tests.kubernetes.machine run --node --gvisor -- python -m pytest tests/kubernetes`"


@pytest.fixture(scope="session")
def kubeconfig() -> Path:
    """Of the cluster that was brought up for these tests, or was given for them by name; never the one that KUBECONFIG happens to name."""
    if not {"SYMPOZIUM_TEST_MACHINE", "SYMPOZIUM_TEST_KUBECONFIG"} & os.environ.keys():
        pytest.fail(f"no cluster: {HOW}")
    return Path(os.environ["KUBECONFIG"])


@pytest.fixture(scope="session")
def kubectl(kubeconfig: Path) -> Kubectl:
    return Kubectl(kubeconfig)


@pytest.fixture(scope="session")
def crds(kubectl: Kubectl) -> None:
    """Our kinds are served."""
    kubectl("apply", "--server-side", "--force-conflicts", "-f", str(ROOT / "deploy/crds"))
    for kind in kinds.OURS:
        kubectl.wait("condition=Established", f"crd/{kind.resource}")


@pytest.fixture
async def played(crds: None, kubeconfig: Path, namespace: str, tmp_path: Path) -> AsyncIterator[Stage]:
    """A controller on the real API, whose pods a test plays."""
    async with stage(kubeconfig, namespace, tmp_path) as made:
        yield made


@pytest.fixture
def namespace(kubectl: Kubectl) -> Iterator[str]:
    """A namespace of the test's own; it is deleted behind the test's back."""
    name = f"test-{secrets.token_hex(4)}"
    kubectl("create", "namespace", name)
    eventually(lambda: kubectl.within(name).exists("serviceaccount", "default"), "the namespace has its service account")
    yield name
    kubectl("delete", "namespace", name, "--wait=false")


@pytest.fixture
def here(kubectl: Kubectl, namespace: str) -> Kubectl:
    """kubectl in the test's own namespace."""
    return kubectl.within(namespace)


@pytest.fixture(scope="session")
def cluster(kubeconfig: Path) -> Layout:
    """The folder of the cluster that was brought up for these tests: its logs, its containerd."""
    if "SYMPOZIUM_TEST_MACHINE" not in os.environ:
        pytest.skip("a cluster was given: its processes and its containerd are not ours")
    return Layout(Path(os.environ["SYMPOZIUM_TEST_MACHINE"]))


@pytest.fixture(scope="session")
def processes(cluster: Layout) -> Processes:
    """The cluster's processes, to be ended and started again."""
    return Processes(cluster)


@pytest.fixture(scope="session")
def python_image(cluster: Layout, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The name of an image with Python, on the node."""
    settings = Settings(
        environment={"PYTHONUNBUFFERED": "1", "PYTHONDONTWRITEBYTECODE": "1"}, user="1000:1000", command=["python3"]
    )
    archive = images.make_python_image(PYTHON, tmp_path_factory.mktemp("image") / "python.tar", {}, settings)
    images.load(cluster, archive)
    return PYTHON


@pytest.fixture(scope="session")
def operator(kubeconfig: Path, cluster: Layout) -> Operator:
    """Who installs and removes Sympozium, with its images on the node."""
    load_all(cluster)
    return Operator(kubeconfig)


@pytest.fixture(scope="session")
def sympozium(kubeconfig: Path, cluster: Layout) -> None:
    """Sympozium is installed and works."""
    installed.install(kubeconfig, cluster)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """First the tests that play a part of the control plane themselves, then the installation's own, then those that need one."""

    def turn(item: pytest.Item) -> int:
        if "sympozium" in getattr(item, "fixturenames", ()):
            return 2
        return int(INSTALLER in item.nodeid)

    items.sort(key=turn)
