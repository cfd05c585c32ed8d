"""The same installation by other hands than the command's: Helm, and kubectl with what the command prints."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from sympozium_core.cli.failures import Exit
from sympozium_core.installation import inventory, render
from sympozium_core.installation.options import Options, Size, released_images
from tests.kubernetes import images, installed
from tests.kubernetes.installed import HOME
from tests.kubernetes.kubectl import Kubectl
from tests.kubernetes.machine import build
from tests.kubernetes.machine.layout import ROOT, Layout

CHART = ROOT / "deploy/chart"
VERSION = yaml.safe_load((CHART / "Chart.yaml").read_text())["appVersion"]
USUAL = Options(VERSION, released_images(VERSION))
SMALL = Size("1", "100Mi", "200Mi", "2")
CHOSEN: dict[str, tuple[dict[str, Any], Options]] = {
    "usual": ({}, USUAL),
    "registry": (
        {"images": {"registry": "example.com/x", "tag": "7", "pullPolicy": "Always", "pullSecrets": ["a", "b"]}},
        replace(USUAL, images=replace(released_images("7", "example.com/x"), pull_policy="Always", pull_secrets=("a", "b"))),
    ),
    "images": (
        {"images": {"controlPlane": "a/b:1", "runner": "a/c:1", "skill": "a/d:1", "nats": "a/e:1"}},
        replace(USUAL, images=replace(USUAL.images, control_plane="a/b:1", runner="a/c:1", skill="a/d:1", nats="a/e:1")),
    ),
    "sizes": (
        {
            "controller": {"replicas": 3, "cpu": "1", "cpuLimit": "2", "memory": "100Mi", "memoryLimit": "200Mi"},
            "gateway": {"replicas": 4, "maxReplicas": 4},
            "webhook": {"replicas": 1, "maxReplicas": 1},
            "maxConcurrentRuns": 12345,
            "maxRunHistory": 5,
            "apiServerPorts": [443, 8443, 6444],
        },
        replace(
            USUAL,
            controller_replicas=3,
            controller=SMALL,
            gateway_replicas=4,
            gateway_max_replicas=4,
            webhook_replicas=1,
            webhook_max_replicas=1,
            max_concurrent_runs=12345,
            max_run_history=5,
            api_server_ports=(443, 8443, 6444),
        ),
    ),
    "bus": (
        {"nats": {"storage": "20Gi", "storageClass": "fast", "syncAlways": True}, "certManager": True},
        replace(USUAL, nats_storage="20Gi", nats_storage_class="fast", nats_sync_always=True, cert_manager=True),
    ),
    "own bus": (
        {"nats": {"url": "tls://nats.example.com:4333", "ca": True}},
        replace(USUAL, nats_url="tls://nats.example.com:4333", nats_ca=True),
    ),
    "own bus on the usual port": (
        {"nats": {"url": "tls://nats.example.com"}, "certManager": True},
        replace(USUAL, nats_url="tls://nats.example.com", cert_manager=True),
    ),
}


class Helm:
    def __init__(self, program: Path, kubeconfig: Path) -> None:
        self._command = [str(program), "--kubeconfig", str(kubeconfig), "--namespace", HOME]

    def __call__(self, *words: str, stdin: str = "", within: float = 300) -> str:
        done = self.tried(*words, stdin=stdin, within=within)
        assert done.returncode == 0, f"helm {words[0]}: {done.stderr}"
        return done.stdout

    def tried(self, *words: str, stdin: str = "", within: float = 300) -> subprocess.CompletedProcess[str]:
        command = [*self._command, *words]
        return subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=within, check=False)


@pytest.fixture(scope="module")
def helm(kubeconfig: Path) -> Helm:
    return Helm(build.build({"helm"})["helm"], kubeconfig)


@pytest.fixture
def empty(helm: Helm, kubeconfig: Path, cluster: Layout) -> Iterator[None]:
    """Nothing of ours is there, before and after."""
    images.load_all(cluster)
    _remove(helm, kubeconfig)
    yield
    _remove(helm, kubeconfig)


def _remove(helm: Helm, kubeconfig: Path) -> None:
    """What Helm leaves is taken away by the command."""
    helm("uninstall", "sympozium", "--ignore-not-found", "--wait", "--timeout=120s")
    done = installed.sympozium(kubeconfig, "uninstall", "--delete-data", "--force", "--timeout=240")
    assert done.returncode == 0, done.stdout + done.stderr


def _by_name(objects: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """But for what differs by design: Helm makes the namespace itself, keeps no inventory of objects, and names the Job by its own values."""
    found = {}
    for obj in objects:
        name = obj["metadata"]["name"]
        if obj["kind"] == "Namespace":
            continue
        if obj["kind"] == "Job":
            assert len(name.removeprefix("sympozium-bootstrap-")) == 8
            obj = {**obj, "metadata": {**obj["metadata"], "name": "sympozium-bootstrap"}}
            name = "sympozium-bootstrap"
        if name == inventory.NAME:
            obj = {**obj, "data": inventory.options_of(obj)}
        if obj["kind"] == "CustomResourceDefinition":
            obj["metadata"].pop("annotations", None)
        found[f"{obj['kind']} {name}"] = obj
    return found


@pytest.mark.parametrize("case", CHOSEN)
def test_helm_makes_the_objects_that_the_command_makes(helm: Helm, case: str, tmp_path: Path) -> None:
    given, options = CHOSEN[case]
    (tmp_path / "values.yaml").write_text(yaml.safe_dump(given))
    files = ["--values", str(tmp_path / "values.yaml")]
    helm("lint", str(CHART), *files)
    made = helm("template", "sympozium", str(CHART), "--kube-version", "1.36.0", *files)
    found = _by_name([obj for obj in yaml.safe_load_all(made) if obj])
    wanted = _by_name(json.loads(json.dumps(render.everything(options), default=str)))
    wanted[f"ConfigMap {inventory.NAME}"]["data"] = options
    assert found.keys() == wanted.keys()
    for name, obj in wanted.items():
        assert _normal(found[name]) == _normal(obj), name


def _normal(obj: Mapping[str, Any]) -> Any:
    return obj if isinstance(obj.get("data"), Options) else json.loads(json.dumps(obj))


def test_helm_installs_into_no_other_namespace(helm: Helm) -> None:
    refused = helm.tried("template", "sympozium", str(CHART), "--kube-version", "1.36.0", "--namespace", "default")
    assert refused.returncode
    assert "sympozium-system" in refused.stderr


@pytest.mark.usefixtures("empty")
def test_helm_installs_upgrades_and_uninstalls(helm: Helm, kubectl: Kubectl, kubeconfig: Path) -> None:
    registry = images.image("runner").rpartition("/")[0]
    chosen = ["--set", f"images.registry={registry},images.tag={images.VERSION},images.pullPolicy=Never"]
    helm("install", "sympozium", str(CHART), "--create-namespace", "--wait", "--timeout=240s", *chosen)
    kubectl("label", "namespace", HOME, "pod-security.kubernetes.io/enforce=restricted")
    doctor = installed.sympozium(kubeconfig, "doctor")
    assert doctor.returncode == Exit.OK, doctor.stdout
    refused = installed.sympozium(kubeconfig, "install", *installed.arguments())
    assert refused.returncode == Exit.ERROR
    assert "Helm has installed Sympozium here" in refused.stderr
    helm("upgrade", "sympozium", str(CHART), "--wait", "--timeout=240s", *chosen, "--set", "controller.replicas=1")
    assert kubectl.within(HOME).get("deployment", "sympozium-controller")["spec"]["replicas"] == 1
    helm("uninstall", "sympozium", "--wait", "--timeout=120s")
    assert kubectl.exists("crd", "agentruns.sympozium.ai"), "what people have made is kept"
    assert not kubectl.within(HOME).exists("deployments", "-A", "-l", "app.kubernetes.io/part-of=sympozium")


@pytest.mark.usefixtures("empty")
def test_kubectl_applies_what_the_command_prints(kubectl: Kubectl, kubeconfig: Path) -> None:
    printed = installed.sympozium(kubeconfig, "install", "-o", "yaml", *installed.arguments())
    assert printed.returncode == 0, printed.stderr
    kubectl("apply", "--server-side", "-f", "-", stdin=printed.stdout)
    for name in ("controller", "gateway", "webhook"):
        kubectl.within(HOME)("rollout", "status", f"deployment/sympozium-{name}", "--timeout=200s")
    again = installed.sympozium(kubeconfig, "install", "--timeout=240")
    assert again.returncode == 0, again.stderr
    assert again.stdout.splitlines()[-1] == "nothing to change"
