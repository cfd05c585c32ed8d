"""What reading says about objects that are not right: every fault at once, by the field as it was written."""

from __future__ import annotations

import copy
from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
import yaml

from sympozium_core.contracts.cluster import Invalid
from sympozium_core.resources import load
from sympozium_core.resources.agentrun import AgentRun
from sympozium_core.resources.instance import SympoziumInstance

EXTERNAL = {"transportType": "http", "toolsPrefix": "x", "url": "https://example.com/mcp"}
Make = Callable[..., dict[str, Any]]


def _faults(obj: Any) -> dict[str, str]:
    return {cause.field: f"{cause.message} ({cause.hint})" for cause in load.problems(obj)}


def test_reading_gives_model_normal_form_and_warnings(make: Make) -> None:
    written = make("AgentRun", instanceRef="agent", input="go", timeout="10m")
    before = copy.deepcopy(written)
    loaded = load.read(written)
    assert isinstance(loaded.model, AgentRun)
    assert (loaded.model.spec.task, loaded.model.spec.timeout, loaded.model.spec.cleanup) == ("go", "10m", "delete")
    assert loaded.normal["spec"]["task"] == "go"
    assert "input" not in loaded.normal["spec"]
    assert loaded.warnings == []
    assert loaded.kind.kind == "AgentRun"
    assert written == before


def test_reading_as_another_kind_is_refused(make: Make) -> None:
    with pytest.raises(Invalid) as caught:
        load.read_as(SympoziumInstance, make("AgentRun", instanceRef="agent", task="go"))
    assert caught.value.causes[0].field == "kind"


def test_the_error_carries_every_cause_and_its_code(make: Make) -> None:
    with pytest.raises(Invalid) as caught:
        load.read(make("AgentRun", instanceRef="Bad Name", task="", timeout="-5m", cleanup="never", colour="red"))
    assert caught.value.code == 422
    assert {cause.field for cause in caught.value.causes} == {
        "spec.instanceRef", "spec.task", "spec.timeout", "spec.cleanup", "spec.colour",
    }  # fmt: skip
    assert "AgentRun 'thing' is not valid" in caught.value.message


@pytest.mark.parametrize(
    ("spec", "field", "said"),
    [
        ({"task": "go"}, "spec.instanceRef", "is missing (such as instanceRef: my-agent)"),
        ({"timeout": "-5m"}, "spec.timeout", "'-5m' is negative (more than zero, such as 5m)"),
        ({"timeout": 30}, "spec.timeout", 'is 30 instead of text (put it in quotes: "30")'),
        ({"timout": "5m"}, "spec.timout", "unknown field (did you mean timeout? such as timeout: 10m)"),
        ({"task": "  "}, "spec.task", "is empty (write something, or leave the field out if it is optional)"),
        ({"cleanup": "deleted"}, "spec.cleanup", "'deleted' is not allowed (did you mean delete? one of delete, keep)"),
        ({"mode": "daemon"}, "spec.mode", "'daemon' is not allowed (one of task, server)"),
        ({"cancel": "true"}, "spec.cancel", "is text instead of true or false (write it without quotes)"),
        ({"env": {"A B": "x"}}, "spec.env['A B']", "'A B' is no name of an environment variable (such as LOG_LEVEL)"),
        ({"env": {"A": 1}}, "spec.env.A", 'is 1 instead of text (put it in quotes: "1")'),
        ({"skills": ["Bad One"]}, "spec.skills[0]", "'Bad One' is no name: lower-case letters, digits, '-' and '.' (such as bad-one)"),
        ({"skills": [{}]}, "spec.skills[0].skillPackRef", "is missing: the entry names no skill (such as k8s-ops)"),
        ({"skills": ["a", "a"]}, "spec.skills[1]", "'a' is there twice (each only once)"),
        ({"skills": "k8s-ops"}, "spec.skills", "is text instead of a list (write [k8s-ops])"),
        ({"model": "gpt-4o"}, "spec.model", "is text instead of an object (such as model: {model: gpt-4o})"),
        ({"maxDepth": 3}, "spec.maxDepth", "unknown field (remove it; known here: "),
        ({"runName": "a"}, "spec.runName", "unknown field (it belongs at spec.parent.runName)"),
        ({"parent": {"runName": "a", "sessionKey": "b", "spawnDepth": -1}}, "spec.parent.spawnDepth", "is -1 (0 or more)"),
        ({"model": {"provider": "openai", "model": "m"}}, "spec.model.authSecretRef", "is missing, but the provider is given"),
    ],
)  # fmt: skip
def test_faults_of_a_run(make: Make, spec: dict[str, Any], field: str, said: str) -> None:
    base = {} if "instanceRef" in spec or spec == {"task": "go"} else {"instanceRef": "agent", "task": "go"}
    faults = _faults(make("AgentRun", **{**base, **spec}))
    assert list(faults) == [field]
    assert faults[field].startswith(said)


