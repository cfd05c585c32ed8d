"""The objects behind a run's rights with the Kubernetes API, pure: what they are called, what they hold, what owns them.

For each skill that declares rights there is a ServiceAccount of this run alone, bound to a Role in each of its namespaces or to a ClusterRole.
A Secret without content, which the AgentRun owns, owns what is in the run's namespace and is what the skills' tokens are bound to: its deletion
ends them all. What cannot be owned from there, because it is in another namespace or in none, is known by its label and its name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sympozium_core import names
from sympozium_core.contracts.builtin_kinds import (
    CLUSTER_ROLE,
    CLUSTER_ROLE_BINDING,
    ROLE,
    ROLE_BINDING,
    SECRET,
    SERVICE_ACCOUNT,
)
from sympozium_core.contracts.cluster import Object, ResourceType, metadata
from sympozium_core.contracts.plan import AccessRule, Identity
from sympozium_core.planning.identities import account_name
from sympozium_core.reconcile.owner import owner_reference
from sympozium_core.resources import object_names
from sympozium_core.resources.faults import Fault
from sympozium_core.resources.kinds import AGENT_RUN

BINDINGS, ROLES = (ROLE_BINDING, CLUSTER_ROLE_BINDING), (ROLE, CLUSTER_ROLE)

Made = tuple[ResourceType, Object]


def secret_name(uid: str) -> str:
    return f"run-{uid}"


def owner_secret(run: Mapping[str, Any]) -> Object:
    return _object(
        SECRET,
        run,
        secret_name(run["metadata"]["uid"]),
        run["metadata"]["namespace"],
        owner_reference(AGENT_RUN, run, block=False),
        type="Opaque",
    )


def objects(run: Mapping[str, Any], identity: Identity, owner: Mapping[str, Any]) -> Iterator[Made]:
    """Of one skill, or of the hooks, in the order in which they can be made. `owner` is the reference to what owns those in the run's namespace."""
    home, name = run["metadata"]["namespace"], account_name(run["metadata"]["uid"], identity.skill)
    subjects = [{"kind": SERVICE_ACCOUNT.kind, "name": name, "namespace": home}]

    def made(kind: ResourceType, namespace: str | None, **body: Any) -> Made:
        return kind, _object(kind, run, name, namespace, owner if namespace == home else None, **body)

    yield made(SERVICE_ACCOUNT, home, automountServiceAccountToken=False)
    if identity.rules:
        for namespace in identity.namespaces:
            yield made(ROLE, namespace, rules=[_rule(rule) for rule in identity.rules])
            yield made(ROLE_BINDING, namespace, subjects=subjects, roleRef=_role_ref(ROLE, name))
    if identity.cluster_rules:
        yield made(CLUSTER_ROLE, None, rules=[_rule(rule) for rule in identity.cluster_rules])
        yield made(CLUSTER_ROLE_BINDING, None, subjects=subjects, roleRef=_role_ref(CLUSTER_ROLE, name))


def uid_of(obj: Object) -> str:
    """UID of the run for which it was made; empty for what was made for none."""
    return str((metadata(obj).get("labels") or {}).get(names.LABEL_RUN_UID) or "")


def run_of(obj: Object) -> tuple[str, str] | None:
    """Namespace and name of the AgentRun for which it was made; None for what was not made here, whatever its labels say."""
    uid = uid_of(obj)
    namespace, slash, name = str((metadata(obj).get("annotations") or {}).get(names.ANNOTATION_RUN) or "").partition("/")
    if not uid or not slash or not metadata(obj)["name"].startswith(f"run-{uid}-"):
        return None
    try:
        return object_names.label(namespace), object_names.subdomain(name)
    except Fault:
        return None


def _object(
    kind: ResourceType, run: Mapping[str, Any], name: str, namespace: str | None, owner: Mapping[str, Any] | None, **body: Any
) -> Object:
    whose = run["metadata"]
    meta: Object = {
        "name": name,
        "labels": {names.LABEL_RUN_UID: whose["uid"], names.LABEL_MANAGED_BY: names.MANAGED_BY},
        "annotations": {names.ANNOTATION_RUN: f"{whose['namespace']}/{whose['name']}"},
    }
    if namespace is not None:
        meta["namespace"] = namespace
    if owner is not None:
        meta["ownerReferences"] = [dict(owner)]
    return {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": meta, **body}


def _rule(rule: AccessRule) -> Object:
    found: Object = {"apiGroups": list(rule.api_groups), "resources": list(rule.resources), "verbs": list(rule.verbs)}
    if rule.resource_names:
        found["resourceNames"] = list(rule.resource_names)
    return found


def _role_ref(kind: ResourceType, name: str) -> Object:
    return {"apiGroup": kind.group, "kind": kind.kind, "name": name}
