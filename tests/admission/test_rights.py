"""Nobody gets by way of an object what they may not have themselves. Rights are a table here; the API server's own are in tests/kubernetes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from sympozium_core import names
from sympozium_core.admission.lookup import Access
from sympozium_core.contracts.cluster import Forbidden, Unavailable
from sympozium_core.contracts.sandbox import ALL_FEATURES
from sympozium_core.resources import kinds
from sympozium_core.resources.kinds import AGENT_RUN, MCP_SERVER, PERSONA_PACK, SKILL_PACK, SYMPOZIUM_INSTANCE

GET_KEY = Access("get", "", "secrets", "default", "key")
PODS = {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list"]}
SIDECAR = {"image": "example.com/skill:1"}


def get(secret: str) -> Access:
    return Access("get", "", "secrets", "default", secret)


def use(skill: str, namespace: str = "default") -> Access:
    return Access("use", names.GROUP, "skillpacks", namespace, skill)


def fields(refused: pytest.ExceptionInfo[Forbidden]) -> list[str]:
    return [cause.field for cause in refused.value.causes]


def pack(world: Any, name: str = "ops", namespace: str = "default", **sidecar: Any) -> dict[str, Any]:
    found: dict[str, Any] = world.resource("SkillPack", name, {"skills": [], "sidecar": {**SIDECAR, **sidecar}}, namespace)
    return found


@pytest.mark.parametrize(
    ("kind", "spec", "place"),
    [
        (
            "SympoziumInstance",
            {"provider": {"name": "openai", "model": "m", "apiKeySecret": "key"}},
            "spec.provider.apiKeySecret",
        ),
        (
            "SympoziumInstance",
            {"agents": {"default": {"model": "m"}}, "authRefs": [{"provider": "openai"}, {"provider": "x", "secret": "key"}]},
            "spec.authRefs[1].secret",
        ),
        (
            "SympoziumInstance",
            {"provider": {"model": "m"}, "channels": [{"type": "telegram", "configRef": {"secret": "key"}}]},
            "spec.channels[0].configRef.secret",
        ),
        (
            "SympoziumInstance",
            {
                "provider": {"model": "m"},
                "mcpServers": [{"name": "m", "toolsPrefix": "m", "url": "https://m", "authSecret": "key"}],
            },
            "spec.mcpServers[0].authSecret",
        ),
        (
            "SympoziumInstance",
            {"provider": {"model": "m"}, "observability": {"headersSecretRef": "key"}},
            "spec.observability.headersSecretRef",
        ),
        (
            "SympoziumInstance",
            {"provider": {"model": "m"}, "webEndpoint": {"authSecretRef": "key"}},
            "spec.webEndpoint.authSecretRef",
        ),
        (
            "SympoziumInstance",
            {"provider": {"model": "m"}, "imagePullSecrets": [{"name": "key"}]},
            "spec.imagePullSecrets[0].name",
        ),
        ("PersonaPack", {"personas": [], "authRefs": [{"secret": "key"}]}, "spec.authRefs[0].secret"),
        ("PersonaPack", {"personas": [], "channelConfigs": {"slack": "key"}}, "spec.channelConfigs.slack"),
        ("SkillPack", {"skills": [], "sidecar": {**SIDECAR, "secretRef": "key"}}, "spec.sidecar.secretRef"),
        (
            "MCPServer",
            {"transportType": "stdio", "toolsPrefix": "m", "deployment": {"cmd": "c", "secretRefs": [{"name": "key"}]}},
            "spec.deployment.secretRefs[0].name",
        ),
        (
            "MCPServer",
            {
                "transportType": "http",
                "toolsPrefix": "m",
                "url": "https://example.com",
                "headers": [{"name": "X-Key", "valueFrom": {"secretKeyRef": {"name": "key", "key": "token"}}}],
            },
            "spec.headers[0].valueFrom.secretKeyRef.name",
        ),
    ],
)
async def test_who_refers_to_a_secret_must_be_allowed_to_get_it(
    world: Any, kind: str, spec: dict[str, Any], place: str
) -> None:
    found, obj = kinds.find(kind), world.resource(kind, "one", spec)
    world.rights.only()
    with pytest.raises(Forbidden) as refused:
        await world.alice.create(found, obj)
    assert fields(refused) == [place]
    assert "'alice' may not get Secret 'key' in namespace 'default'" in str(refused.value)
    world.rights.only(GET_KEY)
    await world.alice.create(found, obj)
    await world.controller.create(found, {**obj, "metadata": {"name": "copy", "namespace": "default"}})


async def test_every_reference_is_named_at_once(world: Any) -> None:
    world.rights.only()
    with pytest.raises(Forbidden) as refused:
        await world.instance(
            provider={"name": "openai", "model": "m", "apiKeySecret": "one"},
            channels=[{"type": "slack", "configRef": {"secret": "two"}}],
            webEndpoint={"authSecretRef": "three"},
        )
    assert len(refused.value.causes) == 3
    for secret in ("one", "two", "three"):
        assert repr(secret) in str(refused.value)


async def test_what_was_there_before_is_not_asked_about_again(world: Any) -> None:
    await world.instance(provider={"name": "openai", "model": "m", "apiKeySecret": "key"})
    world.rights.only()
    world.rights.asked.clear()
    change = {"spec": {"systemPrompt": "Be brief.", "provider": {"model": "other"}}}
    await world.alice.patch(SYMPOZIUM_INSTANCE, "default", "agent", change)
    assert world.rights.asked == []


@pytest.mark.parametrize("change", [{"baseURL": "http://evil.example.com"}, {"name": "ollama"}, {"apiKeySecret": "other"}])
async def test_sending_an_old_key_to_a_new_address_is_a_new_reference(world: Any, change: dict[str, str]) -> None:
    await world.instance(provider={"name": "openai", "model": "m", "apiKeySecret": "key"})
    world.rights.only()
    with pytest.raises(Forbidden, match="may not get Secret"):
        await world.alice.patch(SYMPOZIUM_INSTANCE, "default", "agent", {"spec": {"provider": change}})


async def test_another_program_beside_an_old_secret_is_a_new_reference(world: Any) -> None:
    await world.alice.create(SKILL_PACK, pack(world, secretRef="key"))
    world.rights.only()
    with pytest.raises(Forbidden, match="may not get Secret 'key'"):
        await world.alice.patch(SKILL_PACK, "default", "ops", {"spec": {"sidecar": {"image": "evil.example.com/skill:1"}}})
    await world.alice.patch(SKILL_PACK, "default", "ops", {"spec": {"skills": [{"name": "a", "content": "b"}]}})


@pytest.mark.parametrize(
    ("model", "secret"),
    [
        ({"model": "gpt-4o-mini"}, None),
        ({"model": "m", "provider": "ollama", "authSecretRef": ""}, None),
        ({"model": "m", "authSecretRef": "other"}, "other"),
        ({"model": "m", "provider": "openai", "authSecretRef": "key"}, None),
        ({"model": "m", "baseURL": "http://evil.example.com"}, "key"),
        ({"model": "m", "provider": "openai", "authSecretRef": "", "baseURL": "http://evil.example.com"}, "key"),
    ],
)
async def test_a_run_may_use_its_agents_key_and_not_send_it_elsewhere(
    world: Any, model: dict[str, str], secret: str | None
) -> None:
    await world.instance(provider={"name": "openai", "model": "m", "apiKeySecret": "key"})
    world.rights.only()
    if secret is None:
        await world.run(model=model)
        return
    with pytest.raises(Forbidden, match=f"may not get Secret '{secret}'"):
        await world.run(model=model)
    world.rights.only(get(secret))
    await world.run(model=model)


@pytest.mark.parametrize("field", ["rbac", "clusterRBAC"])
async def test_who_declares_rights_must_hold_each_of_them(world: Any, field: str) -> None:
    declared: dict[str, Any] = {field: [PODS, {"apiGroups": ["apps"], "resources": ["deployments/scale"], "verbs": ["update"]}]}
    obj = pack(world, **declared)
    where = "" if field == "clusterRBAC" else "default"
    world.rights.only(Access("get", "", "pods", where))
    with pytest.raises(Forbidden) as refused:
        await world.alice.create(SKILL_PACK, obj)
    assert fields(refused) == [f"spec.sidecar.{field}"]
    assert "does not hold" in str(refused.value)
    assert "list pods, update deployments/scale.apps" in str(refused.value)
    assert ("the whole cluster" if field == "clusterRBAC" else "namespace 'default'") in str(refused.value)
    world.rights.only(
        Access("get", "", "pods", where),
        Access("list", "", "pods", where),
        Access("update", "apps", "deployments/scale", where),
    )
    await world.alice.create(SKILL_PACK, obj)


@pytest.mark.parametrize(
    "granted",
    [
        Access("*", "*", "*", "default"),
        Access("escalate", "rbac.authorization.k8s.io", "roles", "default"),
        Access("*", "", "pods", "default"),
    ],
)
async def test_more_than_is_declared_is_enough(world: Any, granted: Access) -> None:
    world.rights.only(granted)
    await world.alice.create(SKILL_PACK, pack(world, rbac=[PODS]))


async def test_all_verbs_are_held_by_who_holds_all_verbs_and_by_nobody_else(world: Any) -> None:
    world.rights.only(*(Access(verb, "", "pods", "default") for verb in ("get", "list", "watch", "create", "delete")))
    with pytest.raises(Forbidden, match=r"does not hold in namespace 'default': \* pods"):
        await world.alice.create(SKILL_PACK, pack(world, rbac=[{**PODS, "verbs": ["*"]}]))


async def test_rights_of_a_pack_of_the_system_are_held_everywhere_or_not(world: Any) -> None:
    obj = pack(world, namespace=names.SYSTEM_NAMESPACE, rbac=[PODS])
    world.rights.only(Access("*", "", "pods", names.SYSTEM_NAMESPACE))
    with pytest.raises(Forbidden, match="the whole cluster"):
        await world.alice.create(SKILL_PACK, obj)
    world.rights.only(Access("*", "", "pods"))
    await world.alice.create(SKILL_PACK, obj)


async def test_rights_are_asked_about_when_they_or_their_program_change(world: Any) -> None:
    await world.alice.create(SKILL_PACK, pack(world, rbac=[PODS]))
    world.rights.only()
    for sidecar in ({"image": "evil.example.com/skill:1"}, {"rbac": [{**PODS, "verbs": ["delete"]}]}, {"command": ["sh"]}):
        with pytest.raises(Forbidden, match="does not hold"):
            await world.alice.patch(SKILL_PACK, "default", "ops", {"spec": {"sidecar": sidecar}})
    await world.alice.patch(SKILL_PACK, "default", "ops", {"spec": {"category": "other"}})


async def test_too_many_rights_are_refused_rather_than_asked_about_for_ever(world: Any) -> None:
    world.rights.only()
    rule = {"apiGroups": [""], "resources": [f"r{n}" for n in range(600)], "verbs": ["get"]}
    with pytest.raises(Forbidden, match="600 single rights"):
        await world.alice.create(SKILL_PACK, pack(world, rbac=[rule]))
    many = [f"r{n}" for n in range(5000)]
    with pytest.raises(Forbidden, match="125000000000 single rights"):
        await world.alice.create(SKILL_PACK, pack(world, rbac=[{"apiGroups": many, "resources": many, "verbs": many}]))
    assert world.rights.asked == []


async def test_many_lists_of_rights_are_too_many_together(world: Any) -> None:
    world.rights.only()
    personas = [
        {
            "name": f"p{number}",
            "systemPrompt": "x",
            "lifecycle": {"rbac": [{"apiGroups": [""], "resources": [f"r{number}x{n}" for n in range(400)], "verbs": ["get"]}]},
        }
        for number in range(6)
    ]
    with pytest.raises(Forbidden, match="than can be asked about"):
        await world.alice.create(PERSONA_PACK, world.resource("PersonaPack", "team", {"personas": personas}))


@pytest.mark.parametrize(
    "sidecar", [{"rbac": [PODS]}, {"clusterRBAC": [PODS]}, {"secretRef": "key"}, {"hostAccess": {"enabled": True}}]
)
@pytest.mark.parametrize("kind", ["SympoziumInstance", "AgentRun", "PersonaPack"])
async def test_who_attaches_a_pack_with_rights_needs_the_verb_use(world: Any, kind: str, sidecar: dict[str, Any]) -> None:
    await world.alice.create(SKILL_PACK, pack(world, **sidecar))
    await world.instance()
    obj = {
        "SympoziumInstance": world.resource(kind, "other", {"provider": {"model": "m"}, "skills": ["ops"]}),
        "AgentRun": world.run_object(skills=["ops"]),
        "PersonaPack": world.resource(kind, "team", {"personas": [{"name": "a", "systemPrompt": "b", "skills": ["ops"]}]}),
    }[kind]
    world.rights.only()
    with pytest.raises(Forbidden) as refused:
        await world.alice.create(kinds.find(kind), obj)
    assert fields(refused) == ["spec.personas[0].skills[0]" if kind == "PersonaPack" else "spec.skills[0]"]
    assert "'alice' may not use SkillPack 'ops' of namespace 'default'" in str(refused.value)
    world.rights.only(use("ops"))
    await world.alice.create(kinds.find(kind), obj)


async def test_a_pack_without_rights_is_for_everybody(world: Any) -> None:
    await world.alice.create(SKILL_PACK, pack(world))
    world.rights.only()
    await world.instance(skills=["ops"])


async def test_a_run_inherits_what_its_agent_attaches_and_asks_for_what_is_different(world: Any) -> None:
    await world.alice.create(SKILL_PACK, pack(world, rbac=[PODS]))
    await world.instance(skills=["ops"], skillConfig={"ops": {"repo": "a"}})
    world.rights.only()
    await world.run()
    again = world.run_object(skills=[{"skillPackRef": "ops", "params": {"repo": "a"}}])
    again["metadata"]["name"] = "again"
    await world.alice.create(AGENT_RUN, again)
    other = world.run_object(skills=[{"skillPackRef": "ops", "params": {"repo": "b"}}])
    other["metadata"]["name"] = "other"
    with pytest.raises(Forbidden, match="may not use SkillPack"):
        await world.alice.create(AGENT_RUN, other)


async def test_a_pack_of_the_system_is_used_there_and_its_secret_is_read_here(world: Any) -> None:
    await world.alice.create(SKILL_PACK, pack(world, namespace=names.SYSTEM_NAMESPACE, secretRef="key"))
    world.rights.only(use("ops"))
    with pytest.raises(Forbidden) as refused:
        await world.instance(skills=["ops"])
    assert len(refused.value.causes) == 2
    assert "of namespace 'sympozium-system'" in str(refused.value)
    assert "may not get Secret 'key' in namespace 'default'" in str(refused.value)
    world.rights.only(use("ops", names.SYSTEM_NAMESPACE), GET_KEY)
    await world.instance(skills=["ops"])


async def test_rights_in_other_namespaces_by_a_parameter_are_the_writers_own(world: Any) -> None:
    await world.alice.create(SKILL_PACK, pack(world, rbac=[PODS]))
    spec = {"skills": ["ops"], "skillConfig": {"ops": {"namespaces": ["default", "payments"]}}}
    world.rights.only(use("ops"))
    with pytest.raises(Forbidden, match="does not hold in namespace 'payments': get pods, list pods"):
        await world.instance(**spec)
    world.rights.only(use("ops"), Access("*", "", "pods", "payments"))
    await world.instance(**spec)


async def test_the_shell_that_everybody_gets_has_no_rights(world: Any) -> None:
    with pytest.raises(Forbidden, match="attached to runs that do not name it"):
        await world.alice.create(SKILL_PACK, pack(world, name="shell", rbac=[PODS]))
    await world.alice.create(SKILL_PACK, pack(world, name="shell"))


async def test_rights_of_lifecycle_hooks_are_held_too(world: Any) -> None:
    world.rights.only()
    hooks = {"preRun": [], "rbac": [PODS]}
    with pytest.raises(Forbidden, match="does not hold") as refused:
        await world.alice.create(
            PERSONA_PACK,
            world.resource("PersonaPack", "team", {"personas": [{"name": "a", "systemPrompt": "b", "lifecycle": hooks}]}),
        )
    assert fields(refused) == ["spec.personas[0].lifecycle.rbac"]


async def test_an_unreachable_api_server_refuses(world: Any) -> None:
    async def broken(user: Any, access: Access) -> bool:
        raise Unavailable("the API server is away")

    world.rights.may = broken
    with pytest.raises(Unavailable):
        await world.instance(provider={"name": "openai", "model": "m", "apiKeySecret": "key"})


async def test_more_references_than_can_be_asked_about_are_refused(world: Any) -> None:
    world.rights.only()
    deployment = {"cmd": "c", "secretRefs": [{"name": f"s{n}"} for n in range(300)]}
    spec = {"transportType": "stdio", "toolsPrefix": "m", "deployment": deployment}
    with pytest.raises(Forbidden, match="than can be asked about"):
        await world.alice.create(MCP_SERVER, world.resource("MCPServer", "m", spec))
    assert world.rights.asked == []


async def test_who_has_a_server_run_as_an_account_must_be_allowed_to_create_pods(world: Any) -> None:
    world.facts = replace(world.facts, features=ALL_FEATURES)
    deployment = {"image": "i", "serviceAccountName": "reader"}
    obj = world.resource("MCPServer", "m", {"transportType": "http", "toolsPrefix": "m", "deployment": deployment})
    world.rights.only()
    with pytest.raises(Forbidden, match="may not create pods in namespace 'default'") as refused:
        await world.alice.create(MCP_SERVER, obj)
    assert fields(refused) == ["spec.deployment.serviceAccountName"]
    world.rights.only(Access("create", "", "pods", "default"))
    await world.alice.create(MCP_SERVER, obj)
    world.rights.only()
    with pytest.raises(Forbidden):
        await world.alice.patch(MCP_SERVER, "default", "m", {"spec": {"deployment": {"image": "another"}}})
    await world.alice.patch(MCP_SERVER, "default", "m", {"spec": {"toolsPrefix": "n"}})


@pytest.mark.parametrize("change", [{"url": "https://evil.example.com/mcp"}, {"headers": [{"name": "X-Other"}]}])
async def test_a_header_with_a_secret_counts_with_where_it_goes(world: Any, change: dict[str, Any]) -> None:
    source = {"valueFrom": {"secretKeyRef": {"name": "key", "key": "token"}}}
    spec = {
        "transportType": "http",
        "toolsPrefix": "m",
        "url": "https://example.com/mcp",
        "headers": [{"name": "X-Key", **source}],
    }
    world.rights.only(GET_KEY)
    await world.alice.create(MCP_SERVER, world.resource("MCPServer", "m", spec))
    world.rights.only()
    if "headers" in change:
        change = {"headers": [{**change["headers"][0], **source}]}
    with pytest.raises(Forbidden, match="may not get Secret 'key'"):
        await world.alice.patch(MCP_SERVER, "default", "m", {"spec": change})
    await world.alice.patch(MCP_SERVER, "default", "m", {"spec": {"suspended": True}})


@pytest.mark.parametrize(
    ("features", "deployment", "more", "field"),
    [
        (ALL_FEATURES, {"cmd": "serve"}, {}, "spec.deployment.image"),
        (frozenset(), {"image": "i"}, {}, "spec.deployment.cmd"),
        (frozenset(), {"cmd": "c", "serviceAccountName": "a"}, {}, "spec.deployment.serviceAccountName"),
        (frozenset(), {"cmd": "c", "resources": {"limits": {"cpu": "1"}}}, {}, "spec.deployment.resources"),
        (frozenset(), {"cmd": "c"}, {"replicas": 2}, "spec.replicas"),
    ],
)
async def test_a_server_that_cannot_be_run_here_is_refused(
    world: Any, features: Any, deployment: dict[str, Any], more: dict[str, Any], field: str
) -> None:
    world.facts = replace(world.facts, features=features)
    spec = {"transportType": "http", "toolsPrefix": "m", "deployment": deployment, **more}
    with pytest.raises(Forbidden) as refused:
        await world.alice.create(MCP_SERVER, world.resource("MCPServer", "m", spec))
    assert fields(refused) == [field]
