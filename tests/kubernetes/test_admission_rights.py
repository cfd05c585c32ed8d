"""Who may write which reference, with two real users and the API server's own answers."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Iterator
from typing import Any

import pytest

from sympozium_core import names
from sympozium_core.admission.lookup import Access
from sympozium_core.admission.references import DeclaredRights, References
from sympozium_core.admission.rights import Writer, review
from sympozium_core.cluster.client import ClusterClient
from sympozium_core.contracts.builtin_kinds import ROLE
from sympozium_core.contracts.cluster import Forbidden, User
from sympozium_core.processes.rights import AccessReviews
from tests.kubernetes.admission import (
    ALICE,
    BOB,
    GUARDED,
    REVIEWED,
    Webhook,
    instance,
    patch,
    refused,
    resource,
    run,
    served_webhook,
    tenants,
    write,
)
from tests.kubernetes.kubectl import Kubectl, eventually
from tests.kubernetes.machine.layout import Layout

PODS = {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list"]}
KEYED = {"provider": {"name": "openai", "model": "gpt-4o", "apiKeySecret": "key"}, "policy": "permissive"}


@pytest.fixture(scope="module")
def webhook(kubectl: Kubectl, cluster: Layout, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Webhook]:
    """`cluster`: the API server is beside this process, so that it can reach it."""
    with served_webhook(kubectl, tmp_path_factory.mktemp("webhook")) as served:
        yield served


@pytest.fixture
def tenant(kubectl: Kubectl, webhook: Webhook) -> Iterator[Kubectl]:
    with tenants(kubectl, webhook) as make:
        yield make(REVIEWED, GUARDED)


def grant(tenant: Kubectl, user: str, verbs: str, resources: str, *, group: str = "", named: str = "") -> None:
    """Verbs and resources with commas; `named`: of that name only."""
    name = f"grant-{next(NUMBERS)}"
    rule = {"apiGroups": [group], "resources": resources.split(","), "verbs": verbs.split(",")}
    role = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": name}}
    tenant.apply({**role, "rules": [{**rule, "resourceNames": [named]} if named else rule]})
    tenant("create", "rolebinding", name, f"--role={name}", f"--user={user}")


NUMBERS = itertools.count()


def pack(name: str = "ops", **sidecar: Any) -> dict[str, Any]:
    return resource("SkillPack", name, {"skills": [], "sidecar": {"image": "example.com/ops:1", **sidecar}})


def soon(tenant: Kubectl, obj: dict[str, Any], user: str) -> None:
    """An authorizer follows its rules a moment behind."""
    eventually(lambda: tenant.call("apply", "-f", "-", user, stdin=json.dumps(obj)).returncode == 0, f"{user} may write it")


def test_a_secret_is_only_referred_to_by_who_may_get_it(tenant: Kubectl) -> None:
    tenant("create", "secret", "generic", "key", "--from-literal=apiKey=sk-1")
    grant(tenant, "bob", "get", "secrets", named="key")
    said = refused(tenant, resource("SympoziumInstance", "agent", KEYED), ALICE)
    assert "spec.provider.apiKeySecret: 'alice' may not get Secret 'key'" in said
    soon(tenant, resource("SympoziumInstance", "agent", KEYED), BOB)
    # Who may edit the agent may not send its key elsewhere, and may change everything else.
    evil = {"spec": {"provider": {"baseURL": "https://evil.example.com"}}}
    assert "may not get Secret 'key'" in tenant.refused(*patch("sympoziuminstance", "agent", evil, ALICE))
    tenant(*patch("sympoziuminstance", "agent", {"spec": {"systemPrompt": "Be brief."}}, ALICE))
    # Nor may who runs it.
    write(tenant, run("own"), ALICE)
    assert "may not get Secret 'key'" in refused(
        tenant, run("evil", model={"model": "m", "baseURL": "https://evil.example.com"}), ALICE
    )
    assert "may not get Secret 'other'" in refused(tenant, run("other", model={"model": "m", "authSecretRef": "other"}), ALICE)


def test_rights_are_only_declared_by_who_holds_them(tenant: Kubectl) -> None:
    """Without the right to create Roles: holding them is enough."""
    grant(tenant, "bob", "get,list", "pods")
    said = refused(tenant, pack(rbac=[PODS]), ALICE)
    assert "spec.sidecar.rbac: grants rights that 'alice' does not hold" in said
    assert "get pods, list pods" in said
    soon(tenant, pack(rbac=[PODS]), BOB)
    assert "list nodes" in refused(tenant, pack(rbac=[PODS, {**PODS, "resources": ["nodes"], "verbs": ["list"]}]), BOB)
    assert "in the whole cluster: get pods" in refused(tenant, pack("wide", clusterRBAC=[PODS]), BOB)
    evil = {"spec": {"sidecar": {"image": "evil.example.com/ops:1"}}}
    assert "does not hold" in tenant.refused(*patch("skillpack", "ops", evil, ALICE))
    tenant(*patch("skillpack", "ops", {"spec": {"category": "operations"}}, ALICE))


def test_a_pack_with_rights_is_only_attached_by_who_may_use_it(tenant: Kubectl) -> None:
    write(tenant, pack(rbac=[PODS]))
    grant(tenant, "bob", "use", "skillpacks", group=names.GROUP, named="ops")
    agent = instance(skills=["ops"])
    assert "spec.skills[0]: 'alice' may not use SkillPack 'ops'" in refused(tenant, agent, ALICE)
    soon(tenant, agent, BOB)
    tenant(*patch("sympoziuminstance", "agent", {"spec": {"systemPrompt": "Be brief."}}, ALICE))
    write(tenant, run("inherits"), ALICE)
    write(tenant, instance("plain"))
    assert "may not use SkillPack 'ops'" in refused(tenant, run("attaches", instanceRef="plain", skills=["ops"]), ALICE)
    team = {"personas": [{"name": "a", "systemPrompt": "b", "skills": ["ops"]}]}
    assert "spec.personas[0].skills[0]" in refused(tenant, resource("PersonaPack", "team", team), ALICE)
    write(tenant, run("may", instanceRef="plain", skills=["ops"]), BOB)
    assert "namespace 'kube-system': get pods" in refused(
        tenant, run("further", instanceRef="plain", skills=["ops"], skillConfig={"ops": {"namespaces": ["kube-system"]}}), BOB
    )


def test_everything_that_is_wrong_is_said_together(tenant: Kubectl) -> None:
    write(tenant, pack(rbac=[PODS]))
    spec = {**KEYED, "skills": ["ops"], "channels": [{"type": "slack", "configRef": {"secret": "slack"}}]}
    said = refused(tenant, resource("SympoziumInstance", "agent", spec), ALICE)
    for words in ("Secret 'key'", "Secret 'slack'", "may not use SkillPack 'ops'"):
        assert words in said


RULES: dict[str, list[dict[str, Any]]] = {
    "held": [PODS],
    "one of two": [{**PODS, "verbs": ["get", "delete"]}],
    "a subresource that is held": [{**PODS, "resources": ["pods/log"], "verbs": ["get"]}],
    "a subresource that is not": [{**PODS, "resources": ["pods/exec"], "verbs": ["create"]}],
    "every verb": [{**PODS, "verbs": ["*"]}],
    "every resource": [{**PODS, "resources": ["*"]}],
    "every subresource": [{**PODS, "resources": ["*/log"]}],
    "another group": [{**PODS, "apiGroups": ["apps"]}],
    "every group": [{**PODS, "apiGroups": ["*"]}],
    "of all groups, what is held there": [{"apiGroups": ["batch"], "resources": ["jobs", "cronjobs"], "verbs": ["*"]}],
    "a name only": [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get"]}],
    "several rules": [PODS, {"apiGroups": ["batch"], "resources": ["jobs"], "verbs": ["create", "get"]}],
    "several, one not held": [PODS, {"apiGroups": ["batch"], "resources": ["jobs/status"], "verbs": ["get"]}],
}


async def test_holding_is_what_the_api_server_takes_for_holding(kubectl: Kubectl, tenant: Kubectl) -> None:
    """Each list of rules, declared in a SkillPack and granted in a Role: our answer is that of the API server's escalation check.

    For users that hold some of it, hold all of it, may escalate, or are masters; all of them may create Roles, or there were no other answer.
    """
    users = [User("some"), User("most"), User("escalates"), User("nobody"), User("root", ("system:masters",))]
    grant(tenant, "some", "get,list", "pods,pods/log")
    grant(tenant, "most", "get,list", "pods,pods/log")
    grant(tenant, "most", "*", "*", group="batch")
    grant(tenant, "most", "get", "configmaps", named="one")
    grant(tenant, "escalates", "escalate", "roles", group=ROLE.group)
    for user in users:  # last: whoever may do this has all the rest
        grant(tenant, user.name, "create", "roles", group=ROLE.group)
    client = ClusterClient.from_kubeconfig(kubectl.kubeconfig)
    rights = AccessReviews(client)
    try:
        for user in users:
            async with asyncio.timeout(30):  # an authorizer follows its rules a moment behind
                while not await rights.may(user, Access("create", ROLE.group, ROLE.plural, tenant.namespace)):  # noqa: ASYNC110
                    await asyncio.sleep(0.1)
        answers: dict[tuple[str, str], tuple[bool, bool]] = {}
        for user, (name, rules) in itertools.product(users, RULES.items()):
            ours = not await _missing(rights, user, tenant.namespace, rules)
            answers[user.name, name] = ours, await _escalation_check(client, user, tenant.namespace, rules)
    finally:
        await client.close()
    assert {key: found for key, found in answers.items() if found[0] is not found[1]} == {}
    assert len(set(answers.values())) == 2  # both answers were seen


async def _missing(rights: AccessReviews, user: User, namespace: str, rules: list[dict[str, Any]]) -> list[Any]:
    lookup: Any = None  # nothing is attached, so nothing is looked up
    declared = DeclaredRights(json.dumps(rules), False, "", ("spec",))
    return await review(Writer(user, namespace, rights, str), lookup, References(rights=(declared,)))


async def _escalation_check(client: ClusterClient, user: User, namespace: str, rules: list[dict[str, Any]]) -> bool:
    as_user = client.impersonating(user.name, [*user.groups, "system:authenticated"])
    try:
        await as_user.create(ROLE, {"metadata": {"name": "probe", "namespace": namespace}, "rules": rules}, dry_run=True)
    except Forbidden as error:
        if "attempting to grant RBAC permissions not currently held" not in str(error):
            raise
        return False
    return True
