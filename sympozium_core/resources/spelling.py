"""The one place where both spellings of a resource become one: the short one of the article, and that of release v0.8.0.

`to_normal` moves what is written in another spelling to its place in the normal form (described at the top of each kind's module), remembers
from where, so that a later complaint names the field as it was written, and refuses two spellings of one field that disagree.
It checks nothing else: what is of the wrong type stays where it is, for the model to refuse.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sympozium_core.errors import Cause
from sympozium_core.resources import tool_names
from sympozium_core.resources.faults import shown
from sympozium_core.resources.paths import Path, written

_GONE = object()

RENAMED: Mapping[str, tuple[tuple[Path, Path], ...]] = {
    "SympoziumInstance": (
        (("provider", "model"), ("agents", "default", "model")),
        (("provider", "baseURL"), ("agents", "default", "baseURL")),
        (("memory", "systemPrompt"), ("systemPrompt",)),
        (("policy",), ("policyRef",)),
    ),
    "AgentRun": ((("agentRef",), ("instanceRef",)), (("input",), ("task",))),
    "SympoziumSchedule": ((("agentRef",), ("instanceRef",)), (("input",), ("task",))),
    "PersonaPack": ((("agentConfigs",), ("personas",)), (("policy",), ("policyRef",))),
    "SympoziumPolicy": ((("sandbox", "enabled"), ("sandboxPolicy", "required")),),
}
"""By kind: fields of the spec that only moved, as written and in the normal form."""

SHORT_OBJECTS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "SympoziumInstance": {"provider": ("name", "model", "baseURL", "apiKeySecret")},
    "SympoziumPolicy": {"sandbox": ("enabled", "runtimeClass")},
}
"""By kind: objects that exist in the short spelling only, with their fields."""

SHORT_FIELDS: Mapping[str, tuple[str, ...]] = {
    "SympoziumInstance": ("provider", "policy", "skillConfig"),
    "AgentRun": ("agentRef", "input", "skillConfig"),
    "SympoziumSchedule": ("agentRef", "input"),
    "PersonaPack": ("agentConfigs", "policy"),
    "SympoziumPolicy": ("sandbox", "requireApproval", "allowedTools"),
}
"""By kind: fields directly under `spec` that the normal form does not have."""


_DISCREET = frozenset(("task", "systemPrompt", "secret", "personas"))
"""Fields whose values no message shows."""


@dataclass
class Respelt:
    """A spec on its way to the normal form."""

    kind: str
    spec: dict[str, Any]
    origins: dict[Path, Path] = field(default_factory=dict)
    """Where a value of the normal form was written; paths begin with ``spec``."""
    causes: list[Cause] = field(default_factory=list)
    _own: set[int] = field(default_factory=set)

    def refuse(self, path: Path, message: str, hint: str = "") -> None:
        self.causes.append(Cause(written(("spec", *path)), message, hint))

    def take(self, path: Path) -> Any:
        """Removes the value and returns it; `_GONE` when there is none. A null is none."""
        parent: Any = self.spec
        for step in path[:-1]:
            parent = parent.get(step) if isinstance(parent, dict) else None
        if not isinstance(parent, dict) or path[-1] not in parent:
            return _GONE
        parent = self._writable(path[:-1])
        value = parent.pop(path[-1])
        return _GONE if value is None else value

    def put(self, path: Path, value: Any, origin: Path) -> None:
        """Sets the value in the normal form, unless the same field is there with another value."""
        try:
            parent = self._writable(path[:-1])
        except TypeError:
            return  # something above is no object: the model says so
        if not isinstance(parent, dict):
            return
        present = parent.get(path[-1])
        if present is None:
            parent[path[-1]] = value
            self.origins[("spec", *path)] = ("spec", *origin)
        elif present != value or type(present) is not type(value):
            other = written(("spec", *path))
            differs = (
                f"differs from {other}" if path[-1] in _DISCREET else f"is {shown(value)}, but {other} is {shown(present)}"
            )
            self.refuse(origin, differs, "one field, two spellings: keep one")

    def _writable(self, path: Path) -> Any:
        """The object or list at the path, made where it is missing, copied once where it is the caller's."""
        here: Any = self.spec
        for step in path:
            child = here.get(step) if isinstance(here, dict) else here[step]
            if child is None:
                child = {}
                self._own.add(id(child))
            elif not isinstance(child, dict | list):
                raise TypeError
            elif id(child) not in self._own:
                child = child.copy()
                self._own.add(id(child))
            here[step] = child
            here = child
        return here


