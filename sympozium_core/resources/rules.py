"""Rules that join several fields of one object: each as a check here and, where it can say it, as a CEL rule in the CRD.

They run on the normal form before the model does, so that what they find is reported together with everything else; values of the wrong type
are the model's to refuse, and pass here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sympozium_core.names import NATIVE_TOOLS
from sympozium_core.resources import tool_schemas
from sympozium_core.resources.faults import shown
from sympozium_core.resources.paths import Path

Complaint = tuple[Path, str, str]
"""Field below the rule's place, what is wrong, what would be right."""

EACH = "*"
"""In a rule's place: every item of a list."""


@dataclass(frozen=True)
class Rule:
    kinds: tuple[str, ...]
    place: Path
    """From the top of the object to the value that is checked."""
    check: Callable[[Mapping[str, Any]], Complaint | None]
    """Gets an object."""
    cel: str = ""
    """The same in CEL (`x-kubernetes-validations`), true when all is well; empty where CEL cannot see the fields."""
    message: str = ""


def _whole_model(model: Mapping[str, Any]) -> Complaint | None:
    if model.get("provider") and model.get("authSecretRef") is None:
        return (
            ("authSecretRef",),
            "is missing, but the provider is given",
            'such as openai-secret, or "" for a provider without a key',
        )
    return None


def _skill_named(skill: Mapping[str, Any]) -> Complaint | None:
    if skill.get("skillPackRef") is None and skill.get("configMapRef") is None:
        return ("skillPackRef",), "is missing: the entry names no skill", "such as k8s-ops"
    return None


def _server_reachable(spec: Mapping[str, Any]) -> Complaint | None:
    if spec.get("transportType") == "stdio" and spec.get("deployment") is None:
        return ("deployment",), "is missing: a server on stdio is one that runs here", "such as {image: ghcr.io/acme/server:1}"
    if spec.get("url") is None and spec.get("deployment") is None:
        return ("url",), "is missing, and so is deployment", "such as https://mcp.example.com/mcp"
    if spec.get("url") is not None and spec.get("deployment") is not None:
        return ("url",), "is there beside deployment, which says where the server is", "leave one of them out"
    return None


def _program_named(spec: Mapping[str, Any]) -> Complaint | None:
    deployment = spec.get("deployment")
    if not isinstance(deployment, dict) or deployment.get("cmd"):
        return None
    if spec.get("transportType") == "stdio":
        return ("deployment", "cmd"), "is missing: the program that is spoken to", "such as npx, with its words in args"
    if not deployment.get("image"):
        return ("deployment", "image"), "is missing, and so is cmd", "such as ghcr.io/acme/server:1"
    return None


def _header_said(header: Mapping[str, Any]) -> Complaint | None:
    if header.get("value") is None and header.get("valueFrom") is None:
        return ("value",), "is missing, and so is valueFrom", "such as valueFrom: {secretKeyRef: {name: github, key: token}}"
    return None


def _own_address(binding: Mapping[str, Any]) -> Complaint | None:
    """Whoever may change the MCPServer could have the Secret sent anywhere."""
    for field in ("authSecret", "authKey", "headers"):
        if binding.get(field) and binding.get("url") is None:
            hint = "put it into headers of the MCPServer, or give the url here"
            return (field,), "goes with url: without one the entry is an MCPServer, which has headers of its own", hint
    return None


def _schedule_timed(schedule: Mapping[str, Any]) -> Complaint | None:
    if schedule.get("interval") is None and schedule.get("cron") is None:
        return ("interval",), "is missing, and so is cron", "such as 30m"
    return None


def _class_allowed(isolation: Mapping[str, Any]) -> Complaint | None:
    allowed, chosen = isolation.get("allowedRuntimeClasses"), isolation.get("defaultRuntimeClass")
    if isinstance(allowed, list) and isinstance(chosen, str) and chosen not in allowed:
        return (
            ("defaultRuntimeClass",),
            f"{shown(chosen)} is not among allowedRuntimeClasses",
            "add it there, or choose one of them",
        )
    return None


def _arguments_known(tool: Mapping[str, Any]) -> Complaint | None:
    parameters = tool.get("parameters")
    known = parameters.get("properties") if isinstance(parameters, dict) else {}
    for index, name in enumerate(_items(tool.get("positionalArgs"))):
        if isinstance(name, str) and isinstance(known, dict) and name not in known:
            return ("positionalArgs", index), f"{shown(name)} is no parameter of the tool", "add it to parameters.properties"
    return None


def _condition_binds(rule: Mapping[str, Any]) -> Complaint | None:
    """What the agent's own program does it does without asking: the bridge sees no call of it, and nobody could hold it to a condition."""
    if rule.get("when") is not None and rule.get("tool") in NATIVE_TOOLS:
        return (
            ("when",),
            f"cannot bind {rule['tool']}, which runs in the agent's own container",
            f"allow or deny {rule['tool']} whole; put conditions on execute_command or on a skill's tools",
        )
    return None


def _named(metadata: Mapping[str, Any]) -> Complaint | None:
    if not metadata.get("name") and not metadata.get("generateName"):
        return ("name",), "is missing", "name: my-agent, or generateName: my-agent- to have one made up"
    return None


