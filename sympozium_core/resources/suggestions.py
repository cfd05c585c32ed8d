"""What a person may have meant: the nearest field, what known wrong names stand for, and a good value of each field."""

from __future__ import annotations

import re
from collections.abc import Mapping
from difflib import get_close_matches
from functools import lru_cache
from typing import Any, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from sympozium_core.resources.paths import Path, written
from sympozium_core.resources.spelling import SHORT_FIELDS

GOOD: Mapping[str, str] = {
    "agentId": "default", "allow": "[read_file]", "allowed": "[read_file]", "apiGroups": '[""]', "apiVersion": "sympozium.ai/v1alpha1",
    "authRefs": "[{provider: openai, secret: openai-secret}]", "authSecretRef": "openai-secret", "agents": "{default: {model: gpt-4o}}",
    "baseURL": "https://api.openai.com/v1", "cleanup": "delete", "command": "[/usr/local/bin/serve]", "configRef": "{secret: my-secret}",
    "content": "Markdown text", "cron": '"0 9 * * 1-5"', "default": "{model: gpt-4o}", "deny": "[execute_command]", "enabled": "true",
    "env": "{LOG_LEVEL: debug}", "exec": "[kubectl, get, pods]", "image": "ghcr.io/acme/tool:1.0", "input": "a task in plain words",
    "instanceRef": "my-agent", "interval": "30m", "limits": '{cpu: "2", memory: 4Gi}', "maxCPU": '"4"', "maxMemory": "8Gi",
    "metadata": "{name: my-agent}", "model": "gpt-4o", "name": "my-agent", "namespace": "default", "personas": "[{name: …, systemPrompt: …}]",
    "policyRef": "default", "policy": "default", "provider": "openai", "resources": "[pods]", "runtimeClass": "gvisor",
    "schedule": '"0 9 * * 1-5"', "secret": "openai-secret", "sessionKey": "session-1", "skillPackRef": "k8s-ops", "skills": "[k8s-ops]",
    "spec": "see docs", "systemPrompt": "You are …", "task": "a task in plain words", "timeout": "10m", "timezone": "Europe/Paris",
    "tool": "execute_command", "toolsPrefix": "github", "transportType": "http", "type": "telegram", "url": "https://mcp.example.com/mcp",
    "verbs": "[get, list]",
}  # fmt: skip
"""By field name: what to write after it."""

GOOD_OBJECTS: Mapping[str, str] = {"model": "{model: gpt-4o}", "schedule": '{cron: "0 9 * * 1-5"}'}
"""For fields that are plain values in one kind and objects in another."""

