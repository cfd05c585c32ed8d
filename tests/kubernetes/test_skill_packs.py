"""The packs that work on a cluster, each in a run of its own, with the rights that the run has: against real workloads, in health and in trouble."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sympozium_core.testing.servers.script import from_data
from tests.kubernetes import runs
from tests.kubernetes.kubectl import Kubectl, eventually
from tests.kubernetes.machine.images import BUSYBOX
from tests.kubernetes.runs import Model
from tests.kubernetes.sidecar import Sidecar

NOTE = """
apiVersion: v1
kind: ConfigMap
metadata: {name: note}
data: {by: agent}
"""
APPLIED = {
    "conversations": [
        {"when": "wait", "turns": [{"fault": {"kind": "silence"}}]},
        {
            "when": "note",
            "turns": [
                {"tools": [{"name": "k8s_apply", "arguments": {"manifest": NOTE}}]},
                {"tools": [{"name": "k8s_get", "arguments": {"kind": "configmaps", "name": "note", "output": "yaml"}}]},
                {"text": "There is a note."},
            ],
        },
    ]
}
GOOD = "echo serving; exec sleep 100000"
BAD = "echo begins; echo 'cannot open /data/db' >&2; exit 3"


@pytest.fixture(scope="module")
def model() -> Iterator[Model]:
    with runs.serve_model(from_data(APPLIED)) as served:
        yield served


@pytest.fixture
def tenant(sympozium: object, here: Kubectl, model: Model) -> Kubectl:
    runs.furnish(here, model)
    here.apply(deployment("web", GOOD))
    here("rollout", "status", "deployment/web", "--timeout=60s")
    return here


def deployment(name: str, script: str, replicas: int = 1) -> dict[str, Any]:
    labels = {"app": name}
    container = {"name": "main", "image": BUSYBOX, "imagePullPolicy": "Never", "command": ["sh", "-c", script]}
    spec = {"containers": [container], "terminationGracePeriodSeconds": 0}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "replicas": replicas,
            "progressDeadlineSeconds": 20,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": spec},
        },
    }


def held(here: Kubectl, skill: str, **parameters: Any) -> Sidecar:
    """The sidecar of a run that waits for its model."""
    here.apply(runs.run("held", "wait", skills=[{"skillPackRef": skill, "params": parameters}]))
    sidecar = Sidecar(here, runs.pod_of(here, "held"), skill)
    look = ("exec", sidecar.pod, "-c", f"skill-{skill}", "--", "cat", "/var/run/secrets/kubernetes.io/serviceaccount/namespace")
    eventually(lambda: here.call(*look).returncode == 0, "the sidecar has its token", 60)
    return sidecar


def in_trouble(here: Kubectl) -> str:
    """`web` gets a change after which it does not come up. The name of the pod that keeps failing."""
    here.apply(deployment("web", BAD))

    def failing() -> list[str]:
        pods = here.get("pods", "-l", "app=web")["items"]
        return [pod["metadata"]["name"] for pod in pods if _restarts(pod) >= 2]

    eventually(lambda: bool(failing()), "the new pod of web keeps failing", 60)
    return failing()[0]


def _restarts(pod: dict[str, Any]) -> int:
    return sum(each["restartCount"] for each in pod["status"].get("containerStatuses") or ())


def test_k8s_ops_looks(tenant: Kubectl) -> None:
    failing = in_trouble(tenant)
    ops = held(tenant, "k8s-ops")
    assert "web" in ops.done("k8s_get", kind="deployments")
    assert "machine" in ops.done("k8s_get", kind="nodes", output="wide")
    assert tenant.namespace in ops.done("k8s_get", kind="pods", all_namespaces=True, selector="app=web")
    assert "image: " in ops.done("k8s_get", kind="deployment", name="web", output="yaml")
    assert failing in ops.done("k8s_get", kind="pods")
    described = ops.done("k8s_describe", kind="pod", name=failing)
    assert "Exit Code:    3" in described
    assert "BackOff" in described
    assert "cannot open /data/db" in ops.done("k8s_logs", pod=failing)
    assert ops.done("k8s_logs", pod=failing, containing="DATA") == "cannot open /data/db"
    # For a moment after each restart the one before is gone from the node, which is said.
    before = ops.call("k8s_logs", pod=failing, previous=True)
    assert "cannot open /data/db" in before["content"] or "without previous" in before["content"]
    assert "BackOff" in ops.done("k8s_events", about=f"pod/{failing}", warnings_only=True)
    assert "There are no cronjobs" in ops.done("k8s_get", kind="cronjobs")
    # What it cannot do is said, with what to try.
    assert "no right" in ops.refused("k8s_get", kind="secrets")
    assert "no right" in ops.refused("k8s_get", kind="secret", name=runs.SECRET)
    assert "List what there is" in ops.refused("k8s_get", kind="pod", name="nothing-of-this-name")
    assert "plural" in ops.refused("k8s_get", kind="frobnicators")
    assert "metrics-server" in ops.refused("k8s_top", of="pods")


def test_k8s_ops_changes_what_it_may_and_nothing_else(tenant: Kubectl) -> None:
    ops = held(tenant, "k8s-ops")
    assert "serverside-applied" in ops.done("k8s_apply", manifest=NOTE)
    assert tenant.get("configmap", "note")["data"] == {"by": "agent"}
    both = NOTE.replace("agent", "nobody") + "---\n" + NOTE.replace("ConfigMap", "Frobnicator")
    ops.refused("k8s_apply", manifest=both)
    assert tenant.get("configmap", "note")["data"] == {"by": "agent"}, "one of two is refused: neither is changed"
    assert "server dry run" in ops.done("k8s_apply", manifest=NOTE.replace("agent", "nobody"), dry_run=True)
    assert tenant.get("configmap", "note")["data"] == {"by": "agent"}
    assert "had 1 replicas and now wants 2" in ops.done("k8s_scale", kind="deployment", name="web", replicas=2)
    assert tenant.get("deployment", "web")["spec"]["replicas"] == 2
    assert "restarted" in ops.done("k8s_rollout", action="restart", kind="deployment", name="web")
    tenant("rollout", "status", "deployment/web", "--timeout=60s")
    assert "successfully rolled out" in ops.done("k8s_rollout", action="status", kind="deployment", name="web")
    assert "2" in ops.done("k8s_rollout", action="history", kind="deployment", name="web")
    assert "rolled back" in ops.done("k8s_rollout", action="undo", kind="deployment", name="web")
    tenant("rollout", "status", "deployment/web", "--timeout=60s")
    pod = tenant("get", "pods", "-l", "app=web", "-o", "name").split()[0].removeprefix("pod/")
    ran = ops.call("k8s_exec", pod=pod, command=["sh", "-c", "echo $((6*7)); exit 4"])
    assert (ran["status"], ran["exitCode"], ran["content"].splitlines()[0]) == ("ok", 4, "42")
    assert "deleted" in ops.done("k8s_delete", kind="configmap", name="note")
    eventually(lambda: not tenant.exists("configmap", "note"), "the note is deleted")
    assert "List what there is" in ops.refused("k8s_exec", pod="nothing-of-this-name", command=["id"])
    there = tenant.within("sympozium-system")("get", "pods", "-o", "name").split()
    controller = next(name.removeprefix("pod/") for name in there if "controller" in name)
    for tool, arguments in (
        ("k8s_delete", {"kind": "namespace", "name": tenant.namespace}),
        ("k8s_delete", {"kind": "secret", "name": runs.SECRET}),
        ("k8s_apply", {"manifest": NOTE, "namespace": "default"}),
        ("k8s_exec", {"pod": controller, "command": ["id"], "namespace": "sympozium-system"}),
    ):
        assert "no right" in ops.refused(tool, **arguments)


def test_rights_are_narrowed_to_namespaces_and_to_reading(tenant: Kubectl, kubectl: Kubectl) -> None:
    other = f"{tenant.namespace}-shop"
    kubectl("create", "namespace", other)
    try:
        kubectl.within(other)("create", "configmap", "there")
        ops = held(tenant, "k8s-ops", namespaces=other, rights="read")
        assert "there" in ops.done("k8s_get", kind="configmaps"), "the first of its namespaces is the usual one"
        assert "no right" in ops.refused("k8s_get", kind="pods", namespace=tenant.namespace)
        assert "no right" in ops.refused("k8s_get", kind="pods", all_namespaces=True)
        assert ops.tools() == {"k8s_get", "k8s_describe", "k8s_logs", "k8s_events", "k8s_top"}
        asked = ("kubectl", "--namespace", other, "auth", "can-i")
        assert ops(*asked, "list", "pods").strip() == "yes"
        for verb, resource in (("create", "pods"), ("delete", "configmaps"), ("create", "pods/exec"), ("get", "secrets")):
            refused = tenant.refused("exec", ops.pod, "-c", "skill-k8s-ops", "--", *asked, verb, resource)
            assert "exit code 1" in refused, f"{verb} {resource}: the token itself may not"
    finally:
        kubectl("delete", "namespace", other, "--wait=false")


def test_a_model_uses_k8s_ops(tenant: Kubectl, model: Model) -> None:
    tenant.apply(runs.run("noting", "Make a note.", skills=[{"skillPackRef": "k8s-ops"}]))
    status = runs.until_phase(tenant, "noting", "Succeeded")
    assert status["result"] == "There is a note."
    assert tenant.get("configmap", "note")["data"] == {"by": "agent"}
    last = model.server.requests[-1].body["messages"][-1]
    assert "by: agent" in str(last["content"])


def test_incident_response_finds_the_cause_and_goes_back(tenant: Kubectl) -> None:
    in_trouble(tenant)
    incident = held(tenant, "incident-response")
    found = incident.done("incident_triage", kind="deployment", name="web")
    assert "deployment/web" in found.splitlines()[0]
    for part in ("with 3 (Error)", "BackOff", "main: command changed", "cannot open /data/db", "Available=False"):
        assert part in found, found
    lines = incident.done("incident_timeline", kind="deployment", name="web").splitlines()
    assert lines == sorted(lines)
    assert any("change to revision 2: main: command changed" in line for line in lines)
    assert any("ended with 3" in line for line in lines)
    assert "why" in incident.refused("rollback", kind="deployment", name="web", why=" ")
    assert "it has 2, 1" in incident.refused("rollback", kind="deployment", name="web", why="it fails", revision=7)
    back = incident.done("rollback", kind="deployment", name="web", why="Since revision 2 it cannot open its data.")
    assert "from revision 2 back to what revision 1 was" in back
    tenant("rollout", "status", "deployment/web", "--timeout=60s")
    assert "1 of 1 pods are ready" in incident.done("incident_triage", kind="deployment", name="web")
    asked = ("exec", incident.pod, "-c", "skill-incident-response", "--", "kubectl", "auth", "can-i")
    for verb, resource in (("delete", "pods"), ("create", "deployments"), ("get", "secrets"), ("patch", "configmaps")):
        assert "exit code 1" in tenant.refused(*asked, verb, resource)


def test_sre_observability_reads_pods_and_nothing_more(tenant: Kubectl) -> None:
    sre = held(tenant, "sre-observability")
    status = sre.done("pod_status", selector="app=web")
    assert "Running" in status
    assert "serving" in sre.done("pod_logs", pod=status.splitlines()[1].split()[0])
    assert "sympozium-system" in sre.done("pod_status", all_namespaces=True)
    assert "metrics-server" in sre.refused("pod_usage")
    assert "skillConfig.sre-observability.prometheus_url" in sre.refused("prometheus_query", query="up")
    asked = ("exec", sre.pod, "-c", "skill-sre-observability", "--", "kubectl", "auth", "can-i")
    for verb, resource in (("delete", "pods"), ("get", "secrets"), ("create", "pods/exec")):
        assert "exit code 1" in tenant.refused(*asked, verb, resource)


def test_github_gitops_has_git_and_its_token_to_itself(tenant: Kubectl) -> None:
    token = "ghp_cluster0123456789-never-in-clear"
    tenant("create", "secret", "generic", "github-gitops-token", f"--from-literal=GH_TOKEN={token}")
    skills = [{"skillPackRef": "github-gitops", "params": {"repo": "acme/shop"}}]
    tenant.apply(runs.run("held", "wait", skills=skills))
    gitops = Sidecar(tenant, runs.pod_of(tenant, "held"), "github-gitops")
    assert gitops("git", "--version").startswith("git version")
    assert gitops("cat", "/secrets/github-gitops-token/GH_TOKEN") == token
    assert "No such file" in tenant.refused("exec", gitops.pod, "-c", "agent", "--", "ls", "/secrets")
    assert "networkPolicy.allowedEgress" in gitops.refused("repo_clone"), "no way out that the policy does not list"
    assert "networkPolicy.allowedEgress" in gitops.refused("issue_list")
    assert token not in gitops("env")


def test_llmfit_reads_its_node_from_within_a_pod(tenant: Kubectl) -> None:
    tenant.apply(runs.run("held", "wait", skills=[{"skillPackRef": "llmfit"}]))
    fit = Sidecar(tenant, runs.pod_of(tenant, "held"), "llmfit")
    said = fit.done("node_resources")
    total = re.search(r"MemTotal: +(\d+)", Path("/proc/meminfo").read_text())  # the node is this machine
    assert total is not None
    assert f"memory: {int(total[1]) / 1024**2:.1f} GiB" in said
    assert "needs" in fit.done("model_fit", model="qwen2.5")