def to_normal(kind: str, spec: Mapping[str, Any]) -> Respelt:
    """The spec of an object of the kind in the normal form. Never changes `spec`, never raises."""
    work = Respelt(kind, dict(spec))
    for origin, place in RENAMED.get(kind, ()):
        if origin[0] in spec:
            value = work.take(origin)
            if value is not _GONE:
                work.put(place, value, origin)
    special = _SPECIAL.get(kind)
    if special is not None:
        special(work)
    for name, fields in SHORT_OBJECTS.get(kind, {}).items():
        if name in work.spec:
            _close(work, name, fields)
    return work


def _close(work: Respelt, name: str, fields: tuple[str, ...]) -> None:
    """Drops an object of the short spelling after everything known was taken out of it."""
    rest = work.spec.pop(name)
    if rest is None:
        return
    if not isinstance(rest, dict):
        work.refuse((name,), f"is {shown(rest)} instead of an object", f"with {', '.join(fields)}")
        return
    for key in rest:
        work.refuse((name, key), "unknown field", _near(key, fields))


def _near(key: Any, fields: tuple[str, ...]) -> str:
    from difflib import get_close_matches

    low = {name.lower(): name for name in fields}
    found = get_close_matches(str(key).lower(), low, 1, 0.5)
    return f"did you mean {low[found[0]]}?" if found else f"it has {', '.join(fields)}"


def _instance(work: Respelt) -> None:
    for key, place in (("name", "provider"), ("apiKeySecret", "secret")):
        value = work.take(("provider", key))
        if value is _GONE:
            continue
        references = work.spec.get("authRefs")
        if references is None or references == []:
            work.spec["authRefs"] = [{}]
            work.origins[("spec", "authRefs", 0)] = ("spec", "provider")
        work_on = work.spec["authRefs"]
        if isinstance(work_on, list) and isinstance(work_on[0], dict):
            work.put(("authRefs", 0, place), value, ("provider", key))
    if "provider" in work.spec:  # then a model that nobody named is missing there
        work.origins.setdefault(("spec", "agents", "default", "model"), ("spec", "provider", "model"))
        if "agents" not in work.spec:
            work.origins[("spec", "agents")] = ("spec", "provider", "model")
    _skills(work)


def _skills(work: Respelt) -> None:
    """``skills: [k8s-ops]`` and ``skillConfig`` become references with parameters."""
    skills = work.spec.get("skills")
    if isinstance(skills, list) and any(isinstance(item, str) for item in skills):
        work.spec["skills"] = [{"skillPackRef": item} if isinstance(item, str) else item for item in skills]
        for index, item in enumerate(skills):
            if isinstance(item, str):
                work.origins[("spec", "skills", index)] = ("spec", "skills", index)
                work.origins[("spec", "skills", index, "skillPackRef")] = ("spec", "skills", index)
    config = work.take(("skillConfig",))
    if config is _GONE:
        return
    if not isinstance(config, dict):
        work.refuse(("skillConfig",), f"is {shown(config)} instead of an object", "the parameters of each skill by its name")
        return
    for pack, parameters in config.items():
        _skill_config(work, pack, parameters)


def _skill_config(work: Respelt, pack: Any, parameters: Any) -> None:
    skills = work.spec.get("skills")
    names = (
        [item.get("skillPackRef") if isinstance(item, dict) else None for item in skills] if isinstance(skills, list) else []
    )
    if pack not in names:
        known = ", ".join(name for name in names if isinstance(name, str)) or "none"
        work.refuse(("skillConfig", pack), "is no skill of this agent", f"spec.skills has {known}")
        return
    if parameters is None:
        return
    if not isinstance(parameters, dict):
        work.refuse(("skillConfig", pack), f"is {shown(parameters)} instead of an object", 'such as {namespaces: ["payments"]}')
        return
    for key, value in parameters.items():
        if value is None:
            continue
        text = _parameter(value)
        origin = ("skillConfig", pack, key)
        if text is None:
            work.refuse(origin, f"is {shown(value)}", "a string, number, true, false, or a list of these")
        else:
            work.put(("skills", names.index(pack), "params", key), text, origin)