_MODEL_LIMIT = "leave it out: the limit is the model's own"
_POLICY = "approval is asked by the policy: requireApproval in a SympoziumPolicy"
MEANT: Mapping[tuple[str, str], str] = {
    ("AgentRun", "spec.agentID"): "did you mean agentId? write agentId: {value}",
    ("AgentRun", "spec.model.name"): "did you mean model? write model: {value}",
    ("AgentRun", "spec.model.maxTokens"): _MODEL_LIMIT,
    ("AgentRun", "spec.model.secretRef"): "did you mean authSecretRef? write authSecretRef: {value}",
    ("AgentRun", "spec.model.apiKeySecret"): "did you mean authSecretRef? write authSecretRef: {value}",
    ("AgentRun", "spec.toolPolicy.allowed"): "did you mean allow? write allow: {value}",
    ("AgentRun", "spec.toolPolicy.denied"): "did you mean deny? write deny: {value}",
    ("AgentRun", "spec.toolPolicy.requireApproval"): _POLICY,
    ("AgentRun", "spec.prompt"): "did you mean task? write task: {value}",
    ("AgentRun", "spec.instance"): "did you mean instanceRef? write instanceRef: {value}",
    ("AgentRun", "spec.skills[].name"): "did you mean skillPackRef? write skillPackRef: {value}",
    ("AgentRun", "spec.policyRef"): "the policy of a run is its instance's: policyRef in the SympoziumInstance",
    ("AgentRun", "spec.policy"): "the policy of a run is its instance's: policyRef in the SympoziumInstance",
    ("SympoziumInstance", "spec.channels[].secretRef"): "did you mean configRef? write configRef: {{secret: {value}}}",
    (
        "SympoziumInstance",
        "spec.agents.default.image",
    ): "leave it out: the agent's image is the control plane's; a skill brings its own",
    ("SympoziumInstance", "spec.agents.default.maxTokens"): _MODEL_LIMIT,
    ("SympoziumInstance", "spec.agents.sandbox"): (
        'did you mean agents.default.sandbox? write agents: {{default: {{sandbox: {{enabled: true, resources: {{limits: {{cpu: "2"}}}}}}}}}}'
    ),
    ("SympoziumInstance", "spec.agents.subagents"): (
        "did you mean agents.default.subagents? write agents: {{default: {{subagents: {{maxDepth: 3, maxConcurrent: 5}}}}}}"
    ),
    ("SympoziumInstance", "spec.agents.default.sandbox.resourceLimits"): (
        'did you mean resources? write resources: {{limits: {{cpu: "2", memory: 4Gi}}}}'
    ),
    ("SympoziumInstance", "spec.skills[].name"): "did you mean skillPackRef? write skillPackRef: {value}",
    ("SympoziumInstance", "spec.authRefs[].secretName"): "did you mean secret? write secret: {value}",
    ("SympoziumInstance", "spec.authRefs[].secretRef"): "did you mean secret? write secret: {value}",
    ("SympoziumInstance", "spec.model"): "did you mean agents? write agents: {{default: {{model: gpt-4o}}}}",
    ("PersonaPack", "spec.authRefs[].secretName"): "did you mean secret? write secret: {value}",
    ("PersonaPack", "spec.personas[].toolPolicy.allowed"): "did you mean allow? write allow: {value}",
    ("PersonaPack", "spec.personas[].toolPolicy.denied"): "did you mean deny? write deny: {value}",
    ("PersonaPack", "spec.personas[].prompt"): "did you mean systemPrompt? write systemPrompt: {value}",
    (
        "SympoziumPolicy",
        "spec.toolPolicy",
    ): "did you mean toolGating? write toolGating: {{rules: [{{tool: execute_command, action: ask}}]}}",
    ("SympoziumPolicy", "spec.toolGating.default"): "did you mean defaultAction? write defaultAction: {value}",
    ("SympoziumPolicy", "spec.deniedTools"): "write toolGating: {{rules: [{{tool: …, action: deny}}]}}",
    ("SympoziumSchedule", "spec.cron"): "did you mean schedule? write schedule: {value}",
    ("SympoziumSchedule", "spec.timeZone"): "did you mean timezone? write timezone: {value}",
    ("SympoziumSchedule", "spec.prompt"): "did you mean task? write task: {value}",
}
"""By kind and path: names that people write, and what they mean by them; those of the original's own broken samples among them."""

_WORD = re.compile(r"[a-z0-9_*.-]{1,40}")

MEANT_VALUES: Mapping[str, str] = {
    "onfailure": "keep",
    "onsuccess": "delete",
    "always": "delete",
    "never": "keep",
    "none": "keep",
}
"""Values that other systems have where we have ``delete`` and ``keep``."""


def unknown(model_class: type[BaseModel], path: Path, value: Any) -> str:
    """What to do about a field that is not there: `path` is in the normal form, from the top of the object."""
    pattern = written(tuple("[]" if isinstance(step, int) else step for step in path)).replace("['[]']", "[]")
    meant = MEANT.get((model_class.__name__, pattern))
    if meant is not None:
        return meant.format(value=_inline(value) if "secret" not in str(path[-1]).lower() else _secret_name(value))
    name = str(path[-1])
    here = names_at(model_class, path[:-1])
    low = {field.lower(): field for field in here}
    near = get_close_matches(name.lower(), low, 1, 0.7)
    if near:
        return f"did you mean {low[near[0]]}?{_example(low[near[0]])}"
    elsewhere = [place for place in _all_places(model_class) if place[-1] == name]
    if elsewhere:
        return f"it belongs at {written(elsewhere[0])}"
    return "remove it; known here: " + ", ".join(sorted(here)[:20]) if here else "remove it"


