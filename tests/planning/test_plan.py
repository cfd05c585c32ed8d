from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from sympozium_core.contracts.network import network_digest
from sympozium_core.contracts.plan import RunPlan, to_json
from sympozium_core.contracts.plan_reading import run_plan_from_json
from sympozium_core.contracts.sandbox import ALL_PROMISES
from sympozium_core.errors import Refused
from sympozium_core.hooks import PlanPatch
from sympozium_core.planning.inputs import RunInputs, SandboxFacts, SkillSource
from sympozium_core.planning.memory import memory_claim
from sympozium_core.planning.patches import apply_patch
from sympozium_core.planning.plan import make_plan
from sympozium_core.resources import object_names

Make = Callable[..., RunInputs]
SHELL_ON_CLUSTER = SkillSource("shell", {"spec": {"skills": []}}, {}, module="sympozium_skill_shell")


def test_a_plain_run(inputs: Make) -> None:
    plan = make_plan(inputs())
    assert (plan.task, plan.system_prompt) == ("Do it.", "Be brief.")
    assert (plan.model.provider, plan.model.model, plan.model.secret) == ("openai", "gpt-4o", "key")
    assert [container.name for container in plan.pod.containers] == ["bridge", "agent", "skill-shell"]
    assert [server.name for server in plan.servers] == ["shell"]
    assert "read_file" in plan.native_tools
    assert plan.limits.timeout == 600.0
    assert plan.notes == ()


def test_nothing_of_the_run_and_no_secret_is_in_the_pod(inputs: Make) -> None:
    plan = make_plan(inputs(run={"task": "TOP-TASK", "systemPrompt": "TOP-PROMPT"}))
    text = json.dumps(to_json(plan.pod))
    for secret in ("TOP-TASK", "TOP-PROMPT", "key", plan.uid, plan.name):
        assert f'"{secret}"' not in text


def test_equal_inputs_give_equal_plans(inputs: Make) -> None:
    one, other = make_plan(inputs()), make_plan(inputs())
    assert one == other
    assert one.pod.digest == other.pod.digest
    assert one.pod.digest == make_plan(inputs(run={"task": "another"})).pod.digest


def test_a_plain_run_on_a_cluster(inputs: Make, cluster: SandboxFacts) -> None:
    plan = make_plan(inputs(sandbox=cluster))
    pod = plan.pod
    assert (pod.namespace, pod.network, pod.egress, pod.runtime_class) == ("default", "bus", (), "")
    assert (pod.image_pull_secrets, dict(pod.node_selector), pod.memory) == ((), {}, "")
    assert plan.identities == ()
    assert not any(container.kubernetes or container.secret for container in pod.containers)


def test_what_only_a_cluster_has_is_filled_in(inputs: Make, cluster: SandboxFacts) -> None:
    pod = make_plan(
        inputs(
            run={
                "imagePullSecrets": [{"name": "own"}, {"name": "shared"}],
                "model": {"model": "m", "nodeSelector": {"zone": "a"}},
            },
            instance={
                "provider": None,
                "authRefs": [{"provider": "openai", "secret": "key"}],
                "agents": {"default": {"model": "m", "nodeSelector": {"zone": "b", "disk": "fast"}}},
                "imagePullSecrets": [{"name": "shared"}, {"name": "instance"}],
                "memory": {"enabled": True},
            },
            sandbox=cluster,
        )
    ).pod
    assert pod.image_pull_secrets == ("own", "shared", "instance")
    assert dict(pod.node_selector) == {"zone": "a", "disk": "fast"}
    assert pod.memory == "agent-memory"


def test_a_kernel_sandboxs_resources_act_and_its_warm_pool_is_said_not_to(inputs: Make, cluster: SandboxFacts) -> None:
    kernel = {
        "enabled": True,
        "runtimeClass": "gvisor",
        "warmPoolRef": "pool",
        "resources": {"limits": {"cpu": "2", "memory": "1Gi"}},
    }
    plan = make_plan(inputs(run={"agentSandbox": kernel}, sandbox=cluster))
    agent = next(container for container in plan.pod.containers if container.role == "agent")
    assert (agent.resources.cpu, agent.resources.memory) == (2.0, 1 << 30)
    assert any("warm pools" in note for note in plan.notes)


@pytest.mark.parametrize(
    ("memory", "claim"),
    [(None, ""), ({}, "agent-memory"), ({"enabled": True}, "agent-memory"), ({"enabled": False}, "")],
)
def test_a_claim_is_for_instances_with_memory(
    inputs: Make, cluster: SandboxFacts, memory: dict[str, Any] | None, claim: str
) -> None:
    instance = {} if memory is None else {"memory": memory}
    assert make_plan(inputs(instance=instance, sandbox=cluster)).pod.memory == claim
    assert make_plan(inputs(instance=instance)).pod.memory == "", "a runtime without claims"


