"""Properties that hold for any object: reading never fails in an unforeseen way, and the normal form is a fixed point."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sympozium_core.contracts.cluster import Invalid
from sympozium_core.resources import kinds, load
from sympozium_core.resources.spelling import SHORT_FIELDS

KIND = st.sampled_from([kind.kind for kind in kinds.OURS])
NAME = st.from_regex(r"[a-z]([a-z0-9-]{0,10}[a-z0-9])?", fullmatch=True)
TOOL = st.sampled_from(["execute_command", "read_file", "memory_*", "fetch_url", "write_file"])
WORDS = [
    *sorted({field for fields in SHORT_FIELDS.values() for field in fields}),
    "agents", "default", "model", "name", "skills", "skillPackRef", "params", "authRefs", "secret", "provider", "memory", "systemPrompt",
    "policyRef", "task", "instanceRef", "toolGating", "rules", "tool", "action", "sandboxPolicy", "agentSandboxPolicy", "enabled", "required",
    "runtimeClass", "personas", "schedule", "cron", "interval", "sidecar", "tools", "parameters", "timeout", "env", "status", "metadata",
    "featureGates", "positionalArgs", "deployment", "url", "spec",
]  # fmt: skip
LEAF = st.one_of(
    st.none(), st.booleans(), st.integers(-3, 2**40), st.floats(), st.text(max_size=8), st.sampled_from(["10m", "ask", "deny", "a", "k8s-ops", "@daily"])
)  # fmt: skip
KEY = st.one_of(st.sampled_from(WORDS), st.text(max_size=4), st.integers(0, 3))
GARBAGE = st.recursive(
    LEAF, lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(KEY, inner, max_size=5)), max_leaves=25
)


def _read(obj: Any) -> None:
    causes = load.problems(obj)
    assert all(cause.message for cause in causes)
    if causes:
        with pytest.raises(Invalid):
            load.read(obj)
        return
    normal = load.normalise(obj)
    assert load.normalise(normal) == normal


@given(GARBAGE)
def test_anything_at_all_ends_in_the_typed_error_or_in_a_model(obj: Any) -> None:
    _read(obj)


@settings(max_examples=400)
@given(KIND, GARBAGE, GARBAGE, GARBAGE)
def test_any_spec_ends_in_the_typed_error_or_in_a_model(kind: str, metadata: Any, spec: Any, status: Any) -> None:
    _read({"apiVersion": "sympozium.ai/v1alpha1", "kind": kind, "metadata": metadata, "spec": spec, "status": status})


def _resource(kind: str, spec: dict[str, Any]) -> dict[str, Any]:
    return {"apiVersion": "sympozium.ai/v1alpha1", "kind": kind, "metadata": {"name": "thing"}, "spec": spec}


@given(
    provider=st.none() | NAME,
    secret=st.none() | NAME,
    base=st.none() | st.just("http://127.0.0.1:1"),
    skills=st.lists(NAME, unique=True, max_size=4),
    prompt=st.none() | st.text(min_size=1, max_size=20).filter(str.strip),
    policy=st.none() | NAME,
    parameter=st.none() | st.text(alphabet="abc,", max_size=5),
)
def test_an_instance_is_the_same_in_both_spellings(
    provider: str | None, secret: str | None, base: str | None, skills: list[str], prompt: str | None, policy: str | None, parameter: str | None
) -> None:  # fmt: skip
    short_provider = {"name": provider, "model": "m", "baseURL": base, "apiKeySecret": secret}
    short: dict[str, Any] = {
        "provider": {key: value for key, value in short_provider.items() if value is not None},
        "skills": skills,
    }
    long: dict[str, Any] = {
        "agents": {"default": {"model": "m"} | ({"baseURL": base} if base else {})},
        "skills": [{"skillPackRef": name} for name in skills],
    }
    reference = {key: value for key, value in (("provider", provider), ("secret", secret)) if value is not None}
    if reference:
        long["authRefs"] = [reference]
    if prompt is not None:
        short["systemPrompt"], long["memory"], short["memory"] = (
            prompt,
            {"enabled": True, "systemPrompt": prompt},
            {"enabled": True},
        )
    if policy is not None:
        short["policy"], long["policyRef"] = policy, policy
    if skills and parameter is not None:
        short["skillConfig"] = {skills[-1]: {"key": parameter}}
        long["skills"][-1]["params"] = {"key": parameter}
    assert load.normalise(_resource("SympoziumInstance", short)) == load.normalise(_resource("SympoziumInstance", long))


@given(ask=st.lists(TOOL, unique=True, max_size=3), allow=st.none() | st.lists(TOOL, unique=True, max_size=4))
def test_a_policy_is_the_same_in_both_spellings(ask: list[str], allow: list[str] | None) -> None:
    short: dict[str, Any] = {"requireApproval": ask} | ({"allowedTools": allow} if allow is not None else {})
    rules = [{"tool": tool, "action": "ask"} for tool in ask]
    rules += [{"tool": tool, "action": "allow"} for tool in allow or [] if tool not in ask]
    long = {"toolGating": {"rules": rules} | ({"defaultAction": "deny"} if allow is not None else {})}
    assert load.normalise(_resource("SympoziumPolicy", short)) == load.normalise(_resource("SympoziumPolicy", long))


@given(st.text(min_size=1, max_size=50).filter(lambda text: bool(text.strip())), NAME, st.booleans())
def test_a_run_is_the_same_in_both_spellings(task: str, instance: str, cancel: bool) -> None:
    if not task.isprintable() and any(0xD800 <= ord(character) <= 0xDFFF for character in task):
        return
    short = _resource("AgentRun", {"agentRef": instance, "input": task, "cancel": cancel})
    long = _resource("AgentRun", {"instanceRef": instance, "task": task, "cancel": cancel})
    assert load.normalise(short) == load.normalise(long)