def _parameter(value: Any) -> str | None:
    """A parameter as the sidecar's environment holds it; None for what cannot be there."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, list):
        parts = [_parameter(item) if not isinstance(item, list) else None for item in value]
        return ",".join(part for part in parts if part is not None) if None not in parts else None
    return None


def _policy(work: Respelt) -> None:
    runtime_class = work.take(("sandbox", "runtimeClass"))
    if runtime_class is not _GONE:
        _runtime_class(work, runtime_class)
    ask, allow = work.take(("requireApproval",)), work.take(("allowedTools",))
    before = _tools(work, "requireApproval", "ask", ask, ())
    asked = tuple(tool for tool in ask if isinstance(tool, str)) if isinstance(ask, list) else ()
    after = _tools(work, "allowedTools", "allow", allow, asked)
    if ask is not _GONE or allow is not _GONE:
        _merge_rules(work, before, after)
    if isinstance(allow, list):
        work.put(("toolGating", "defaultAction"), "deny", ("allowedTools",))


def _runtime_class(work: Respelt, runtime_class: Any) -> None:
    """The class is the default, and where nothing else is said the only one, as mandatory as the sandbox itself."""
    origin: Path = ("sandbox", "runtimeClass")
    place: Path = ("sandboxPolicy", "agentSandboxPolicy")
    work.put((*place, "defaultRuntimeClass"), runtime_class, origin)
    sandbox = work.spec.get("sandboxPolicy")
    isolation = sandbox.get("agentSandboxPolicy") if isinstance(sandbox, dict) else None
    if isinstance(sandbox, dict) and isinstance(isolation, dict):
        if isolation.get("required") is None:
            work.put((*place, "required"), sandbox.get("required") is True, origin)
        if isolation.get("allowedRuntimeClasses") is None:
            work.put((*place, "allowedRuntimeClasses"), [runtime_class], origin)


Gate = tuple[dict[str, Any], Path]


def _tools(work: Respelt, name: str, action: str, tools: Any, but: tuple[str, ...]) -> list[Gate]:
    if tools is _GONE:
        return []
    if not isinstance(tools, list):
        work.refuse(
            (name,),
            f"is {shown(tools)} instead of a list",
            f"such as [{'execute_command' if action == 'ask' else 'read_file'}]",
        )
        return []
    return [({"tool": tool, "action": action}, (name, index)) for index, tool in enumerate(tools) if tool not in but]


def _merge_rules(work: Respelt, before: list[Gate], after: list[Gate]) -> None:
    """Puts the short lists around the rules; a rule that speaks of the same tool must say the same."""
    gating = work.spec.get("toolGating")
    rules = gating.get("rules") if isinstance(gating, dict) else None
    if (gating is not None and not isinstance(gating, dict)) or (rules is not None and not isinstance(rules, list)):
        return
    present = [(rule, ("toolGating", "rules", index)) for index, rule in enumerate(rules or [])]
    merged: list[tuple[Any, Path]] = [
        *_agreeing(work, before, present),
        *present,
        *_agreeing(work, after, present),
    ]
    work._writable(("toolGating",))["rules"] = [rule for rule, _ in merged]
    for index, (rule, origin) in enumerate(merged):
        place: Path = ("spec", "toolGating", "rules", index)
        work.origins[place] = ("spec", *origin)
        if isinstance(rule, dict) and origin[0] != "toolGating":
            work.origins[(*place, "tool")] = ("spec", *origin)


def _agreeing(work: Respelt, short: list[Gate], present: list[tuple[Any, Path]]) -> list[Gate]:
    kept = []
    for gate, origin in short:
        same = False
        for rule, place in present:
            tool = rule.get("tool") if isinstance(rule, dict) else None
            if not isinstance(tool, str) or not isinstance(gate["tool"], str) or not tool_names.overlap(tool, gate["tool"]):
                continue
            if rule.get("action") != gate["action"]:
                work.refuse(
                    origin,
                    f"{shown(gate['tool'])} is {gate['action']} here, but {written(('spec', *place))} says {shown(rule.get('action'))}",
                    "say it in one place",
                )
            same = same or (tool == gate["tool"] and rule.get("action") == gate["action"])
        if not same:
            kept.append((gate, origin))
    return kept


_SPECIAL: Mapping[str, Callable[[Respelt], None]] = {
    "SympoziumInstance": _instance,
    "AgentRun": _skills,
    "SympoziumPolicy": _policy,
}

MIRRORED = (("result", "output"), ("startedAt", "startTime"), ("completedAt", "completionTime"))


def mirrored(status: Mapping[str, Any]) -> dict[str, Any]:
    """The status of an AgentRun with both spellings of what has two; the normal one wins where they differ."""
    both = dict(status)
    for normal, other in MIRRORED:
        if normal in both:
            both[other] = both[normal]
        elif other in both:
            both[normal] = both[other]
    return both
