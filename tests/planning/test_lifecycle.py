"""Which hooks a run has, which cannot be, and what becomes of each."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sympozium_core.contracts.plan import AccessRule, RunPlan, to_json
from sympozium_core.contracts.plan_reading import run_plan_from_json
from sympozium_core.contracts.sandbox import ALL_PROMISES
from sympozium_core.planning.inputs import RunInputs, SandboxFacts
from sympozium_core.planning.lifecycle import MAX_HOOKS
from sympozium_core.planning.mandatory import both
from sympozium_core.planning.plan import make_plan
from sympozium_core.planning.policy import effective_policy
from sympozium_core.planning.review import review_run

UID = "00000000-0000-0000-0000-000000000001"
LOCAL = SandboxFacts("bubblewrap", ALL_PROMISES)
LOOK = {"name": "look", "image": "ghcr.io/acme/look:1", "command": ["sh", "-c"], "args": ["ls"], "timeout": "90s"}
TIDY = {"name": "tidy", "image": "ghcr.io/acme/tidy:1", "command": ["tidy"], "env": [{"name": "DEPTH", "value": "2"}]}
PODS = {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list"]}


def of_instance(lifecycle: dict[str, Any]) -> dict[str, Any]:
    default = {"model": "gpt-4o", "lifecycle": lifecycle}
    return {"provider": None, "authRefs": [{"provider": "openai", "secret": "key"}], "agents": {"default": default}}


def reviewed(given: RunInputs) -> list[str]:
    return [str(cause) for cause in review_run(given.run, given.instance, given.policy, given.sandbox)]


def test_a_run_has_its_own_hooks_or_its_instances(inputs: Any) -> None:
    instance = of_instance({"preRun": [LOOK], "postRun": [TIDY]})
    inherited = make_plan(inputs(instance=instance))
    assert [(hook.name, hook.phase, hook.timeout) for hook in inherited.hooks] == [
        ("look", "preRun", 90.0),
        ("tidy", "postRun", 300.0),
    ]
    own = make_plan(inputs(instance=instance, run={"lifecycle": {"postRun": [TIDY]}}))
    assert [(hook.name, hook.phase) for hook in own.hooks] == [("tidy", "postRun")], "replaced whole"
    assert make_plan(inputs(instance=instance, run={"lifecycle": {}})).hooks == ()


def test_a_hook_on_this_machine(inputs: Any) -> None:
    plan: RunPlan = make_plan(inputs(run={"lifecycle": {"preRun": [LOOK], "postRun": [TIDY]}}))
    (container,) = plan.hooks[0].pod.containers
    assert (container.role, container.command, container.args, container.image) == ("hook", ("sh", "-c"), ("ls",), "")
    assert (container.workspace, container.kubernetes, container.skills) == (True, False, False)
    assert dict(plan.hooks[1].pod.containers[0].env) == {
        "DEPTH": "2",
        "AGENT_RUN_ID": UID,
        "AGENT_RUN_NAME": "run",
        "AGENT_NAMESPACE": "default",
        "INSTANCE_NAME": "agent",
        "HOOK_NAME": "tidy",
        "HOOK_PHASE": "postRun",
    }
    assert plan.hook_identity is None
    assert plan.pod.workspace_claim == "", "handed from pod to pod"
    assert any("ghcr.io/acme/look:1" in note and "not used" in note for note in plan.notes)
    assert run_plan_from_json(json.loads(json.dumps(to_json(plan)))) == plan


def test_hooks_on_a_cluster_have_rights_of_their_own_and_the_agent_has_not(inputs: Any, cluster: SandboxFacts) -> None:
    plan: RunPlan = make_plan(inputs(run={"lifecycle": {"preRun": [LOOK], "rbac": [PODS]}}, sandbox=cluster))
    (hook,) = plan.hooks
    (container,) = hook.pod.containers
    assert (container.image, container.kubernetes) == ("ghcr.io/acme/look:1", True)
    assert (hook.pod.network, hook.pod.egress, hook.pod.memory) == ("api-only", (), "")
    assert hook.pod.account == f"run-{UID}--hooks"
    assert hook.pod.workspace_claim == plan.pod.workspace_claim == f"run-{UID}"
    assert plan.hook_identity is not None
    assert plan.hook_identity.rules == (AccessRule(("",), ("pods",), ("get", "list")),)
    assert plan.hook_identity.namespaces == ("default",)
    assert (plan.pod.network, plan.pod.account, plan.identities) == ("bus", "", ())
    assert not any(each.kubernetes for each in plan.pod.containers)
    assert run_plan_from_json(json.loads(json.dumps(to_json(plan)))) == plan


def test_a_hook_without_rights_reaches_nothing(inputs: Any, cluster: SandboxFacts) -> None:
    plan: RunPlan = make_plan(inputs(run={"lifecycle": {"preRun": [LOOK]}}, sandbox=cluster))
    (hook,) = plan.hooks
    assert (hook.pod.network, hook.pod.account, hook.pod.containers[0].kubernetes) == ("none", "", False)


def test_a_run_without_hooks_is_as_it_was(inputs: Any, cluster: SandboxFacts) -> None:
    plan: RunPlan = make_plan(inputs(sandbox=cluster))
    assert (plan.hooks, plan.hook_identity, plan.pod.workspace_claim) == ((), None, "")


def test_hooks_are_kept_within_what_a_policy_lets_a_run_have(inputs: Any) -> None:
    plan: RunPlan = make_plan(
        inputs(run={"lifecycle": {"preRun": [LOOK]}}, policy={"sandboxPolicy": {"maxMemory": "64Mi", "maxCPU": "250m"}})
    )
    resources = plan.hooks[0].pod.containers[0].resources
    assert (resources.memory, resources.cpu) == (64 * 1024 * 1024, 0.25)


@pytest.mark.parametrize(
    ("lifecycle", "field", "says"),
    [
        ({"preRun": [{"name": "a", "image": "b:1"}]}, "preRun[0].command", "only an image, and sandbox 'bubblewrap' runs none"),
        ({"preRun": [LOOK, LOOK]}, "preRun[1].name", "'look' is the name of two hooks"),
        ({"postRun": [{**LOOK, "name": f"h{n}"} for n in range(MAX_HOOKS + 1)]}, "postRun", f"has {MAX_HOOKS + 1} hooks"),
        ({"preRun": [LOOK], "rbac": [PODS]}, "rbac", "sandbox 'bubblewrap' has no Kubernetes identities"),
        *(
            ({"preRun": [{**LOOK, "env": [{"name": name, "value": "x"}]}]}, "preRun[0].env[0].name", "Sympozium's own")
            for name in ("AGENT_RUN_ID", "AGENT_RESULT", "HOOK_PHASE", "SYMPOZIUM_POD")
        ),
    ],
)
def test_what_cannot_be_is_refused(inputs: Any, lifecycle: dict[str, Any], field: str, says: str) -> None:
    (own,) = reviewed(inputs(run={"lifecycle": lifecycle}))
    assert own.startswith(f"spec.lifecycle.{field}: ")
    assert says in own
    (inherited,) = reviewed(inputs(instance=of_instance(lifecycle)))
    assert inherited.startswith(f"the instance's agents.default.lifecycle.{field}: ")


def test_a_rule_of_rights_is_whole(inputs: Any, cluster: SandboxFacts) -> None:
    rule = {"apiGroups": [""], "resources": [], "verbs": []}
    (cause,) = reviewed(inputs(run={"lifecycle": {"preRun": [LOOK], "rbac": [rule]}}, sandbox=cluster))
    assert cause.startswith("spec.lifecycle.rbac[0]: has no resources and no verbs")


@pytest.mark.parametrize(
    ("denied", "resources", "groups", "refused"),
    [
        ("secrets", ["secrets"], [""], True),
        ("secrets", ["Secrets"], [""], True),
        ("secrets", ["pods", "secrets"], [""], True),
        ("secrets", ["pods"], [""], False),
        ("secrets", ["*"], [""], True),
        ("secrets", ["*/scale"], ["apps"], True),
        ("pods", ["pods/exec"], [""], True),
        ("pods/exec", ["pods/exec"], [""], True),
        ("pods/exec", ["pods/log"], [""], False),
        ("pods/exec", ["pods"], [""], False),
        ("pods/exec", ["pods/*"], [""], True),
        ("pods/exec", ["*/exec"], [""], True),
        ("pods/exec", ["*"], [""], True),
        ("deployments.apps", ["deployments"], ["apps"], True),
        ("deployments.apps", ["deployments"], ["*"], True),
        ("deployments.apps", ["deployments"], ["example.com"], False),
        ("*", ["configmaps"], [""], True),
        ("*/exec", ["pods/exec"], [""], True),
        ("*/exec", ["pods"], [""], False),
    ],
)
def test_denied_resources(
    inputs: Any, cluster: SandboxFacts, denied: str, resources: list[str], groups: list[str], refused: bool
) -> None:
    rule = {"apiGroups": groups, "resources": resources, "verbs": ["get"]}
    given = inputs(
        run={"lifecycle": {"preRun": [LOOK], "rbac": [rule]}},
        policy={"lifecyclePolicy": {"deniedResources": [denied]}},
        sandbox=cluster,
    )
    causes = reviewed(given)
    assert len(causes) == refused
    if refused:
        assert causes[0].startswith("spec.lifecycle.rbac[0].resources: policy p denies hooks any right to ")
        assert f"this rule names {resources[-1]}" in causes[0]


def test_what_either_policy_denies_is_denied(inputs: Any, cluster: SandboxFacts) -> None:
    from dataclasses import replace

    def policy(name: str, denied: str) -> Any:
        return effective_policy(name, {"template": "Permissive", "lifecyclePolicy": {"deniedResources": [denied]}})

    named, mandatory = policy("named", "pods"), policy("mandatory", "secrets")
    together = both(named, [mandatory])
    assert together.denied_resources == ("pods", "secrets")
    rules = [{"apiGroups": [""], "resources": [resource], "verbs": ["get"]} for resource in ("secrets", "pods", "events")]
    given = inputs(run={"lifecycle": {"preRun": [LOOK], "rbac": rules}}, sandbox=cluster)
    causes = reviewed(replace(given, policy=together))
    assert [cause.partition(" denies")[0] for cause in causes] == [
        "spec.lifecycle.rbac[1].resources: policy named",
        "spec.lifecycle.rbac[0].resources: policy mandatory",
    ]


@pytest.mark.parametrize(
    ("image", "refused"),
    [("ghcr.io/acme/look:1", False), ("ghcr.io/acme-tools/look:1", True), ("busybox", True)],
)
def test_images_come_from_allowed_registries(inputs: Any, cluster: SandboxFacts, image: str, refused: bool) -> None:
    policy = {"imagePolicy": {"allowedRegistries": ["ghcr.io/acme"]}}
    given = {"run": {"lifecycle": {"postRun": [{"name": "tidy", "image": image, "command": ["true"]}]}}, "policy": policy}
    causes = reviewed(inputs(**given, sandbox=cluster))
    assert len(causes) == refused
    assert all(f"spec.lifecycle.postRun[0].image: policy p does not allow image '{image}'" in cause for cause in causes)
    assert not reviewed(inputs(**given, sandbox=LOCAL)), "no image is used there"
