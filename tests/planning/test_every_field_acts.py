"""Every field of a SympoziumPolicy changes what becomes of some run, or is said to do nothing yet. The fields are those of the model: one that is
added without a case fails here."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import pytest
from pydantic import BaseModel

from sympozium_core.admission.not_yet import not_yet
from sympozium_core.contracts.plan import to_json
from sympozium_core.contracts.sandbox import ALL_FEATURES
from sympozium_core.errors import Refused
from sympozium_core.planning.inputs import SandboxFacts
from sympozium_core.planning.plan import make_plan
from sympozium_core.planning.review import review_run
from sympozium_core.resources import load
from sympozium_core.resources.policy import PolicySpec
from sympozium_core.resources.suggestions import models_in

IMAGE = {"image": "ghcr.io/acme/tool:1", "tools": []}
HOOK = {"name": "look", "image": "ghcr.io/acme/hook:1"}
SECRETS = {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}
KERNEL = {"required": False, "defaultRuntimeClass": "gvisor"}


class Case(NamedTuple):
    """Two policies that differ in one field, and a run for which that makes a difference."""

    one: dict[str, Any]
    other: dict[str, Any]
    run: dict[str, Any] = {}  # noqa: RUF012 - never changed
    sidecar: dict[str, Any] = {}  # noqa: RUF012 - never changed
    """What the run's skill asks for besides."""


def gate(tool: str, action: str) -> dict[str, Any]:
    return {"toolGating": {"rules": [{"tool": tool, "action": action}]}}


def fetch(**place: Any) -> dict[str, Any]:
    return {"networkPolicy": {"fetch": {"allow": [place]}}}


CASES: dict[str, Case] = {
    "template": Case({"template": "Permissive"}, {"template": "Restrictive"}),
    "toolGating.defaultAction": Case({}, {"toolGating": {"defaultAction": "deny"}}),
    "toolGating.rules[].tool": Case(gate("read_file", "deny"), gate("write_file", "deny")),
    "toolGating.rules[].action": Case(gate("read_file", "deny"), gate("read_file", "allow")),
    "toolGating.rules[].when": Case(
        gate("execute_command", "deny"),
        {"toolGating": {"rules": [{"tool": "execute_command", "action": "deny", "when": "argv[0] == 'rm'"}]}},
    ),
    "sandboxPolicy.required": Case({}, {"sandboxPolicy": {"required": True}}),
    "sandboxPolicy.maxCPU": Case({}, {"sandboxPolicy": {"maxCPU": "250m"}}),
    "sandboxPolicy.maxMemory": Case({}, {"sandboxPolicy": {"maxMemory": "64Mi"}}),
    "sandboxPolicy.allowHostMounts": Case({}, {"sandboxPolicy": {"allowHostMounts": True}}),
    "sandboxPolicy.hostAccess": Case({}, {"sandboxPolicy": {"hostAccess": ["tool"]}}, {}, {"hostAccess": {"runAsRoot": True}}),
    "sandboxPolicy.agentSandboxPolicy.required": Case(
        {"sandboxPolicy": {"agentSandboxPolicy": KERNEL}}, {"sandboxPolicy": {"agentSandboxPolicy": {**KERNEL, "required": True}}}
    ),
    "sandboxPolicy.agentSandboxPolicy.defaultRuntimeClass": Case(
        {"sandboxPolicy": {"agentSandboxPolicy": {"required": True, "defaultRuntimeClass": "gvisor"}}},
        {"sandboxPolicy": {"agentSandboxPolicy": {"required": True, "defaultRuntimeClass": "kata"}}},
    ),
    "sandboxPolicy.agentSandboxPolicy.allowedRuntimeClasses": Case(
        {"sandboxPolicy": {"agentSandboxPolicy": {"required": False}}},
        {"sandboxPolicy": {"agentSandboxPolicy": {"required": False, "allowedRuntimeClasses": ["gvisor"]}}},
        {"agentSandbox": {"enabled": True, "runtimeClass": "runc"}},
    ),
    "subagentPolicy.maxDepth": Case({}, {"subagentPolicy": {"maxDepth": 1}}, {"parent": {"runName": "r", "sessionKey": "s", "spawnDepth": 2}}),
    "subagentPolicy.maxConcurrent": Case({}, {"subagentPolicy": {"maxConcurrent": 1}}),
    "featureGates": Case({}, {"featureGates": {"file-access": False}}),
    "networkPolicy.denyAll": Case({}, {"networkPolicy": {"denyAll": False}}),
    "networkPolicy.allowedEgress[].host": Case(
        {"networkPolicy": {"allowedEgress": [{"host": "192.0.2.1"}]}}, {"networkPolicy": {"allowedEgress": [{"host": "192.0.2.2"}]}}
    ),
    "networkPolicy.allowedEgress[].port": Case(
        {"networkPolicy": {"allowedEgress": [{"host": "192.0.2.1"}]}},
        {"networkPolicy": {"allowedEgress": [{"host": "192.0.2.1", "port": 443}]}},
    ),
    "networkPolicy.fetch.allow[].host": Case(fetch(host="a.example"), fetch(host="b.example")),
    "networkPolicy.fetch.allow[].port": Case(fetch(host="a.example"), fetch(host="a.example", port=443)),
    "networkPolicy.fetch.allow[].methods": Case(fetch(host="a.example"), fetch(host="a.example", methods=["POST"])),
    "networkPolicy.fetch.allow[].paths": Case(fetch(host="a.example"), fetch(host="a.example", paths=["/api/"])),
    "networkPolicy.fetch.allowedPrivate": Case({}, {"networkPolicy": {"fetch": {"allowedPrivate": ["10.1.0.0/16"]}}}),
    "modelPolicy.allowedPrivate": Case(
        {}, {"modelPolicy": {"allowedPrivate": ["10.1.0.0/16"]}}, {"model": {"model": "m", "baseURL": "http://10.1.2.3/v1"}}
    ),
    "mcpPolicy.allowedPrivate": Case({}, {"mcpPolicy": {"allowedPrivate": ["10.1.0.0/16"]}}),
    "modelPolicy.allowedModels": Case({}, {"modelPolicy": {"allowedModels": ["claude*"]}}),
    "imagePolicy.allowedRegistries": Case({}, {"imagePolicy": {"allowedRegistries": ["registry.example.com"]}}),
    "lifecyclePolicy.deniedResources": Case(
        {}, {"lifecyclePolicy": {"deniedResources": ["secrets"]}}, {"lifecycle": {"preRun": [HOOK], "rbac": [SECRETS]}}
    ),
    "limits.maxTokens": Case({}, {"limits": {"maxTokens": 1000}}),
    "limits.maxFetches": Case({}, {"limits": {"maxFetches": 3}}),
    "limits.maxTurns": Case({}, {"limits": {"maxTurns": 3}}),
    "limits.maxToolCalls": Case({}, {"limits": {"maxToolCalls": 3}}),
    "approvals.timeout": Case({}, {"approvals": {"timeout": "1m"}}),
    "approvals.onTimeout": Case({}, {"approvals": {"onTimeout": "allow"}}),
    "approvals.allowSelfApproval": Case({}, {"approvals": {"allowSelfApproval": True}}),
    "limits.timeout": Case({}, {"limits": {"timeout": "1m"}}),
}  # fmt: skip
NOT_YET: dict[str, Any] = {
    "sandboxPolicy.defaultImage": "ghcr.io/acme/agent:1",
    "sandboxPolicy.seccompProfile.type": "Unconfined",
    "networkPolicy.allowDNS": True,
    "networkPolicy.allowEventBus": False,
    "modelPolicy.allowedNamespaces": ["models"],
}
"""With a value that changes nothing, and has to be warned of."""
ELSEWHERE = {
    f"mandatory.namespaceSelector.{field}"
    for field in ("matchLabels", "matchExpressions[].key", "matchExpressions[].operator", "matchExpressions[].values")
}
"""Which policies hold is found out before anything is planned: `tests/processes/test_directory.py`."""


