from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from sympozium_core.contracts.plan import AccessRule
from sympozium_core.errors import Refused
from sympozium_core.planning.identities import MAX_NAMESPACES, identity
from sympozium_core.planning.inputs import RunInputs, SandboxFacts, SkillSource
from sympozium_core.planning.plan import make_plan

PODS = {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list"]}
NODES = {"apiGroups": [""], "resources": ["nodes"], "verbs": ["list"]}
POD_RULE, NODE_RULE = AccessRule(("",), ("pods",), ("get", "list")), AccessRule(("",), ("nodes",), ("list",))

Skill = Callable[..., SkillSource]


def test_a_skill_without_rights_has_no_identity(a_skill: Skill) -> None:
    assert identity(a_skill("docs"), "team") is None
    assert identity(a_skill("tool", {}), "team") is None
    assert identity(a_skill("tool", {"rbac": []}, namespaces="other"), "team") is None


@pytest.mark.parametrize(
    ("sidecar", "parameters", "expected"),
    [
        ({"rbac": [PODS]}, {}, ((POD_RULE,), (), ("team",))),
        ({"clusterRBAC": [NODES]}, {}, ((), (NODE_RULE,), ())),
        ({"rbac": [PODS], "clusterRBAC": [NODES]}, {}, ((POD_RULE,), (NODE_RULE,), ("team",))),
        ({"rbac": [PODS]}, {"namespaces": "payments,orders"}, ((POD_RULE,), (), ("payments", "orders"))),
        ({"rbac": [PODS]}, {"namespaces": " payments , payments,"}, ((POD_RULE,), (), ("payments",))),
        # Narrowed to namespaces, nothing reaches beyond them: not even what is declared for the whole cluster.
        (
            {"clusterRBAC": [NODES, PODS], "rbac": [PODS]},
            {"namespaces": "payments"},
            ((POD_RULE, NODE_RULE), (), ("payments",)),
        ),
        # Narrowed to reading, nothing is left that changes something, or that does more than look.
        ({"rbac": [PODS]}, {"rights": "read"}, ((POD_RULE,), (), ("team",))),
        (
            {
                "rbac": [
                    {"apiGroups": [""], "resources": ["pods", "pods/exec", "pods/log"], "verbs": ["create", "get", "delete"]}
                ]
            },
            {"rights": "read"},
            ((AccessRule(("",), ("pods", "pods/log"), ("get",)),), (), ("team",)),
        ),
        (
            {"rbac": [PODS], "clusterRBAC": [{"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["*"]}]},
            {"rights": "read", "namespaces": "payments"},
            ((POD_RULE, AccessRule(("apps",), ("deployments",), ("get", "list", "watch"))), (), ("payments",)),
        ),
        (
            {"rbac": [PODS, {"apiGroups": [""], "resources": ["pods/exec"], "verbs": ["create"]}]},
            {"rights": "read"},
            ((POD_RULE,), (), ("team",)),
        ),
    ],
)
def test_rights_are_those_declared(a_skill: Skill, sidecar: Any, parameters: Any, expected: Any) -> None:
    found = identity(a_skill("k8s-ops", sidecar, **parameters), "team")
    assert found is not None
    assert (found.rules, found.cluster_rules, found.namespaces) == expected


@pytest.mark.parametrize(
    ("sidecar", "parameters", "fragment"),
    [
        ({"rbac": [{**PODS, "verbs": []}]}, {}, "without verbs (sidecar.rbac[0])"),
        ({"clusterRBAC": [NODES, {"apiGroups": [], "resources": [], "verbs": ["get"]}]}, {}, "apiGroups and resources"),
        ({"rbac": [PODS]}, {"namespaces": ""}, "names no namespace"),
        ({"rbac": [PODS]}, {"namespaces": "*"}, "is no name"),
        ({"rbac": [PODS]}, {"rights": "write"}, "is 'write'"),
        ({"rbac": [{**PODS, "resources": ["*"]}]}, {"rights": "read"}, "declares '*'"),
        ({"rbac": [{**PODS, "resources": ["pods/*"]}]}, {"rights": "read"}, "declares '*'"),
        ({"rbac": [{**PODS, "verbs": ["create"]}]}, {"rights": "read"}, "no right at all"),
        ({"rbac": [PODS]}, {"namespaces": "Payments"}, "such as payments"),
        ({"rbac": [PODS]}, {"namespaces": ",".join(f"n{i}" for i in range(MAX_NAMESPACES + 1))}, "at most"),
    ],
)
def test_what_the_api_would_refuse_is_refused_before(
    inputs: Callable[..., RunInputs], cluster: SandboxFacts, a_skill: Skill, sidecar: Any, parameters: Any, fragment: str
) -> None:
    with pytest.raises(Refused) as refused:
        make_plan(inputs(sandbox=cluster, skills=(a_skill("k8s-ops", sidecar, **parameters),)))
    (cause,) = refused.value.causes
    assert fragment in str(cause)
    assert cause.hint