@pytest.mark.parametrize("name", ["a", "a" * 56, "a" * 57, "a.b-" * 40 + "a"])
def test_a_claims_name_is_a_label_and_an_objects_name(name: str) -> None:
    claim = memory_claim(name)
    assert claim.endswith("-memory")
    assert object_names.label_value(object_names.subdomain(claim)) == claim


def test_the_api_is_reached_only_where_a_skill_that_starts_has_rights(
    inputs: Make, cluster: SandboxFacts, a_skill: Callable[..., SkillSource]
) -> None:
    rights = {"rbac": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]}
    plan = make_plan(inputs(sandbox=cluster, skills=(a_skill("k8s-ops", rights), a_skill("docs"), SHELL_ON_CLUSTER)))
    assert plan.pod.network == "api"
    assert [container.name for container in plan.pod.containers if container.kubernetes] == ["skill-k8s-ops"]
    assert [identity.skill for identity in plan.identities] == ["k8s-ops"]
    assert [server.name for server in plan.servers] == ["k8s-ops", "shell"]
    assert run_plan_from_json(json.loads(json.dumps(to_json(plan)))) == plan


def test_equal_networks_have_equal_profiles(inputs: Make, cluster: SandboxFacts) -> None:
    open_policy = {"networkPolicy": {"allowedEgress": [{"host": "example.com", "port": 443}]}}
    plain = make_plan(inputs(sandbox=cluster)).pod
    one, other = (
        make_plan(inputs(sandbox=cluster, policy=open_policy, addresses={"example.com": addresses})).pod
        for addresses in (("93.184.216.34", "2606:2800:220:1::1"), ("2606:2800:220:1::1", "93.184.216.34"))
    )
    assert network_digest(one) == network_digest(other) != network_digest(plain)
    assert network_digest(plain) == network_digest(make_plan(inputs()).pod)


def test_a_plan_survives_its_json_form(inputs: Make) -> None:
    plan = make_plan(inputs(run={"toolPolicy": {"allow": ["read_file"], "deny": ["write_file"]}}))
    assert run_plan_from_json(json.loads(json.dumps(to_json(plan)))) == plan


@pytest.mark.parametrize(
    ("policy", "native", "servers"),
    [
        ({"template": "Permissive"}, 5, ["shell"]),
        ({"template": "Default"}, 5, ["shell"]),
        ({"template": "Restrictive"}, 0, []),
        ({"featureGates": {"file-access": False}}, 0, ["shell"]),
    ],
)
def test_the_policy_decides_what_is_offered(inputs: Make, policy: dict[str, Any], native: int, servers: list[str]) -> None:
    plan = make_plan(inputs(policy=policy))
    assert len(plan.native_tools) == native
    assert [server.name for server in plan.servers] == servers


def test_the_run_overrides_and_inherits_field_by_field(inputs: Make) -> None:
    plan = make_plan(inputs(run={"model": {"model": "gpt-5"}, "timeout": "90s"}))
    assert (plan.model.provider, plan.model.model, plan.model.secret) == ("openai", "gpt-5", "key")
    assert plan.limits.timeout == 90.0
    other = make_plan(inputs(run={"model": {"provider": "ollama", "model": "llama", "authSecretRef": ""}}))
    assert (other.model.provider, other.model.secret) == ("ollama", "")


def test_what_nobody_asks_for_is_no_more_than_the_policy_allows(inputs: Make) -> None:
    plan = make_plan(inputs(policy={"sandboxPolicy": {"maxCPU": "250m", "maxMemory": "64Mi"}}))
    agent = next(container for container in plan.pod.containers if container.role == "agent")
    assert (agent.resources.cpu, agent.resources.memory) == (0.25, 64 * 1024 * 1024)


def test_skill_parameters_become_environment(inputs: Make) -> None:
    skill = SkillSource(
        "git", {"spec": {"skills": [], "sidecar": {"image": "x"}}}, {"repo": "a/b", "base-branch": "main"}, ("serve",)
    )
    container = make_plan(inputs(skills=(skill,))).pod.containers[-1]
    assert container.env["SKILL_REPO"] == "a/b"
    assert container.env["SKILL_BASE_BRANCH"] == "main"


@pytest.mark.parametrize(
    ("run", "instance", "field"),
    [
        ({"mode": "server"}, {}, "spec.mode"),
        ({"agentSandbox": {"enabled": True, "runtimeClass": "gvisor"}}, {}, "spec.agentSandbox"),
        ({"env": {"A": "b"}}, {}, "spec.env"),
        ({"model": {"model": "m", "thinking": "high"}}, {}, "spec.model.thinking"),
        ({"imagePullSecrets": [{"name": "a"}]}, {}, "spec.imagePullSecrets"),
        ({"model": {"model": "m", "nodeSelector": {"disk": "fast"}}}, {}, "spec.model.nodeSelector"),
    ],
)
def test_a_field_that_cannot_act_here_is_refused(
    inputs: Make, run: dict[str, Any], instance: dict[str, Any], field: str
) -> None:
    with pytest.raises(Refused) as refused:
        make_plan(inputs(run=run, instance=instance))
    assert field in [cause.field for cause in refused.value.causes]
    assert refused.value.reason == "InfrastructureError"


