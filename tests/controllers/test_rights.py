"""The objects behind a run's rights; what an API server makes of them is tested on one."""

from __future__ import annotations

from typing import Any

import pytest

from sympozium_core.contracts import builtin_kinds as kinds
from sympozium_core.contracts.plan import AccessRule, Identity
from sympozium_core.controllers.agentrun.rights import objects, owner_secret, run_of
from sympozium_core.planning.identities import account_name
from sympozium_core.reconcile.owner import owner_reference
from sympozium_core.resources import object_names

UID = "6f1c0a52-0000-4000-8000-000000000001"
RUN = {"metadata": {"namespace": "team", "name": "triage.event", "uid": UID}}
PODS, NODES = AccessRule(("",), ("pods",), ("get",), ("one",)), AccessRule(("",), ("nodes",), ("list",))
SECRET = {**owner_secret(RUN), "metadata": {**owner_secret(RUN)["metadata"], "uid": "secret-uid"}}


def made(*rules: AccessRule, cluster: tuple[AccessRule, ...] = (), namespaces: tuple[str, ...] = ("team",)) -> list[Any]:
    owner = owner_reference(kinds.SECRET, SECRET, controller=False, block=False)
    return list(objects(RUN, Identity("k8s-ops", rules, cluster, namespaces), owner))


def test_the_run_owns_the_secret_and_the_secret_the_rest() -> None:
    (owner,) = SECRET["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["uid"], owner["controller"]) == ("AgentRun", UID, True)
    assert "data" not in SECRET
    for kind, obj in made(PODS, cluster=(NODES,)):
        owners = obj["metadata"].get("ownerReferences")
        if kind.namespaced:
            assert [(each["kind"], each["uid"]) for each in owners] == [("Secret", "secret-uid")]
        else:
            assert owners is None, "nothing of a namespace can own what is in none"


def test_what_is_elsewhere_has_no_owner_and_its_label() -> None:
    found = made(PODS, namespaces=("payments", "team"))
    assert [(kind.kind, obj["metadata"]["namespace"]) for kind, obj in found] == [
        ("ServiceAccount", "team"),
        ("Role", "payments"),
        ("RoleBinding", "payments"),
        ("Role", "team"),
        ("RoleBinding", "team"),
    ]
    for _, obj in found:
        assert bool(obj["metadata"].get("ownerReferences")) == (obj["metadata"]["namespace"] == "team")
        assert obj["metadata"]["labels"]["sympozium.ai/agent-run-uid"] == UID
        assert run_of(obj) == ("team", "triage.event")


def test_a_binding_binds_the_runs_own_account_to_the_declared_rules() -> None:
    _, (_, role), (_, binding), (_, wide), (_, wide_binding) = made(PODS, cluster=(NODES,))
    assert role["rules"] == [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"], "resourceNames": ["one"]}]
    assert wide["rules"] == [{"apiGroups": [""], "resources": ["nodes"], "verbs": ["list"]}]
    name = account_name(UID, "k8s-ops")
    for obj, kind in ((binding, "Role"), (wide_binding, "ClusterRole")):
        assert obj["subjects"] == [{"kind": "ServiceAccount", "name": name, "namespace": "team"}]
        assert obj["roleRef"] == {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": name}


@pytest.mark.parametrize(
    "metadata",
    [
        {"name": f"run-{UID}-a"},
        {"name": f"run-{UID}-a", "labels": {"sympozium.ai/agent-run-uid": UID}},
        {
            "name": "somebodys",
            "labels": {"sympozium.ai/agent-run-uid": UID},
            "annotations": {"sympozium.ai/agent-run": "team/x"},
        },
        {
            "name": f"run-{UID}-a",
            "labels": {"sympozium.ai/agent-run-uid": UID},
            "annotations": {"sympozium.ai/agent-run": "../x"},
        },
        {
            "name": f"run-{UID}-a",
            "labels": {"sympozium.ai/agent-run-uid": UID},
            "annotations": {"sympozium.ai/agent-run": "team"},
        },
        {
            "name": f"run-{UID}-a",
            "labels": {"sympozium.ai/agent-run-uid": UID},
            "annotations": {"sympozium.ai/agent-run": "team/"},
        },
        {"name": "run--a", "labels": {"sympozium.ai/agent-run-uid": ""}, "annotations": {"sympozium.ai/agent-run": "team/x"}},
    ],
)
def test_what_is_labelled_by_others_is_not_taken_for_ours(metadata: dict[str, Any]) -> None:
    assert run_of({"metadata": metadata}) is None


@pytest.mark.parametrize("skill", ["a", "k8s-ops", "a.b.event", "x" * 253, "a." * 100 + "a", "-".join("a" * 100)])
def test_names_are_short_and_tell_skills_apart(skill: str) -> None:
    name = account_name(UID, skill)
    assert len(name) <= 63
    assert object_names.subdomain(name) == name
    assert account_name(UID, skill + "y") != name
    assert account_name(UID, skill) == name