@pytest.mark.parametrize(
    ("kind", "spec", "field", "said"),
    [
        ("SympoziumInstance", {"provider": {"name": "openai"}}, "spec.provider.model", "is missing (such as model: gpt-4o)"),
        ("SympoziumInstance", {}, "spec.agents", "is missing (such as agents: {default: {model: gpt-4o}})"),
        ("SympoziumInstance", {"provider": {"name": "o", "model": 4}}, "spec.provider.model", "is 4 instead of text"),
        ("SympoziumInstance", {"provider": {"model": "m", "nmae": "o"}}, "spec.provider.nmae", "unknown field (did you mean name?)"),
        ("SympoziumSchedule", {"instanceRef": "a", "task": "t", "schedule": "0 9 * *"}, "spec.schedule", "'0 9 * *' has 4 fields"),
        (
            "SympoziumSchedule",
            {"instanceRef": "a", "task": "t", "schedule": "@daily", "timezone": "Paris"},
            "spec.timezone",
            "'Paris' is no time zone (did you mean Europe/Paris?)",
        ),
        ("SympoziumPolicy", {"template": "restrictive"}, "spec.template", "'restrictive' is not allowed (did you mean Restrictive?"),
        ("SympoziumPolicy", {"requireApproval": ["rm -rf"]}, "spec.requireApproval[0]", "'rm -rf' is no tool"),
        ("SympoziumPolicy", {"requireApproval": "execute_command"}, "spec.requireApproval", "is 'execute_command' instead of a list"),
        ("SympoziumPolicy", {"sandboxPolicy": {"maxMemory": "4GB"}}, "spec.sandboxPolicy.maxMemory", "'4GB' is no quantity (did you mean 4Gi?"),
        ("SympoziumPolicy", {"sandboxPolicy": {"maxCPU": 0.5}}, "spec.sandboxPolicy.maxCPU", '0.5 is a fraction without quotes (write "0.5" or 500m)'),
        (
            "SympoziumPolicy",
            {"sandboxPolicy": {"agentSandboxPolicy": {"required": True, "defaultRuntimeClass": "a", "allowedRuntimeClasses": ["b"]}}},
            "spec.sandboxPolicy.agentSandboxPolicy.defaultRuntimeClass",
            "'a' is not among allowedRuntimeClasses",
        ),
        ("MCPServer", {"transportType": "http", "toolsPrefix": "x"}, "spec.url", "is missing, and so is deployment"),
        ("MCPServer", {"transportType": "http", "toolsPrefix": "x", "url": "https://example.com", "deployment": {"image": "i"}}, "spec.url", "is there beside"),
        ("MCPServer", {"transportType": "stdio", "toolsPrefix": "x", "deployment": {"image": "i"}}, "spec.deployment.cmd", "is missing"),
        ("MCPServer", {"transportType": "http", "toolsPrefix": "x", "deployment": {"port": 1}}, "spec.deployment.image", "is missing"),
        ("MCPServer", {"transportType": "http", "toolsPrefix": "x y", "url": "https://example.com"}, "spec.toolsPrefix", "'x y' is no prefix"),
        ("MCPServer", {"transportType": "http", "toolsPrefix": "x", "url": "https://me:secret@example.com"}, "spec.url", "is no address"),
        ("MCPServer", {"transportType": "http", "toolsPrefix": "x", "url": "https://example.com:x/"}, "spec.url", "is no address"),
        ("MCPServer", {**EXTERNAL, "headers": [{"name": "Host", "value": "x"}]}, "spec.headers[0].name", "'Host' is set by the protocol"),
        ("MCPServer", {**EXTERNAL, "headers": [{"name": "Mcp-Session-Id", "value": "x"}]}, "spec.headers[0].name", "'Mcp-Session-Id' is set"),
        ("MCPServer", {**EXTERNAL, "headers": [{"name": "a b", "value": "x"}]}, "spec.headers[0].name", "'a b' is no name of a header"),
        ("MCPServer", {**EXTERNAL, "headers": [{"name": "X-Key"}]}, "spec.headers[0].value", "is missing"),
        ("SympoziumInstance", {"provider": {"model": "m"}, "mcpServers": [{"name": "x", "toolsPrefix": "x", "authSecret": "s"}]}, "spec.mcpServers[0].authSecret", "goes with url"),
        ("MCPServer", {"transportType": "stdio", "toolsPrefix": "x", "url": "https://example.com/mcp"}, "spec.deployment", "is missing"),
        ("PersonaPack", {"personas": [{"name": "a", "systemPrompt": "p", "schedule": {"task": "t"}}]}, "spec.personas[0].schedule.interval", "is missing, and so is cron"),
        ("PersonaPack", {"agentConfigs": [{"name": "a"}]}, "spec.agentConfigs[0].systemPrompt", "is missing"),
        ("PersonaPack", {"personas": [{"name": "a", "systemPrompt": "p", "skills": [{"skillPackRef": "k8s"}]}]}, "spec.personas[0].skills[0]", "is an object instead of text (write the name alone: k8s)"),
        ("SkillPack", {"skills": [{"name": "../up", "content": "c"}]}, "spec.skills[0].name", "'../up' is no name"),
        (
            "SkillPack",
            {"skills": [], "sidecar": {"image": "i", "tools": [{"name": "t", "description": "d", "exec": ["e"], "positionalArgs": ["p"]}]}},
            "spec.sidecar.tools[0].positionalArgs[0]",
            "'p' is no parameter of the tool",
        ),
        ("SkillPack", {"skills": [], "sidecar": {"image": "i", "tools": [{"name": "t", "description": "d", "exec": []}]}}, "spec.sidecar.tools[0].exec", "is empty"),
        ("ToolApproval", {"runRef": "r", "runUID": "u", "call": "c", "tool": "t", "decision": "yes"}, "spec.decision", "'yes' is not allowed"),
    ],
)  # fmt: skip
def test_faults_of_other_kinds(make: Make, kind: str, spec: dict[str, Any], field: str, said: str) -> None:
    faults = _faults(make(kind, **spec))
    assert list(faults) == [field]
    assert faults[field].startswith(said)


