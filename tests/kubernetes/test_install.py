"""`sympozium install`, `status`, `doctor`, `upgrade` and `uninstall` on a real cluster: as an operator meets them, in the order in which he does."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sympozium_core.cli.failures import Exit
from tests.kubernetes import images, installed
from tests.kubernetes.kubectl import Kubectl, KubectlFailed, eventually
from tests.kubernetes.machine.layout import Layout

HOME = "sympozium-system"
CHANGING = ("events", "leases", "endpointslices", "endpoints", "nodes", "csinodes", "podmetrics", "componentstatuses")
"""Kinds that the cluster itself renews all the time."""
WAIT = "--timeout=240"


class Operator:
    """Calls the command; each test goes on where the one before ended."""

    def __init__(self, kubeconfig: Path) -> None:
        self._kubeconfig = kubeconfig

    def __call__(self, *words: str) -> subprocess.CompletedProcess[str]:
        return installed.sympozium(self._kubeconfig, *words)

    def done(self, *words: str) -> str:
        """What it printed, when all was well."""
        result = self(*words)
        assert result.returncode == 0, f"{' '.join(words)} ended with {result.returncode}\n{result.stdout}{result.stderr}"
        return result.stdout

    def findings(self, *words: str) -> tuple[int, list[dict[str, Any]]]:
        result = self("doctor", "-o", "json", *words)
        return result.returncode, json.loads(result.stdout)


def failures(found: list[dict[str, Any]]) -> list[str]:
    return [finding["what"] for finding in found if finding["level"] == "FAIL"]


def inventory(kubectl: Kubectl) -> set[str]:
    """Every object of the cluster by kind, namespace and name."""
    found: set[str] = set()
    for scope in ("true", "false"):
        names = kubectl("api-resources", "--verbs=list", f"--namespaced={scope}", "-o", "name").split()
        kinds = ",".join(name for name in names if name.split(".")[0] not in CHANGING)
        where = ["-A"] if scope == "true" else []
        columns = "custom-columns=:kind,:apiVersion,:metadata.namespace,:metadata.name"
        found |= {" ".join(line.split()) for line in kubectl("get", kinds, *where, "-o", columns, "--no-headers").splitlines()}
    return found


@pytest.fixture(scope="module")
def operator(kubeconfig: Path, cluster: Layout) -> Operator:
    images.load_all(cluster)
    return Operator(kubeconfig)


@pytest.fixture(scope="module")
def before(operator: Operator, kubectl: Kubectl) -> Iterator[set[str]]:
    """What there was before; at the end nothing of ours is left for the modules that come after."""
    operator.done("uninstall", "--delete-data", "--force", WAIT)
    yield inventory(kubectl)
    operator.done("uninstall", "--delete-data", "--force", WAIT)


@pytest.fixture(scope="module")
def home(kubectl: Kubectl) -> Kubectl:
    return kubectl.within(HOME)


@pytest.fixture(scope="module")
def installation(operator: Operator, before: set[str]) -> str:
    """What `install` printed."""
    return operator.done("install", *installed.arguments(), WAIT)


def test_a_dry_run_changes_nothing(operator: Operator, before: set[str], kubectl: Kubectl) -> None:
    assert operator("status").returncode == Exit.NOT_FOUND
    said = operator.done("install", *installed.arguments(), "--dry-run")
    assert "customresourcedefinition.apiextensions.k8s.io/agentruns.sympozium.ai created (dry run)" in said
    assert inventory(kubectl) == before


def test_everything_works_after_the_command(installation: str, operator: Operator, home: Kubectl) -> None:
    assert "0 changed, 0 removed" in installation
    status = json.loads(operator.done("status", "-o", "json"))
    assert {part["name"]: part["ready"] for part in status["components"]} == {
        "controller": 2,
        "gateway": 2,
        "webhook": 2,
        "nats": 1,
    }
    for pod in home.get("pods")["items"]:
        assert pod["status"]["phase"] in ("Running", "Succeeded")
        assert all(container["restartCount"] == 0 for container in pod["status"]["containerStatuses"])


def test_given_again_it_changes_nothing(installation: str, operator: Operator, home: Kubectl) -> None:
    def versions() -> dict[str, int]:
        kinds = "deployments,statefulsets,services,configmaps,serviceaccounts,roles,networkpolicies"
        found = home.get(kinds)["items"]
        return {f"{obj['kind']}/{obj['metadata']['name']}": obj["metadata"].get("generation") or 0 for obj in found}

    first = versions()
    assert operator.done("install", *installed.arguments(), WAIT).splitlines()[-1] == "nothing to change"
    assert operator.done("install", WAIT).splitlines()[-1] == "nothing to change", "what was chosen once is kept"
    assert versions() == first


def test_doctor_finds_nothing(installation: str, operator: Operator) -> None:
    code, found = operator.findings("--probe")
    assert failures(found) == []
    assert code == Exit.OK
    assert any("NetworkPolicies are enforced" in finding["what"] for finding in found if finding["level"] == "PASS")


def test_doctor_finds_five_faults_and_upgrade_mends_them(
    installation: str, operator: Operator, kubectl: Kubectl, home: Kubectl
) -> None:
    """One of each kind at once: what one check finds must not hide another."""
    column = [{"op": "remove", "path": "/spec/versions/0/additionalPrinterColumns/0"}]
    kubectl("patch", "crd", "agentruns.sympozium.ai", "--type=json", "-p", json.dumps(column))
    kubectl("label", "namespace", HOME, "pod-security.kubernetes.io/enforce=privileged", "--overwrite")
    home("scale", "statefulset/sympozium-nats", "--replicas=0")
    home("scale", "deployment/sympozium-webhook", "--replicas=0")
    kubectl("delete", "clusterrolebinding", "sympozium-controller")
    eventually(
        lambda: not home("get", "pods", "-l", "app.kubernetes.io/component in (nats,webhook)", "-o", "name"), "pods go", 90
    )

    code, found = operator.findings()
    assert code == Exit.ERROR
    told = "\n".join(failures(found))
    for what in (
        "resource definitions are missing or not of this version",
        "the webhook is scaled to nothing",
        "the API server does not reach the webhook",
        "the event bus is scaled to nothing",
        "Pod Security is not enforced in namespace sympozium-system",
        "ServiceAccount sympozium-controller lacks rights",
    ):
        assert what in told
    assert all(finding["todo"] for finding in found if finding["level"] != "PASS")

    refused = operator("upgrade", "--timeout=60")
    assert refused.returncode == Exit.ERROR
    assert "kubectl" in refused.stderr, "it says who has changed the field"
    assert "--force-conflicts" in refused.stderr
    operator.done("upgrade", "--force-conflicts", WAIT)
    eventually(lambda: failures(operator.findings()[1]) == [], "doctor finds nothing any more", 120)


def test_what_does_not_start_is_said_with_its_reason(installation: str, operator: Operator) -> None:
    result = operator("upgrade", "--image-control-plane=sympozium.local/absent:1", "--timeout=30")
    assert result.returncode == Exit.ERROR
    assert "ErrImageNeverPull" in result.stderr
    assert "sympozium.local/absent:1" in result.stderr
    operator.done("upgrade", *installed.arguments(), WAIT)


def test_what_a_version_has_no_more_is_removed(installation: str, operator: Operator, home: Kubectl) -> None:
    home("create", "configmap", "of-an-older-version")
    known = home.get("configmap", "sympozium-installation")["data"]["objects"]
    patch = {"data": {"objects": f"{known}v1 ConfigMap {HOME} of-an-older-version\n"}}
    home("patch", "configmap", "sympozium-installation", "-p", json.dumps(patch))
    said = operator.done("upgrade", "--force-conflicts", WAIT)
    assert "configmap/of-an-older-version removed" in said
    assert not home.exists("configmap", "of-an-older-version")


def test_an_older_program_leaves_a_newer_installation_alone(installation: str, operator: Operator, home: Kubectl) -> None:
    home("patch", "configmap", "sympozium-installation", "-p", json.dumps({"data": {"version": "99.0.0"}}))
    for command in ("upgrade", "install"):
        result = operator(command, WAIT)
        assert result.returncode == Exit.ERROR
        assert "version 99.0.0 is installed" in result.stderr
    version = json.loads(operator.done("version", "-o", "json"))["version"]
    home("patch", "configmap", "sympozium-installation", "-p", json.dumps({"data": {"version": version}}))


@pytest.mark.parametrize(
    ("role", "may", "may_not"),
    [
        ("view", ["list agentruns"], ["create agentruns", "list secrets"]),
        (
            "edit",
            ["create agentruns", "list agentruns"],
            ["create sympoziumpolicies", "approve toolapprovals", "use skillpacks"],
        ),
        ("admin", ["create sympoziumpolicies", "use skillpacks"], ["approve toolapprovals"]),
        ("sympozium-approver", ["approve toolapprovals", "patch toolapprovals"], ["create agentruns"]),
    ],
)
def test_roles_for_people(
    installation: str, here: Kubectl, namespace: str, role: str, may: list[str], may_not: list[str]
) -> None:
    """Kubernetes' own roles have ours in them; in other namespaces they are worth nothing."""

    def can(what: str, where: Kubectl) -> bool:
        verb, resource = what.split()
        group = "" if resource == "secrets" else ".sympozium.ai"
        try:
            return where("auth", "can-i", verb, f"{resource}{group}", "--as=somebody").strip() == "yes"
        except KubectlFailed:
            return False

    here("create", "rolebinding", "test", f"--clusterrole={role}", "--user=somebody")
    eventually(lambda: can(may[0], here), f"{role} may {may[0]}")
    assert [what for what in may if not can(what, here)] == []
    assert [what for what in may_not if can(what, here)] == []
    assert [what for what in may if can(what, here.within("default"))] == []


