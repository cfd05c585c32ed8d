"""`sympozium install`, `status`, `doctor`, `upgrade` and `uninstall` on a real cluster: as an operator meets them, in the order in which he does."""

from __future__ import annotations

import copy
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sympozium_core.cli.failures import Exit
from sympozium_core.installation import crds
from sympozium_core.installation.options import Options, released_images
from sympozium_core.installer.installed import own_version
from tests.docs import conftest as documentation
from tests.kubernetes import installed
from tests.kubernetes.installed import HOME, WAIT, Operator, failures, inventory
from tests.kubernetes.kubectl import Kubectl, KubectlFailed, eventually
from tests.kubernetes.machine.processes import Processes

OLDER = "0.0.1"
PARTS = {"controller": 2, "gateway": 2, "webhook": 2, "nats": 1}
"""How many pods of each there are."""


@pytest.fixture(scope="module")
def older(kubeconfig: Path, tmp_path_factory: pytest.TempPathFactory) -> Operator:
    """With the program of a version before this one."""
    return Operator(kubeconfig, installed.as_version(OLDER, tmp_path_factory.mktemp("older")))


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
def first(older: Operator, operator: Operator, before: set[str]) -> str:
    """What `install` of the older version printed."""
    return older.done("install", *installed.arguments(), WAIT)


@pytest.fixture(scope="module")
def installation(first: str, operator: Operator) -> str:
    """What `upgrade` to this version printed."""
    return operator.done("upgrade", *installed.arguments(), WAIT)


def test_a_dry_run_changes_nothing(operator: Operator, before: set[str], kubectl: Kubectl) -> None:
    assert operator("status").returncode == Exit.NOT_FOUND
    said = operator.done("install", *installed.arguments(), "--dry-run")
    assert "customresourcedefinition.apiextensions.k8s.io/agentruns.sympozium.ai created (dry run)" in said
    assert inventory(kubectl) == before


def test_everything_works_after_the_command(first: str, older: Operator, home: Kubectl) -> None:
    assert "0 changed, 0 removed" in first
    _all_at_work(older, OLDER)
    for pod in home.get("pods")["items"]:
        assert pod["status"]["phase"] in ("Running", "Succeeded")
        assert all(container["restartCount"] == 0 for container in pod["status"]["containerStatuses"])
    assert {obj["metadata"]["name"] for obj in home.get("pdb")["items"]} == {f"sympozium-{part}" for part in PARTS}
    assert {obj["metadata"]["name"] for obj in home.get("hpa")["items"]} == {"sympozium-gateway", "sympozium-webhook"}


def _all_at_work(operator: Operator, version: str) -> None:
    status = json.loads(operator.done("status", "-o", "json"))
    assert {part["name"]: part["ready"] for part in status["components"]} == PARTS
    assert {part["version"] for part in status["components"]} == {version}


def test_an_older_installation_is_upgraded_and_loses_nothing(
    first: str, operator: Operator, kubectl: Kubectl, home: Kubectl, here: Kubectl, request: pytest.FixtureRequest
) -> None:
    here.apply(_resource("SympoziumPolicy", "of-somebody", {"toolGating": {"defaultAction": "deny"}}))
    _make_older(kubectl, home)
    made, volume = inventory(kubectl), home.get("pvc")["items"][0]["metadata"]["uid"]
    definition = kubectl.get("crd", "agentruns.sympozium.ai")

    assert "sympozium upgrade" in operator("install").stderr
    assert "images of your own, which are not of version" in operator("upgrade").stderr
    said = operator.done("upgrade", *installed.arguments(), "--dry-run")
    assert "configmap/of-an-older-version removed: it is needed no more (dry run)" in said
    assert inventory(kubectl) == made
    assert kubectl.get("crd", "agentruns.sympozium.ai")["metadata"]["generation"] == definition["metadata"]["generation"]

    said = request.getfixturevalue("installation")
    assert "configmap/of-an-older-version removed: it is needed no more" in said
    assert not home.exists("configmap", "of-an-older-version")
    assert "customresourcedefinition.apiextensions.k8s.io/agentruns.sympozium.ai configured" in said
    columns = kubectl.get("crd", "agentruns.sympozium.ai")["spec"]["versions"][0]["additionalPrinterColumns"]
    assert "Older" not in {column["name"] for column in columns}
    _all_at_work(operator, own_version())
    assert home.get("pvc")["items"][0]["metadata"]["uid"] == volume
    assert here.exists("sympoziumpolicy", "of-somebody")