def test_a_provider_that_is_a_name_alone(make: Make) -> None:
    assert list(_faults(make("SympoziumInstance", provider="openai"))) == ["spec.provider", "spec.provider.model"]


@pytest.mark.parametrize(
    ("metadata", "field"),
    [
        ({}, "metadata.name"),
        ({"name": "Upper"}, "metadata.name"),
        ({"generateName": "Upper-"}, "metadata.generateName"),
        ({"name": "a", "namespace": "a.b"}, "metadata.namespace"),
        ({"name": "a", "labels": {"x y": "z"}}, "metadata.labels"),
        ({"name": "a", "labels": {"x": "y z"}}, "metadata.labels"),
        ({"name": "a", "labels": {"x": True}}, "metadata.labels.x"),
        ({"name": "a", "annotations": {"x": "y" * 300_000}}, "metadata.annotations"),
        (None, "metadata"),
        ("a", "metadata"),
    ],
)
def test_metadata(make: Make, metadata: Any, field: str) -> None:
    assert list(_faults({**make("AgentRun", instanceRef="a", task="t"), "metadata": metadata})) == [field]


def test_metadata_of_the_server_is_kept(make: Make) -> None:
    metadata = {
        "generateName": "a-", "managedFields": [{"manager": "kubectl"}], "selfLink": "/x", "creationTimestamp": None, "generation": 3,
    }  # fmt: skip
    assert load.normalise({**make("AgentRun", instanceRef="a", task="t"), "metadata": metadata})["metadata"] == metadata


@pytest.mark.parametrize(
    ("obj", "field", "hint"),
    [
        ([], "", "apiVersion"),
        ("kind: AgentRun", "", "apiVersion"),
        ({}, "apiVersion", "sympozium.ai/v1alpha1"),
        ({"apiVersion": "sympozium.ai/v1", "kind": "AgentRun"}, "apiVersion", "sympozium.ai/v1alpha1"),
        ({"apiVersion": "sympozium.ai/v1alpha1", "kind": "AgentRuns"}, "kind", "write AgentRun"),
        ({"apiVersion": "sympozium.ai/v1alpha1", "kind": "AgentRnu"}, "kind", "did you mean AgentRun?"),
        ({"apiVersion": "sympozium.ai/v1alpha1", "kind": "Ensemble"}, "kind", "PersonaPack"),
        ({"apiVersion": "sympozium.ai/v1alpha1", "kind": 3}, "kind", "AgentRun"),
        ({"apiVersion": "v1", "kind": "Secret"}, "kind", "no kind of Sympozium"),
    ],
)
def test_what_is_no_resource_of_ours(obj: Any, field: str, hint: str) -> None:
    found = {cause.field: cause.hint for cause in load.problems(obj)}
    assert hint in found[field]