def test_uninstall_refuses_while_runs_are_going(installation: str, operator: Operator, here: Kubectl, home: Kubectl) -> None:
    """A run that nobody has taken up is going, too."""
    home("scale", "deployment/sympozium-controller", "--replicas=0")
    here("create", "secret", "generic", "key", "--from-literal=apiKey=none")
    spec = {"provider": {"name": "openai", "model": "gpt-4o", "apiKeySecret": "key", "baseURL": "http://10.244.0.1:9/v1"}}
    here.apply(
        _resource("SympoziumInstance", "agent", spec), _resource("AgentRun", "run", {"instanceRef": "agent", "task": "wait"})
    )
    refused = operator("uninstall")
    assert refused.returncode == Exit.REFUSED
    assert f"1 runs are going: {here.namespace}/run" in refused.stderr
    home("scale", "deployment/sympozium-controller", "--replicas=2")
    assert home.get("deployment", "sympozium-webhook"), "nothing was removed"


def _resource(kind: str, name: str, spec: dict[str, Any]) -> dict[str, Any]:
    return {"apiVersion": "sympozium.ai/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec}


def test_uninstall_leaves_nothing_but_data(installation: str, operator: Operator, before: set[str], kubectl: Kubectl) -> None:
    """What people have made, the bus's volume and the namespace that it is in; and all of that can be deleted without a controller."""
    said = operator.done("uninstall", "--force", WAIT)
    assert "were kept" in said
    left = {line for line in inventory(kubectl) - before if f" {HOME} " in line or line.split()[2] == "<none>"}
    kinds = {line.split()[0] for line in left}
    assert kinds == {
        "CustomResourceDefinition",
        "Namespace",
        "PersistentVolumeClaim",
        "PersistentVolume",
        "ConfigMap",
        "ServiceAccount",
    }
    assert {line.split()[-1] for line in left if line.startswith(("ConfigMap", "ServiceAccount"))} == {
        "kube-root-ca.crt",
        "default",
    }
    for run in kubectl.get("agentruns", "-A")["items"]:
        kubectl.within(run["metadata"]["namespace"])("delete", "agentrun", run["metadata"]["name"], "--timeout=20s")


def test_uninstall_with_data_leaves_nothing(operator: Operator, before: set[str], kubectl: Kubectl) -> None:
    operator.done("uninstall", "--delete-data", WAIT)
    assert operator.done("uninstall", "--delete-data").strip() == "nothing to remove"

    def left() -> set[str]:
        return {line for line in inventory(kubectl) - before if " test-" not in line}

    eventually(lambda: not left(), "volumes and pods are gone", 60)
