"""What the control plane may do: this table is the whole of it, and a change of it is a decision."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from sympozium_core.installation import render, rights
from sympozium_core.installation.roles import ROLES
from tests.installation.conftest import USUAL, of_kind

OBJECTS = render.everything(USUAL)


def granted(kind: str, name: str) -> set[tuple[str, str]]:
    """(verb, resource.group) of a role."""
    rules = of_kind(OBJECTS, kind)[name]["rules"]
    return {
        (verb, f"{resource}.{group}" if group else resource)
        for rule in rules
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


def test_no_wildcards_and_a_reason_for_each() -> None:
    tables = (rights.EVERYWHERE, rights.AT_HOME)
    for right in (right for table in tables for found in table.values() for right in found):
        assert "*" not in (*right.resources, *right.verbs, right.group)
        assert right.why
        assert not right.why.endswith(".")


def test_the_powerful_verbs_are_the_controllers_alone() -> None:
    powerful = {"escalate", "bind", "impersonate", "approve", "use"}
    found = {
        (name, verb)
        for kind in ("ClusterRole", "Role")
        for name in of_kind(OBJECTS, kind)
        if name in ("sympozium-controller", "sympozium-gateway", "sympozium-webhook", "sympozium-bootstrap")
        for verb, _ in granted(kind, name)
        if verb in powerful
    }
    assert found == {("sympozium-controller", "escalate"), ("sympozium-controller", "bind")}


def test_secrets_can_be_listed_at_home_only() -> None:
    everywhere = {
        name: {verb for verb, resource in granted("ClusterRole", name) if resource == "secrets"}
        for name in ("sympozium-controller", "sympozium-gateway", "sympozium-webhook")
    }
    assert everywhere == {
        "sympozium-controller": {"create", "get", "delete"},
        "sympozium-gateway": {"get"},
        "sympozium-webhook": set(),
    }


def test_the_gateway_and_the_webhook_change_nothing() -> None:
    reading = {"get", "list", "watch"}
    assert {verb for verb, _ in granted("ClusterRole", "sympozium-gateway")} <= reading
    assert {(v, r) for v, r in granted("ClusterRole", "sympozium-webhook") if v not in reading} == {
        ("create", "subjectaccessreviews.authorization.k8s.io")
    }


def test_the_controller_makes_no_runs_and_writes_no_policies() -> None:
    ours = {(v, r) for v, r in granted("ClusterRole", "sympozium-controller") if r.endswith("sympozium.ai")}
    writes = {(v, r) for v, r in ours if v not in ("get", "list", "watch")}
    assert writes == {
        ("patch", "agentruns.sympozium.ai"),
        ("delete", "agentruns.sympozium.ai"),
        ("create", "toolapprovals.sympozium.ai"),
        *(
            (verb, f"{kind}/status.sympozium.ai")
            for verb in ("patch", "update")
            for kind in ("agentruns", "sympoziuminstances", "toolapprovals", "mcpservers")
        ),
        ("patch", "skillpacks/status.sympozium.ai"),
        *(("update", f"{kind}/finalizers.sympozium.ai") for kind in ("agentruns", "sympoziuminstances")),
    }


def test_every_binding_has_its_role_and_account(objects: Sequence[dict[str, Any]]) -> None:
    accounts = of_kind(objects, "ServiceAccount")
    for kind, role in (("RoleBinding", "Role"), ("ClusterRoleBinding", "ClusterRole")):
        for binding in of_kind(objects, kind).values():
            assert binding["roleRef"]["name"] in of_kind(objects, role)
            assert binding["roleRef"]["kind"] == role
            assert all(subject["name"] in accounts for subject in binding["subjects"])


@pytest.mark.parametrize(("role", "may", "may_not"), [
    ("view", ("list", "agentruns"), ("create", "agentruns")),
    ("edit", ("create", "agentruns"), ("create", "sympoziumpolicies")),
    ("edit", ("create", "sympoziuminstances"), ("use", "skillpacks")),
    ("admin", ("use", "skillpacks"), ("approve", "toolapprovals")),
    ("approver", ("approve", "toolapprovals"), ("create", "agentruns")),
])  # fmt: skip
def test_roles_for_people(role: str, may: tuple[str, str], may_not: tuple[str, str]) -> None:
    found = {(verb, resource) for right in ROLES[role] for resource in right.resources for verb in right.verbs}
    assert may in found
    assert may_not not in found


def test_who_approves_is_never_chosen_by_a_role_of_kubernetes() -> None:
    labels = {name: role["metadata"]["labels"] for name, role in of_kind(OBJECTS, "ClusterRole").items()}
    aggregated = {name for name, found in labels.items() if any(key.startswith("rbac.authorization") for key in found)}
    assert aggregated == {"sympozium-view", "sympozium-edit", "sympozium-admin"}