def test_what_is_null_is_not_there(make: Make) -> None:
    written = yaml.safe_load("{instanceRef: a, task: t, skills: , env: , timeout: , cancel: , toolPolicy: {allow: , deny: }}")
    plain = make("AgentRun", instanceRef="a", task="t", toolPolicy={})
    assert load.normalise(make("AgentRun", **written))["spec"] == load.normalise(plain)["spec"]
    assert list(_faults(make("AgentRun", instanceRef="a", task=None))) == ["spec.task"]
    assert list(_faults(make("AgentRun", instanceRef="a", task="t", toolPolicy={"deny": [None]}))) == [
        "spec.toolPolicy.deny[0]"
    ]
    assert list(_faults(make("AgentRun", instanceRef="a", task="t", env={"A": None}))) == ["spec.env.A"]


def test_nulls_inside_free_objects_stay(make: Make) -> None:
    arguments = {"a": None, "b": [None, {"c": None}]}
    approval = make("ToolApproval", runRef="r", runUID="u", call="c", tool="t", arguments=arguments)
    assert load.normalise(approval)["spec"]["arguments"] == arguments


def test_a_status_keeps_what_is_not_known(make: Make) -> None:
    status = {
        "phase": "Running",
        "attempt": 2,
        "queuePosition": 1,
        "new": {"deep": [1]},
        "effectivePolicy": {"digest": "d", "rules": []},
    }
    loaded = load.read({**make("AgentRun", instanceRef="a", task="t"), "status": status})
    assert loaded.normal["status"] == status
    assert loaded.model.status.attempt == 2
    assert loaded.model.status.effective_policy.digest == "d"


def test_dates_that_yaml_makes_are_explained(make: Make) -> None:
    faults = _faults(
        {**make("AgentRun", instanceRef="a", task="t"), "metadata": {"name": "a", "labels": {"day": date(2026, 1, 2)}}}
    )
    assert faults == {"metadata.labels.day": 'is 2026-01-02, which YAML reads as a date (put it in quotes: "2026-01-02")'}


def test_odd_keys_numbers_and_depths_are_refused(make: Make) -> None:
    deep: Any = {}
    for _ in range(100):
        deep = {"a": deep}
    cyclic: list[Any] = []
    cyclic.append(cyclic)
    bomb: list[Any] = ["x"]
    for _ in range(20):
        bomb = [bomb, bomb, bomb, bomb]
    for value in (
        deep,
        cyclic,
        bomb,
        float("nan"),
        float("inf"),
        {1: 2},
        {True: 1},
        {None: 1},
        b"x",
        {"\ud800": 1},
        "\ud800",
        {1, 2},
    ):
        assert load.problems(make("ToolApproval", runRef="r", runUID="u", call="c", tool="t", arguments={"v": value}))


def test_warnings_name_what_does_nothing(make: Make) -> None:
    policy = load.read(make("SympoziumPolicy", featureGates={"teleport": True, "sub-agents": False}))
    assert policy.warnings == [
        "spec.featureGates: 'teleport' is no gate that anything asks for (code-execution, sub-agents, browser-automation, file-access)"
    ]
    schedule = {"interval": "1h", "cron": "@daily", "task": "t"}
    pack = load.read(make("PersonaPack", personas=[{"name": "a", "systemPrompt": "p", "schedule": schedule}]))
    assert pack.warnings == ["spec.personas[0].schedule: cron wins, interval does nothing"]


def test_no_key_and_no_prompt_in_any_message(make: Make) -> None:
    secret = "sk-LIVE-do-not-show"
    written = [
        make("SympoziumInstance", provider={"name": "o", "model": "m", "apiKeySecret": secret}),
        make("SympoziumInstance", provider={"model": "m", "apiKeySecret": "a"}, authRefs=[{"secret": secret}]),
        make("SympoziumInstance", provider={"model": "m"}, authRefs=[{"secretName": secret}]),
        make("SympoziumInstance", provider={"model": "m"}, systemPrompt=secret, memory={"systemPrompt": "other"}),
        make("SympoziumInstance", provider={"model": "m"}, apiKey=secret),
        make("AgentRun", instanceRef="a", task=secret, input="other"),
        make("AgentRun", instanceRef="a", task="t", env=secret),
        make("AgentRun", instanceRef="a", task="t", model={"provider": "o", "model": "m", "authSecretRef": secret}),
        make("AgentRun", instanceRef="a", task="t", model={"provider": "o", "model": "m", "secretRef": secret}),
    ]
    for obj in written:
        causes = load.problems(obj)
        assert causes
        assert "LIVE" not in " ".join(map(str, causes))


def test_models_do_not_change_after_reading(make: Make) -> None:
    model = load.read_as(AgentRun, make("AgentRun", instanceRef="a", task="t"))
    with pytest.raises(ValueError, match="frozen"):
        model.spec.task = "other"