def fields(model: type[BaseModel], before: str = "") -> Iterator[str]:
    for name, field in model.model_fields.items():
        path = f"{before}{field.alias or name}"
        below = models_in(field.annotation)
        if not below:
            yield path
        for inner in below:
            yield from fields(inner, f"{path}[]." if "list[" in str(field.annotation) else f"{path}.")


def test_every_field_has_a_case() -> None:
    assert set(fields(PolicySpec)) == CASES.keys() | NOT_YET.keys() | ELSEWHERE


def normal(spec: Mapping[str, Any]) -> dict[str, Any]:
    policy = {"apiVersion": "sympozium.ai/v1alpha1", "kind": "SympoziumPolicy", "metadata": {"name": "p"}, "spec": dict(spec)}
    found: dict[str, Any] = load.normalise(policy)["spec"]
    return found


@pytest.fixture
def outcome(inputs: Callable[..., Any], a_skill: Callable[..., Any], cluster: SandboxFacts) -> Callable[..., str]:
    """Whether the run is refused and why, the plan of it, and how many others may run beside it; on a cluster whose runtime isolates but for
    one promise."""
    leaky = replace(cluster, promises=cluster.promises - {"processes"})

    def became(policy: Mapping[str, Any], run: Mapping[str, Any], sidecar: Mapping[str, Any] | None = None) -> str:
        given = inputs(
            run=dict(run),
            policy=normal({"template": "Permissive", **policy}),
            sandbox=leaky,
            skills=(a_skill("tool", {**IMAGE, **(sidecar or {})}),),
        )
        refusals = [str(cause) for cause in review_run(given.run, given.instance, given.policy, given.sandbox)]
        try:
            plan = to_json(make_plan(given))
        except Refused as refused:
            plan = [str(cause) for cause in refused.causes]
        return json.dumps([refusals, plan, given.policy.max_concurrent], sort_keys=True)

    return became


@pytest.mark.parametrize("field", CASES)
def test_a_field_acts(outcome: Callable[..., str], field: str) -> None:
    case = CASES[field]
    assert outcome(case.one, case.run, case.sidecar) != outcome(case.other, case.run, case.sidecar)


@pytest.mark.parametrize("gate", ["sub-agents", "browser-automation"])
def test_a_gate_that_closes_nothing_is_warned_of(outcome: Callable[..., str], gate: str) -> None:
    closed, open_ = ({"featureGates": {gate: state}} for state in (False, True))
    assert outcome(closed, {}) == outcome({}, {}), "it acts: give it a case"
    assert [warning for warning in not_yet("SympoziumPolicy", closed, ALL_FEATURES) if gate in warning]
    assert not not_yet("SympoziumPolicy", open_, ALL_FEATURES)


@pytest.mark.parametrize("field", NOT_YET)
def test_a_field_that_does_not_act_is_warned_of(outcome: Callable[..., str], field: str) -> None:
    spec: Any = NOT_YET[field]
    for name in reversed(field.split(".")):
        spec = {name: spec}
    assert outcome({}, {}) == outcome(spec, {}), "it acts: give it a case"
    warned = [warning.partition(":")[0] for warning in not_yet("SympoziumPolicy", normal(spec), ALL_FEATURES)]
    assert any(f"spec.{field}".startswith(place) for place in warned), "whoever writes it is told"
