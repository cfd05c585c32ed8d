from __future__ import annotations

from typing import Any

import pytest

from sympozium_core.contracts.sandbox import ALL_PROMISES
from sympozium_core.planning.inputs import RunInputs, SandboxFacts
from sympozium_core.planning.review import review_run

ISOLATING, SHARED = SandboxFacts("bubblewrap", ALL_PROMISES), SandboxFacts("process", frozenset())


@pytest.mark.parametrize(
    ("policy", "sandbox", "refused"),
    [
        ({"template": "Permissive"}, SHARED, False),
        ({"template": "Default"}, SHARED, True),
        ({"template": "Restrictive"}, SHARED, True),
        ({"template": "Default"}, ISOLATING, False),
        ({"template": "Restrictive"}, ISOLATING, False),
        ({"sandboxPolicy": {"required": True}}, SHARED, True),
        ({"sandboxPolicy": {"agentSandboxPolicy": {"required": True, "defaultRuntimeClass": "gvisor"}}}, ISOLATING, True),
    ],
)
def test_isolation(inputs: Any, policy: dict[str, Any], sandbox: SandboxFacts, refused: bool) -> None:
    assert bool(_review(inputs(policy=policy, sandbox=sandbox))) is refused


KERNEL = {"required": True, "defaultRuntimeClass": "gvisor", "allowedRuntimeClasses": ["gvisor", "kata"]}


@pytest.mark.parametrize(
    ("run", "instance", "kernel", "fragment"),
    [
        ({"enabled": True, "runtimeClass": "kata"}, None, KERNEL, ""),
        ({"enabled": True, "runtimeClass": "runc"}, None, KERNEL, "does not allow runtime class 'runc'"),
        ({"enabled": True, "runtimeClass": "runc"}, None, {"required": False, "allowedRuntimeClasses": []}, "it allows none"),
        ({"enabled": True, "runtimeClass": "runc"}, None, {"required": False}, ""),
        (None, {"enabled": True, "runtimeClass": "runc"}, KERNEL, "does not allow"),
        ({"enabled": False}, {"enabled": True, "runtimeClass": "runc"}, {**KERNEL, "required": False}, ""),
        (None, None, {"required": True}, "no runtime class is named"),
        ({"enabled": True}, None, {"required": False}, "no runtime class is named"),
        ({"enabled": True}, None, KERNEL, ""),
        (None, None, KERNEL, ""),
    ],
)
def test_runtime_classes(
    inputs: Any, cluster: SandboxFacts, run: Any, instance: Any, kernel: dict[str, Any], fragment: str
) -> None:
    default = {"model": "m", **({"agentSandbox": instance} if instance else {})}
    given = inputs(
        run={"agentSandbox": run} if run else {},
        instance={"provider": None, "authRefs": [{"provider": "openai"}], "agents": {"default": default}},
        policy={"sandboxPolicy": {"agentSandboxPolicy": kernel}},
        sandbox=cluster,
    )
    causes = _review(given)
    assert [fragment in str(cause) for cause in causes] == ([True] if fragment else [])


@pytest.mark.parametrize(
    ("run", "policy", "fragment"),
    [
        ({"model": {"model": "gpt-5"}}, {"modelPolicy": {"allowedModels": ["gpt-4*"]}}, "gpt-5"),
        (
            {"toolPolicy": {"allow": ["fetch_url"]}},
            {"toolGating": {"rules": [{"tool": "fetch_url", "action": "deny"}]}},
            "fetch_url",
        ),
        ({"parent": {"runName": "a", "sessionKey": "", "spawnDepth": 4}}, {"subagentPolicy": {"maxDepth": 3}}, "4"),
        (
            {"sandbox": {"enabled": True, "resources": {"limits": {"memory": "8Gi"}}}},
            {"sandboxPolicy": {"maxMemory": "4Gi"}},
            "8Gi",
        ),
        ({"sandbox": {"enabled": True, "resources": {"limits": {"cpu": "3"}}}}, {"sandboxPolicy": {"maxCPU": "2"}}, "maxCPU"),
    ],
)
def test_a_refusal_names_the_value(inputs: Any, run: dict[str, Any], policy: dict[str, Any], fragment: str) -> None:
    causes = _review(inputs(run=run, policy=policy))
    assert len(causes) == 1
    assert fragment in str(causes[0])
    assert causes[0].hint


def test_every_reason_at_once(inputs: Any) -> None:
    given = inputs(
        run={"toolPolicy": {"allow": ["a_tool", "read_file"]}},
        policy={"template": "Restrictive", "modelPolicy": {"allowedModels": ["x"]}},
        sandbox=SHARED,
    )
    assert len(_review(given)) == 4


def _review(given: RunInputs) -> list[Any]:
    return review_run(given.run, given.instance, given.policy, given.sandbox)