def _make_older(kubectl: Kubectl, home: Kubectl) -> None:
    """As if that version had had a column and a ConfigMap that this one has no more."""
    manager = ["--server-side", "--field-manager=sympozium", "--force-conflicts", "-f", "-"]
    [definition] = [
        each
        for each in crds.definitions(Options(OLDER, released_images(OLDER)))
        if each["metadata"]["name"] == "agentruns.sympozium.ai"
    ]
    definition = copy.deepcopy(definition)
    column = {"name": "Older", "type": "string", "jsonPath": ".spec.task"}
    definition["spec"]["versions"][0]["additionalPrinterColumns"].append(column)
    kubectl("apply", *manager, stdin=json.dumps(definition))
    home("create", "configmap", "of-an-older-version")
    found = home.get("configmap", "sympozium-installation")
    found["data"]["objects"] += f"v1 ConfigMap {HOME} of-an-older-version\n"
    found["metadata"] = {key: found["metadata"][key] for key in ("name", "namespace", "labels")}
    home("apply", *manager, stdin=json.dumps(found))


def test_an_older_program_leaves_a_newer_installation_alone(installation: str, older: Operator, home: Kubectl) -> None:
    for command in ("upgrade", "install"):
        result = older(command, *installed.arguments(), WAIT)
        assert result.returncode == Exit.ERROR
        assert f"version {own_version()} is installed, and this is" in result.stderr
        assert f"version {OLDER}" in result.stderr
    refused = older("uninstall", WAIT)
    assert refused.returncode == Exit.ERROR
    assert f"this is the older version {OLDER}" in refused.stderr
    assert home.get("configmap", "sympozium-installation")["data"]["version"] == own_version()


def test_given_again_it_changes_nothing(installation: str, operator: Operator, home: Kubectl) -> None:
    def versions() -> dict[str, int]:
        kinds = "deployments,statefulsets,services,configmaps,serviceaccounts,roles,networkpolicies"
        found = home.get(kinds)["items"]
        return {f"{obj['kind']}/{obj['metadata']['name']}": obj["metadata"].get("generation") or 0 for obj in found}

    before = versions()
    assert operator.done("install", *installed.arguments(), WAIT).splitlines()[-1] == "nothing to change"
    assert operator.done("install", WAIT).splitlines()[-1] == "nothing to change", "what was chosen once is kept"
    assert versions() == before


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


NOT_ENFORCED = "NetworkPolicies are not enforced: a pod that may reach nobody reached another"


def test_doctor_finds_what_the_nodes_do_not_enforce(
    installation: str, operator: Operator, kubectl: Kubectl, processes: Processes
) -> None:
    """A network plugin that is gone; and the number of processes, which no field of a pod limits."""
    settings = processes.layout.conf / "kubelet.yaml"
    limited = settings.read_text()

    def restart(text: str) -> None:
        processes.end("kubelet")
        settings.write_text(text)
        processes.again("kubelet")
        wanted = json.loads(text)["podPidsLimit"]
        eventually(lambda: _pids_limit(kubectl) == wanted, "the kubelet is back", 60)

    try:
        processes.end("netpol", signal.SIGKILL)
        subprocess.run(["nft", "delete", "table", "inet", "netpol"], check=True)
        restart(json.dumps({**json.loads(limited), "podPidsLimit": -1}))
        # A kubelet that comes up takes every pod for not ready until it has asked it, and says so when it gets to it.
        eventually(lambda: failures(operator.findings("--probe")[1]) == [NOT_ENFORCED], "that is all that is wrong", 120)
        code, found = operator.findings("--probe")
    finally:
        restart(limited)
        processes.again("netpol")
    assert code == Exit.ERROR
    assert failures(found) == [NOT_ENFORCED]
    [pids] = [finding for finding in found if "how many processes a pod has" in finding["what"]]
    assert (pids["level"], pids["what"].split()[0]) == ("WARN", "1")
    assert "podPidsLimit" in pids["todo"]
    assert "sympozium-doctor-" not in kubectl("get", "namespaces", "--field-selector=status.phase=Active", "-o", "name")


