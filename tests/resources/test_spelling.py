"""Two spellings, one meaning: equal objects have one normal form, and spellings that disagree are refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from sympozium_core.resources import load

Make = Callable[..., dict[str, Any]]

PAIRS = [
    ("AgentRun", {"agentRef": "a", "input": "t"}, {"instanceRef": "a", "task": "t"}),
    (
        "AgentRun",
        {"instanceRef": "a", "task": "t", "skills": ["x"]},
        {"instanceRef": "a", "task": "t", "skills": [{"skillPackRef": "x"}]},
    ),
    (
        "AgentRun",
        {"instanceRef": "a", "task": "t", "skills": ["x"], "skillConfig": {"x": {"n": 3, "on": True, "l": ["a", 1]}}},
        {"instanceRef": "a", "task": "t", "skills": [{"skillPackRef": "x", "params": {"n": "3", "on": "true", "l": "a,1"}}]},
    ),
    (
        "SympoziumInstance",
        {
            "provider": {"name": "openai", "model": "m", "apiKeySecret": "s"},
            "systemPrompt": "p",
            "policy": "q",
            "skills": ["x", "y"],
        },
        {
            "agents": {"default": {"model": "m"}},
            "authRefs": [{"provider": "openai", "secret": "s"}],
            "systemPrompt": "p",
            "policyRef": "q",
            "skills": [{"skillPackRef": "x"}, {"skillPackRef": "y"}],
        },
    ),
    (
        "SympoziumInstance",
        {"provider": {"name": "ollama", "model": "m", "baseURL": "http://h"}},
        {"agents": {"default": {"model": "m", "baseURL": "http://h"}}, "authRefs": [{"provider": "ollama"}]},
    ),
    (
        "SympoziumInstance",
        {"provider": {"model": "m"}, "memory": {"enabled": False, "systemPrompt": "p"}},
        {"agents": {"default": {"model": "m"}}, "memory": {"enabled": False}, "systemPrompt": "p"},
    ),
    (
        "SympoziumInstance",
        {"provider": {"name": "openai"}, "agents": {"default": {"model": "m"}}, "authRefs": [{"secret": "s"}, {"secret": "t"}]},
        {"agents": {"default": {"model": "m"}}, "authRefs": [{"provider": "openai", "secret": "s"}, {"secret": "t"}]},
    ),
    (
        "SympoziumSchedule",
        {"agentRef": "a", "input": "t", "schedule": "@daily"},
        {"instanceRef": "a", "task": "t", "schedule": "@daily", "timezone": "UTC"},
    ),
    (
        "PersonaPack",
        {"agentConfigs": [{"name": "a", "systemPrompt": "p"}], "policy": "q"},
        {"personas": [{"name": "a", "systemPrompt": "p"}], "policyRef": "q"},
    ),
    (
        "SympoziumPolicy",
        {"requireApproval": ["a"], "allowedTools": ["b", "a", "c_*"]},
        {
            "toolGating": {
                "defaultAction": "deny",
                "rules": [{"tool": "a", "action": "ask"}, {"tool": "b", "action": "allow"}, {"tool": "c_*", "action": "allow"}],
            }
        },
    ),
    (
        "SympoziumPolicy",
        {"requireApproval": ["a"], "toolGating": {"rules": [{"tool": "b", "action": "deny"}, {"tool": "a", "action": "ask"}]}},
        {"toolGating": {"rules": [{"tool": "b", "action": "deny"}, {"tool": "a", "action": "ask"}]}},
    ),
    (
        "SympoziumPolicy",
        {"sandbox": {"enabled": False, "runtimeClass": "kata"}, "sandboxPolicy": {"maxCPU": 4}},
        {
            "sandboxPolicy": {
                "required": False,
                "maxCPU": "4",
                "agentSandboxPolicy": {"required": False, "defaultRuntimeClass": "kata", "allowedRuntimeClasses": ["kata"]},
            }
        },
    ),
    ("SympoziumPolicy", {"allowedTools": []}, {"toolGating": {"defaultAction": "deny", "rules": []}}),
]


@pytest.mark.parametrize(("kind", "short", "long"), PAIRS)
def test_equal_objects_have_one_normal_form(make: Make, kind: str, short: dict[str, Any], long: dict[str, Any]) -> None:
    assert load.normalise(make(kind, **short))["spec"] == load.normalise(make(kind, **long))["spec"]


@pytest.mark.parametrize(("kind", "short", "long"), PAIRS)
def test_the_normal_form_is_its_own(make: Make, kind: str, short: dict[str, Any], long: dict[str, Any]) -> None:
    normal = load.normalise(make(kind, **short))
    assert load.normalise(normal) == normal


@pytest.mark.parametrize(
    ("kind", "spec", "field"),
    [
        ("AgentRun", {"instanceRef": "a", "agentRef": "b", "task": "t"}, "spec.agentRef"),
        ("AgentRun", {"instanceRef": "a", "task": "t", "input": "u"}, "spec.input"),
        ("SympoziumInstance", {"provider": {"model": "m"}, "agents": {"default": {"model": "n"}}}, "spec.provider.model"),
        ("SympoziumInstance", {"provider": {"model": "m", "name": "a"}, "authRefs": [{"provider": "b", "secret": "s"}]}, "spec.provider.name"),
        ("SympoziumInstance", {"provider": {"model": "m", "apiKeySecret": "a"}, "authRefs": [{"secret": "s"}]}, "spec.provider.apiKeySecret"),
        ("SympoziumInstance", {"provider": {"model": "m"}, "policy": "a", "policyRef": "b"}, "spec.policy"),
        ("SympoziumInstance", {"provider": {"model": "m"}, "systemPrompt": "a", "memory": {"systemPrompt": "b"}}, "spec.memory.systemPrompt"),
        (
            "SympoziumInstance",
            {"provider": {"model": "m"}, "skills": [{"skillPackRef": "x", "params": {"n": "1"}}], "skillConfig": {"x": {"n": 2}}},
            "spec.skillConfig.x.n",
        ),
        ("SympoziumInstance", {"provider": {"model": "m"}, "skills": ["x"], "skillConfig": {"y": {}}}, "spec.skillConfig.y"),
        ("SympoziumInstance", {"provider": {"model": "m"}, "skills": ["x"], "skillConfig": {"x": {"a": {"b": 1}}}}, "spec.skillConfig.x.a"),
        ("SympoziumPolicy", {"allowedTools": ["a"], "toolGating": {"defaultAction": "allow"}}, "spec.allowedTools"),
        ("SympoziumPolicy", {"requireApproval": ["a"], "toolGating": {"rules": [{"tool": "a", "action": "allow"}]}}, "spec.requireApproval[0]"),
        ("SympoziumPolicy", {"requireApproval": ["exec_x"], "toolGating": {"rules": [{"tool": "exec_*", "action": "deny"}]}}, "spec.requireApproval[0]"),
        ("SympoziumPolicy", {"sandbox": {"enabled": True}, "sandboxPolicy": {"required": False}}, "spec.sandbox.enabled"),
        ("PersonaPack", {"personas": [], "agentConfigs": [{"name": "a", "systemPrompt": "p"}]}, "spec.agentConfigs"),
    ],
)  # fmt: skip
def test_spellings_that_disagree_are_refused(make: Make, kind: str, spec: dict[str, Any], field: str) -> None:
    assert [cause.field for cause in load.problems(make(kind, **spec))] == [field]


@pytest.mark.parametrize(
    ("kind", "spec"),
    [
        ("AgentRun", {"instanceRef": "a", "agentRef": "a", "task": "t", "input": "t"}),
        ("SympoziumInstance", {"provider": {"model": "m", "name": "o"}, "agents": {"default": {"model": "m"}}, "authRefs": [{"provider": "o"}]}),
        ("SympoziumPolicy", {"allowedTools": ["a"], "toolGating": {"defaultAction": "deny"}}),
    ],
)  # fmt: skip
def test_spellings_that_agree_are_fine(make: Make, kind: str, spec: dict[str, Any]) -> None:
    assert load.problems(make(kind, **spec)) == []


def test_what_is_no_object_is_the_models_to_refuse(make: Make) -> None:
    wrong: list[Any] = [5, [], {"default": []}, {"default": "m"}]
    for agents in wrong:
        causes = load.problems(make("SympoziumInstance", provider={"model": "m"}, agents=agents))
        assert [cause.field for cause in causes if cause.field.startswith("spec.agents")]
