"""Every manifest of release v0.8.0 that its own CRDs allow is taken as it is; the two that they do not allow are refused."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from sympozium_core.contracts.cluster import Invalid
from sympozium_core.resources import kinds, load


def test_a_valid_manifest_loads_and_stays_what_it_is(valid: dict[str, Any]) -> None:
    loaded = load.read(valid)
    assert loaded.normal["metadata"] == valid["metadata"]
    assert load.normalise(loaded.normal) == loaded.normal
    lost = [path for path, value in _leaves(valid["spec"]) if path not in dict(_leaves(loaded.normal["spec"]))]
    assert lost == []


def test_nothing_that_was_written_changes_its_value(valid: dict[str, Any]) -> None:
    normal = dict(_leaves(load.normalise(valid)["spec"]))
    changed = {path: (value, normal[path]) for path, value in _leaves(valid["spec"]) if normal[path] != value}
    assert changed == {}


AGENT_RUN_FAULTS = {
    "spec.agentID": "agentId: primary",
    "spec.model.name": "model: gpt-4o",
    "spec.model.model": "gpt-4o",
    "spec.model.maxTokens": "leave it out",
    "spec.model.authSecretRef": "openai-secret",
    "spec.toolPolicy.allowed": "allow: [read_file, grep_search, list_dir]",
    "spec.toolPolicy.denied": "deny: [exec_command]",
    "spec.toolPolicy.requireApproval": "SympoziumPolicy",
    "spec.cleanup": "one of delete, keep",
}
INSTANCE_FAULTS = {
    "spec.channels[0].secretRef": "configRef: {secret: alice-telegram-secret}",
    "spec.channels[1].secretRef": "configRef: {secret: alice-slack-secret}",
    "spec.agents.default.image": "leave it out",
    "spec.agents.default.maxTokens": "leave it out",
    "spec.agents.sandbox": "agents.default.sandbox",
    "spec.agents.subagents": "agents.default.subagents",
    "spec.skills[1].name": "skillPackRef: code-review",
    "spec.skills[2].name": "skillPackRef: security-audit",
    "spec.skills[1].skillPackRef": "k8s-ops",
    "spec.skills[2].skillPackRef": "k8s-ops",
    "spec.authRefs[0].secretName": "secret: alice-github-token",
    "spec.authRefs[1].secretName": "secret: alice-openai-key",
}


def test_a_broken_sample_is_refused_with_everything_at_once(broken: dict[str, Any]) -> None:
    expected = AGENT_RUN_FAULTS if broken["kind"] == "AgentRun" else INSTANCE_FAULTS
    with pytest.raises(Invalid) as caught:
        load.read(broken)
    assert {cause.field for cause in caught.value.causes} == set(expected)
    for cause in caught.value.causes:
        assert expected[cause.field] in cause.hint, cause


def test_every_yaml_block_of_the_seeds_loads(seed: dict[str, Any]) -> None:
    loaded = load.read(seed)
    assert loaded.warnings == []
    assert load.normalise(loaded.normal) == loaded.normal


def test_every_field_of_the_release_is_modelled(release_crd: dict[str, Any]) -> None:
    kind = kinds.find(release_crd["spec"]["names"]["plural"])
    ours = load.model_of(kind).model_json_schema()
    (version,) = release_crd["spec"]["versions"]
    theirs = version["schema"]["openAPIV3Schema"]["properties"]["spec"]
    missing = [
        path for path in _properties(theirs, "spec") if path not in set(_modelled(ours, ours["properties"]["spec"], "spec"))
    ]
    moved = {"SympoziumInstance": ["spec.memory.systemPrompt"]}.get(kind.kind, [])
    assert missing == moved
    assert release_crd["spec"]["names"]["kind"] == kind.kind
    assert release_crd["metadata"]["name"] == kind.resource


def _leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else None
    if items is None:
        yield path, value
        return
    for key, child in items:
        yield from _leaves(child, (*path, key))


def _properties(schema: dict[str, Any], path: str) -> Iterator[str]:
    for name, child in schema.get("properties", {}).items():
        yield f"{path}.{name}"
        yield from _properties(child, f"{path}.{name}")
    for below in ("items", "additionalProperties"):
        if isinstance(schema.get(below), dict):
            yield from _properties(schema[below], f"{path}.*")


def _modelled(root: dict[str, Any], schema: dict[str, Any], path: str) -> Iterator[str]:
    if "$ref" in schema:
        schema = root["$defs"][schema["$ref"].rsplit("/", 1)[-1]]
    for choice in schema.get("anyOf", []):
        yield from _modelled(root, choice, path)
    for name, child in schema.get("properties", {}).items():
        yield f"{path}.{name}"
        yield from _modelled(root, child, f"{path}.{name}")
    for below in ("items", "additionalProperties"):
        if isinstance(schema.get(below), dict):
            yield from _modelled(root, schema[below], f"{path}.*")