def _pids_limit(kubectl: Kubectl) -> int | None:
    node = kubectl.get("nodes")["items"][0]["metadata"]["name"]
    try:
        answer = json.loads(kubectl("get", "--raw", f"/api/v1/nodes/{node}/proxy/configz"))
    except KubectlFailed:
        return None
    return int(answer["kubeletconfig"]["podPidsLimit"])


ABSENT = "sympozium.local/absent:1"


def test_what_does_not_start_is_said_with_its_reason(installation: str, operator: Operator, home: Kubectl) -> None:
    result = operator("upgrade", f"--image-control-plane={ABSENT}", "--timeout=15")
    assert result.returncode == Exit.ERROR
    assert "ErrImageNeverPull" in result.stderr
    assert ABSENT in result.stderr
    said = operator.done("upgrade", *installed.arguments(), WAIT)
    assert "removed" in said, "what the upgrade that failed has left"
    assert len(home.get("jobs")["items"]) == 1


def test_commands_of_the_documentation(
    installation: str, operator: Operator, kubectl: Kubectl, kubeconfig: Path, tmp_path: Path
) -> None:
    """Those that say that they run on a cluster, in order."""
    config = tmp_path / "config"
    shutil.copy(kubeconfig, config)
    own = Kubectl(config)
    own("config", "rename-context", own("config", "current-context").strip(), "my-cluster")
    own("create", "namespace", "payments")
    environment = {**os.environ, "KUBECONFIG": str(config), "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    try:
        for block in [block for block in documentation.ALL if block.marker == documentation.ON_A_CLUSTER]:
            shell = ["sh", "-eux", "-c", block.text]
            done = subprocess.run(
                shell, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=240
            )
            assert done.returncode == 0, f"{block}:\n{done.stdout}{done.stderr}"
    finally:
        own("delete", "namespace", "payments")


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
    spec = {"provider": {"name": "openai", "model": "gpt-4o", "apiKeySecret": "key", "baseURL": "http://model.invalid:9/v1"}}
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
    """What people have made, the bus's volume and the namespace that it is in; and all of that can be deleted without a controller.

    What an upgrade that failed has left goes too, though its pod never ends by itself.
    """
    assert operator("upgrade", f"--image-control-plane={ABSENT}", "--timeout=3").returncode == Exit.ERROR
    made = inventory(kubectl)
    assert "would be removed" in operator.done("uninstall", "--force", "--dry-run")
    assert inventory(kubectl) == made
    said = operator.done("uninstall", "--force", WAIT)
    assert "are kept" in said
    left = inventory(kubectl) - before
    kept = {"CustomResourceDefinition", "APIService", "Namespace", "PersistentVolumeClaim", "PersistentVolume"}
    given_by_kubernetes = {"ConfigMap", "ServiceAccount"}
    assert {line.split()[0] for line in left} == kept | given_by_kubernetes, sorted(left)
    assert {line.split()[-1] for line in left if line.startswith(("ConfigMap", "ServiceAccount"))} == {
        "kube-root-ca.crt",
        "default",
    }
    for run in kubectl.get("agentruns", "-A")["items"]:
        kubectl.within(run["metadata"]["namespace"])("delete", "agentrun", run["metadata"]["name"], "--timeout=20s")


def test_uninstall_with_data_leaves_nothing(operator: Operator, before: set[str], kubectl: Kubectl) -> None:
    operator.done("uninstall", "--delete-data", WAIT)
    assert operator.done("uninstall", "--delete-data").strip() == "nothing to remove"

    eventually(lambda: not inventory(kubectl) - before, "volumes and pods are gone", 60)