def _unique(field: str, key: str) -> Callable[[Mapping[str, Any]], Complaint | None]:
    def check(parent: Mapping[str, Any]) -> Complaint | None:
        seen: set[str] = set()
        for index, item in enumerate(_items(parent.get(field))):
            name = item.get(key) if isinstance(item, dict) else None
            if isinstance(name, str):
                if name in seen:
                    return (field, index, key), f"{shown(name)} is there twice", "each only once"
                seen.add(name)
        return None

    return check


RULES = (
    Rule(
        ("AgentRun",),
        ("spec", "model"),
        _whole_model,
        "!has(self.provider) || self.provider == '' || has(self.authSecretRef)",
        "authSecretRef goes with provider: the name of a Secret, or an empty string for a provider without a key",
    ),
    Rule(("AgentRun", "SympoziumInstance"), ("spec", "skills", EACH), _skill_named),
    Rule(("AgentRun", "SympoziumInstance"), ("spec",), _unique("skills", "skillPackRef")),
    Rule(
        ("MCPServer",),
        ("spec",),
        _server_reachable,
        "has(self.deployment) != has(self.url) && (has(self.deployment) || self.transportType != 'stdio')",
        "a server that runs elsewhere needs url, one that runs here (always with stdio) needs deployment",
    ),
    Rule(
        ("MCPServer",),
        ("spec",),
        _program_named,
        "!has(self.deployment) || has(self.deployment.cmd) || (has(self.deployment.image) && self.transportType != 'stdio')",
        "deployment needs cmd with stdio, else image or cmd",
    ),
    Rule(
        ("MCPServer",),
        ("spec", "headers", EACH),
        _header_said,
        "has(self.value) || has(self.valueFrom)",
        "a header needs value, or valueFrom",
    ),
    Rule(("SympoziumInstance",), ("spec", "mcpServers", EACH), _own_address),
    Rule(("SympoziumInstance",), ("spec",), _unique("mcpServers", "name")),
    Rule(
        ("PersonaPack",),
        ("spec", "personas", EACH, "schedule"),
        _schedule_timed,
        "has(self.interval) || has(self.cron)",
        "a schedule needs interval, such as 30m, or cron",
    ),
    Rule(
        ("SympoziumPolicy",),
        ("spec", "sandboxPolicy", "agentSandboxPolicy"),
        _class_allowed,
        "!has(self.allowedRuntimeClasses) || !has(self.defaultRuntimeClass)"
        " || self.defaultRuntimeClass in self.allowedRuntimeClasses",
        "defaultRuntimeClass has to be among allowedRuntimeClasses",
    ),
    Rule(("SympoziumPolicy",), ("spec", "toolGating", "rules", EACH), _condition_binds),
    Rule(("SkillPack",), ("spec", "sidecar", "tools", EACH), tool_schemas.complaint),
    Rule(("SkillPack",), ("spec", "sidecar", "tools", EACH), _arguments_known),
    Rule(("SkillPack",), ("spec", "sidecar"), _unique("tools", "name")),
    Rule(("SkillPack",), ("spec",), _unique("skills", "name")),
    Rule(("PersonaPack",), ("spec",), _unique("personas", "name")),
)
NAMED = Rule((), ("metadata",), _named)
"""Of every kind; the API server checks it itself."""

GATES = ("code-execution", "sub-agents", "browser-automation", "file-access")


def complaints(kind: str, obj: Mapping[str, Any]) -> Iterator[Complaint]:
    """What the rules of the kind find, with paths from the top of the object in its normal form."""
    for rule in (NAMED, *_of(kind)):
        for path, value in _places(obj, rule.place, ()):
            found = rule.check(value)
            if found is not None:
                yield (*path, *found[0]), found[1], found[2]


def warnings(kind: str, spec: Mapping[str, Any]) -> list[str]:
    """What is allowed but does not do what its writer may think."""
    if kind == "SympoziumPolicy" and isinstance(spec.get("featureGates"), dict):
        unknown = [gate for gate in spec["featureGates"] if gate not in GATES]
        return [
            f"spec.featureGates: {shown(gate)} is no gate that anything asks for ({', '.join(GATES)})" for gate in unknown[:10]
        ]
    if kind == "PersonaPack":
        return [
            f"spec.personas[{index}].schedule: cron wins, interval does nothing"
            for index, persona in enumerate(_items(spec.get("personas")))
            if isinstance(persona, dict) and isinstance(schedule := persona.get("schedule"), dict)
            if schedule.get("cron") is not None and schedule.get("interval") is not None
        ]
    return []


def _items(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _of(kind: str) -> tuple[Rule, ...]:
    return _BY_KIND.get(kind, ())


def _places(value: Any, place: Path, path: Path) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    if not place:
        if isinstance(value, dict):
            yield path, value
        return
    step, rest = place[0], place[1:]
    if step == EACH:
        for index, item in enumerate(_items(value)):
            yield from _places(item, rest, (*path, index))
    elif isinstance(value, dict) and step in value:
        yield from _places(value[step], rest, (*path, step))


_BY_KIND = {
    kind: tuple(rule for rule in RULES if kind in rule.kinds) for kind in {kind for rule in RULES for kind in rule.kinds}
}
