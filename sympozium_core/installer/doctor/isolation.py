"""Whether the cluster enforces what pods of runs rely on: Pod Security and NetworkPolicies."""

from __future__ import annotations

from sympozium_core.contracts.builtin_kinds import DAEMON_SET, POD
from sympozium_core.contracts.cluster import ApiError, Forbidden, Object, metadata
from sympozium_core.installer.doctor.findings import Finding, Subject, fail, passed, warn
from sympozium_core.installer.doctor.probe import is_enforced

ENFORCING = {
    "calico-node": "Calico",
    "canal": "Canal",
    "cilium": "Cilium",
    "anetd": "GKE Dataplane V2",
    "antrea-agent": "Antrea",
    "kube-router": "kube-router",
    "weave-net": "Weave Net",
    "ovnkube-node": "OVN-Kubernetes",
    "kube-ovn-cni": "Kube-OVN",
    "azure-npm": "Azure network policies",
    "kube-network-policies": "kube-network-policies",
}
"""Network plugins by the name of their DaemonSet; each enforces unless it is told not to."""
NOT_ENFORCING = {"kube-flannel-ds": "Flannel", "kube-flannel": "Flannel"}


async def pod_security(subject: Subject) -> list[Finding]:
    """By a dry run of a pod that must be refused."""
    try:
        await subject.cluster.create(POD, _privileged(subject.namespace), dry_run=True)
    except Forbidden as error:
        if "PodSecurity" in error.message:
            return passed(f"Pod Security is enforced in namespace {subject.namespace}")
        return warn(
            "it cannot be told whether Pod Security is enforced", "ask somebody who may create pods", error.message[:300]
        )
    return fail(
        f"Pod Security is not enforced in namespace {subject.namespace}: a privileged pod would be admitted",
        "sympozium upgrade puts the namespace's labels back; the API server must not have the admission plugin PodSecurity switched off",
    )


def _privileged(namespace: str) -> Object:
    container = {"name": "none", "image": "none:0", "securityContext": {"privileged": True}}
    return {"metadata": {"generateName": "doctor-", "namespace": namespace}, "spec": {"containers": [container]}}


async def network_policies(subject: Subject) -> list[Finding]:
    """Nothing in the API tells whether anybody enforces them."""
    if subject.probe:
        enforced = await is_enforced(subject)
        if enforced:
            return passed("NetworkPolicies are enforced: a pod that may reach nobody reached nobody")
        return fail(
            "NetworkPolicies are not enforced: a pod that may reach nobody reached another",
            "install a network plugin that enforces them, such as Calico or Cilium: without one a run can reach the whole network",
        )
    try:
        sets = {metadata(each)["name"] for each in (await subject.cluster.list(DAEMON_SET)).items}
    except ApiError as error:
        return warn("it cannot be told who enforces NetworkPolicies", "sympozium doctor --probe tries it", error.message[:300])
    if found := sorted(ENFORCING[name] for name in sets & ENFORCING.keys()):
        return passed(f"{', '.join(found)} enforces NetworkPolicies")
    if without := sorted({NOT_ENFORCING[name] for name in sets & NOT_ENFORCING.keys()}):
        return fail(
            f"{', '.join(without)} enforces no NetworkPolicies: a run can reach the whole network",
            "install a network plugin that does, such as Calico or Cilium; sympozium doctor --probe tries it",
        )
    return warn(
        "it is not known whether NetworkPolicies are enforced here", "sympozium doctor --probe tries it with three pods"
    )
