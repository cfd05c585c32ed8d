from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from sympozium_core.contracts.plan import RunPlan, run_plan_from_json, to_json
from sympozium_core.contracts.sandbox import ALL_PROMISES
from sympozium_core.errors import Refused
from sympozium_core.hooks import PlanPatch
from sympozium_core.planning.inputs import RunInputs, SandboxFacts, SkillSource
from sympozium_core.planning.patches import apply_patch
from sympozium_core.planning.plan import make_plan

Make = Callable[..., RunInputs]


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


def test_a_plan_survives_its_json_form(inputs: Make) -> None:
    plan = make_plan(inputs(run={"toolPolicy": {"allow": ["read_file"], "deny": ["write_file"]}}))
    assert run_plan_from_json(json.loads(json.dumps(to_json(plan)))) == plan


@pytest.mark.parametrize(
    ("policy", "native", "servers"),
    [
        ({"template": "Permissive"}, 5, ["shell"]),
        ({"template": "Default"}, 5, []),
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
        ({"lifecycle": {"preRun": [{"name": "a", "image": "b"}]}}, {}, "spec.lifecycle"),
        ({"mode": "server"}, {}, "spec.mode"),
        ({"agentSandbox": {"enabled": True, "runtimeClass": "gvisor"}}, {}, "spec.agentSandbox"),
        ({"env": {"A": "b"}}, {}, "spec.env"),
        ({"model": {"model": "m", "thinking": "high"}}, {}, "spec.model.thinking"),
        ({"imagePullSecrets": [{"name": "a"}]}, {}, "spec.imagePullSecrets"),
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


def test_what_the_sandbox_cannot_promise_is_said(inputs: Make) -> None:
    notes = make_plan(inputs(sandbox=SandboxFacts("process", frozenset()))).notes
    assert any("process does not isolate" in note for note in notes)
    assert make_plan(inputs(sandbox=SandboxFacts("bubblewrap", ALL_PROMISES))).notes == ()


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
