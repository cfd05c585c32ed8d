"""The kinds of Kubernetes itself that the control plane and its plugins touch. Facts from the API reference of Kubernetes 1.36."""

from __future__ import annotations

from typing import Final

from sympozium_core.contracts.cluster import ResourceType


def _core(
    kind: str, plural: str, *short_names: str, group: str = "", namespaced: bool = True, status: bool = False
) -> ResourceType:
    return ResourceType(group, "v1", kind, plural, namespaced, short_names, singular=kind.lower(), status=status)


CONFIG_MAP: Final = _core("ConfigMap", "configmaps", "cm")
EVENT: Final = _core("Event", "events", "ev")
NAMESPACE: Final = _core("Namespace", "namespaces", "ns", namespaced=False, status=True)
NODE: Final = _core("Node", "nodes", "no", namespaced=False, status=True)
PERSISTENT_VOLUME_CLAIM: Final = _core("PersistentVolumeClaim", "persistentvolumeclaims", "pvc", status=True)
POD: Final = _core("Pod", "pods", "po", status=True)
SECRET: Final = _core("Secret", "secrets")
SERVICE: Final = _core("Service", "services", "svc", status=True)
SERVICE_ACCOUNT: Final = _core("ServiceAccount", "serviceaccounts", "sa")

DAEMON_SET: Final = _core("DaemonSet", "daemonsets", "ds", group="apps", status=True)
DEPLOYMENT: Final = _core("Deployment", "deployments", "deploy", group="apps", status=True)
STATEFUL_SET: Final = _core("StatefulSet", "statefulsets", "sts", group="apps", status=True)
JOB: Final = _core("Job", "jobs", group="batch", status=True)
LEASE: Final = _core("Lease", "leases", group="coordination.k8s.io")
ENDPOINT_SLICE: Final = _core("EndpointSlice", "endpointslices", group="discovery.k8s.io")
NETWORK_POLICY: Final = _core("NetworkPolicy", "networkpolicies", "netpol", group="networking.k8s.io")
RUNTIME_CLASS: Final = _core("RuntimeClass", "runtimeclasses", group="node.k8s.io", namespaced=False)
STORAGE_CLASS: Final = _core("StorageClass", "storageclasses", "sc", group="storage.k8s.io", namespaced=False)
POD_DISRUPTION_BUDGET: Final = _core("PodDisruptionBudget", "poddisruptionbudgets", "pdb", group="policy", status=True)
HORIZONTAL_POD_AUTOSCALER: Final = ResourceType(
    "autoscaling",
    "v2",
    "HorizontalPodAutoscaler",
    "horizontalpodautoscalers",
    short_names=("hpa",),
    singular="horizontalpodautoscaler",
)

_RBAC = "rbac.authorization.k8s.io"
ROLE: Final = _core("Role", "roles", group=_RBAC)
ROLE_BINDING: Final = _core("RoleBinding", "rolebindings", group=_RBAC)
CLUSTER_ROLE: Final = _core("ClusterRole", "clusterroles", group=_RBAC, namespaced=False)
CLUSTER_ROLE_BINDING: Final = _core("ClusterRoleBinding", "clusterrolebindings", group=_RBAC, namespaced=False)

CUSTOM_RESOURCE_DEFINITION: Final = _core(
    "CustomResourceDefinition", "customresourcedefinitions", "crd", group="apiextensions.k8s.io", namespaced=False, status=True
)

_ADMISSION = "admissionregistration.k8s.io"
MUTATING_WEBHOOK: Final = _core(
    "MutatingWebhookConfiguration", "mutatingwebhookconfigurations", group=_ADMISSION, namespaced=False
)
VALIDATING_WEBHOOK: Final = _core(
    "ValidatingWebhookConfiguration", "validatingwebhookconfigurations", group=_ADMISSION, namespaced=False
)
VALIDATING_POLICY: Final = _core(
    "ValidatingAdmissionPolicy", "validatingadmissionpolicies", group=_ADMISSION, namespaced=False, status=True
)
VALIDATING_POLICY_BINDING: Final = _core(
    "ValidatingAdmissionPolicyBinding", "validatingadmissionpolicybindings", group=_ADMISSION, namespaced=False
)

# Asked by being created; nothing of them is kept.
TOKEN_REVIEW: Final = _core("TokenReview", "tokenreviews", group="authentication.k8s.io", namespaced=False)
SUBJECT_ACCESS_REVIEW: Final = _core(
    "SubjectAccessReview", "subjectaccessreviews", group="authorization.k8s.io", namespaced=False
)
SELF_SUBJECT_ACCESS_REVIEW: Final = _core(
    "SelfSubjectAccessReview", "selfsubjectaccessreviews", group="authorization.k8s.io", namespaced=False
)