def test_every_fault_is_told_at_once(inputs: Make) -> None:
    image_only = SkillSource("k8s-ops", {"spec": {"skills": [], "sidecar": {"image": "kubectl", "rbac": [{}]}}}, {})
    with pytest.raises(Refused) as refused:
        make_plan(inputs(run={"mode": "server"}, skills=(image_only,), missing=("nowhere",)))
    text = str(refused.value)
    for part in ("nowhere", "k8s-ops", "kubectl", "sidecar.rbac", "server runs"):
        assert part in text


def test_what_a_cluster_has_is_not_refused_there(inputs: Make, cluster: SandboxFacts) -> None:
    asked = {
        "imagePullSecrets": [{"name": "a"}],
        "model": {"model": "m", "nodeSelector": {"disk": "fast"}},
        "agentSandbox": {"enabled": True, "runtimeClass": "gvisor"},
    }
    assert make_plan(inputs(run=asked, sandbox=cluster)).pod.runtime_class == "gvisor"
    with pytest.raises(Refused) as refused:
        make_plan(inputs(run=asked))
    assert len(refused.value.causes) == 3
    for never in ({"env": {"A": "b"}}, {"mode": "server"}):
        with pytest.raises(Refused):
            make_plan(inputs(run=never, sandbox=cluster))


def test_what_the_sandbox_cannot_promise_is_said(inputs: Make) -> None:
    notes = make_plan(inputs(sandbox=SandboxFacts("process", frozenset()))).notes
    assert any("process does not isolate" in note for note in notes)
    assert make_plan(inputs(sandbox=SandboxFacts("bubblewrap", ALL_PROMISES))).notes == ()


def test_permissions_that_nothing_uses_are_said(inputs: Make, cluster: SandboxFacts) -> None:
    generous = {"networkPolicy": {"denyAll": False}, "sandboxPolicy": {"allowHostMounts": True}}
    embedded = make_plan(inputs(policy=generous)).notes
    assert len(embedded) == 2
    assert all("policy p" in note for note in embedded)
    assert "only what allowedEgress lists" in make_plan(inputs(policy=generous, sandbox=cluster)).notes[0]
    listed = {"networkPolicy": {"denyAll": True, "allowedEgress": [{"host": "1.1.1.1"}]}}
    assert "have none" in make_plan(inputs(policy=listed)).notes[0]
    assert make_plan(inputs(policy=listed, sandbox=cluster)).notes == ()
    assert make_plan(inputs(policy={"networkPolicy": {"denyAll": True}})).notes == ()


class TestPatches:
    @pytest.fixture
    def plan(self, inputs: Make) -> RunPlan:
        return make_plan(inputs())

    def test_add_a_section(self, plan: RunPlan) -> None:
        assert apply_patch(plan, PlanPatch(prompt_section="Mind the gap.")).prompt_sections == ("Mind the gap.",)

    def test_tighten_a_limit(self, plan: RunPlan) -> None:
        assert apply_patch(plan, PlanPatch(limits={"max_turns": 3})).limits.max_turns == 3

    @pytest.mark.parametrize("limits", [{"max_turns": 1000}, {"timeout": 1e9}, {"max_turns": 0}, {"nonsense": 1}])
    def test_never_loosen_one(self, plan: RunPlan, limits: dict[str, float]) -> None:
        with pytest.raises(Refused):
            apply_patch(plan, PlanPatch(limits=limits))

    def test_deny_a_tool(self, plan: RunPlan) -> None:
        patched = apply_patch(plan, PlanPatch(deny_tools=("write_*",), because="audit week"))
        assert patched.tools.decide("write_file").because == "audit week"
        assert "write_file" not in patched.native_tools
        assert "read_file" in patched.native_tools

    def test_environment_reaches_sidecars_alone(self, plan: RunPlan) -> None:
        patched = apply_patch(plan, PlanPatch(environment={"PROXY": "x"}))
        assert [container.name for container in patched.pod.containers if "PROXY" in container.env] == ["skill-shell"]
        with pytest.raises(Refused):
            apply_patch(plan, PlanPatch(environment={"SYMPOZIUM_IPC": "/etc"}))

    def test_an_empty_patch_is_none(self, plan: RunPlan) -> None:
        assert apply_patch(plan, PlanPatch()) == replace(plan)