def good(path: Path) -> str:
    """A good value of the field, ready to be written."""
    name = next((step for step in reversed(path) if isinstance(step, str)), "")
    return f"such as {name}: {GOOD[name]}" if name in GOOD else ""


def choice(value: Any, allowed: list[str]) -> str:
    """Which of the allowed values may be meant."""
    low = {word.lower(): word for word in allowed}
    text = str(value).lower()
    near = get_close_matches(text, low, 1, 0.6)
    meant = low[near[0]] if near else MEANT_VALUES.get(text.replace("-", "").replace("_", ""))
    listed = "one of " + ", ".join(allowed)
    return f"did you mean {meant}? {listed}" if meant in allowed else listed


def retyped(wanted: str, value: Any, path: Path) -> str:
    """How to write the value so that it has the wanted type (a name of pydantic's errors)."""
    if wanted == "string_type" and isinstance(value, bool | int | float):
        text = ("true" if value else "false") if isinstance(value, bool) else str(value)[:40]
        return f'put it in quotes: "{text}"'
    if wanted == "string_type" and isinstance(value, dict) and isinstance(value.get("skillPackRef"), str):
        return f"write the name alone: {value['skillPackRef'][:80]}"
    if wanted == "list_type" and isinstance(value, str) and _WORD.fullmatch(value):
        return f"write [{value}]"
    if wanted in ("dict_type", "model_type") and path and path[-1] in GOOD_OBJECTS:
        return f"such as {path[-1]}: {GOOD_OBJECTS[str(path[-1])]}"
    if wanted in ("int_type", "bool_type") and isinstance(value, str):
        return "write it without quotes" if value.lower() in ("true", "false") or value.isdigit() else good(path)
    return good(path)


def _example(name: str) -> str:
    return f" such as {name}: {GOOD[name]}" if name in GOOD else ""


def _secret_name(value: Any) -> str:
    """The name of a Secret for a message, unless it looks like a key that somebody pasted."""
    plain = isinstance(value, str) and _WORD.fullmatch(value) and not value.startswith(("sk-", "key-", "ghp-", "xox"))
    return str(value) if plain else "my-secret"


def _inline(value: Any) -> str:
    """The value as it would stand in YAML, as far as it is short and plain."""
    if isinstance(value, list) and len(value) <= 5 and all(isinstance(item, str) and len(item) <= 40 for item in value):
        return "[" + ", ".join(value) + "]"
    if isinstance(value, str) and len(value) <= 60 and "\n" not in value:
        return value
    return "…"


def models_in(annotation: Any) -> list[type[BaseModel]]:
    """The models that an annotation mentions: ``list[Skill] | None`` mentions `Skill`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for argument in get_args(annotation) for model in models_in(argument)]


def _fields(model: type[BaseModel]) -> dict[str, FieldInfo]:
    return {field.alias or name: field for name, field in model.model_fields.items()}


def names_at(model_class: type[BaseModel], path: Path) -> list[str]:
    """The fields of the object at the path, short spellings among them."""
    model: type[BaseModel] | None = model_class
    for step in path:
        if model is None:
            return []
        field = _fields(model).get(step) if isinstance(step, str) else None
        if field is not None:
            below = models_in(field.annotation)
            model = below[0] if below else None
    if model is None:
        return []
    return [*_fields(model), *(SHORT_FIELDS.get(model_class.__name__, ()) if path == ("spec",) else ())]


@lru_cache(maxsize=16)
def _all_places(model_class: type[BaseModel]) -> tuple[Path, ...]:
    """Every field of a kind's spec, the shallow ones first."""
    found: list[Path] = []
    level: list[tuple[Path, type[BaseModel]]] = [((), model_class)]
    while level:
        below: list[tuple[Path, type[BaseModel]]] = []
        for path, model in level:
            for name, field in _fields(model).items():
                if path == () and name != "spec":
                    continue
                found.append((*path, name))
                below += [((*path, name), child) for child in models_in(field.annotation)]
        level = below
    return tuple(found)
