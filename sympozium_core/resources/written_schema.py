"""What a CRD's schema has beyond the normal form: the other spellings, and the rules that join several fields (CEL).

CEL rules run in the API server (``x-kubernetes-validations``). Where a field has no type there (the items of `skills` are names or objects),
they cannot look; reading an object still does. None says what may change later: a schema's rules run at every write of an object, those of its
status included, so that such rules were a quarter of what a status cost. ValidatingAdmissionPolicies (`installation/admission.py`) say it.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from sympozium_core.resources.paths import Path, written
from sympozium_core.resources.rules import EACH, RULES
from sympozium_core.resources.spelling import RENAMED
from sympozium_core.resources.structural import PRESERVE, Schema

VALIDATIONS = "x-kubernetes-validations"
UNIQUE: Mapping[str, tuple[tuple[Path, str], ...]] = {
    "PersonaPack": ((("spec", "personas"), "name"), (("spec", "agentConfigs"), "name")),
    "SkillPack": ((("spec", "skills"), "name"), (("spec", "sidecar", "tools"), "name")),
}
"""By kind: lists whose items are told apart by a key (`x-kubernetes-list-type: map`)."""

_ANYTHING: Schema = {PRESERVE: True}
_STRING: Schema = {"type": "string"}
_OWN_FIELDS: Mapping[str, Mapping[Path, Schema]] = {
    "SympoziumInstance": {
        ("provider", "name"): {**_STRING, "nullable": True, "description": "The same as authRefs[0].provider."},
        ("provider", "apiKeySecret"): {**_STRING, "nullable": True, "description": "The same as authRefs[0].secret."},
        ("skillConfig",): {
            "type": "object",
            "nullable": True,
            "additionalProperties": {"type": "object", PRESERVE: True, "nullable": True},
            "description": "Parameters of each skill, by the name of its SkillPack; lists are joined by commas.",
        },
    },
    "AgentRun": {},
    "SympoziumPolicy": {
        ("sandbox", "runtimeClass"): {
            **_STRING,
            "nullable": True,
            "description": "The runtime class of runs, as mandatory as the sandbox.",
        },
        ("requireApproval",): {
            "type": "array",
            "items": _STRING,
            "nullable": True,
            "description": "Tools, or patterns over them, that wait for a person.",
        },
        ("allowedTools",): {
            "type": "array",
            "items": _STRING,
            "nullable": True,
            "description": "The only tools, or patterns over them, that may be used.",
        },
    },
}
_SHARED_PATTERNS: Mapping[str, Mapping[Path, Path]] = {
    "SympoziumInstance": {("provider", "apiKeySecret"): ("authRefs", EACH, "secret")},
    "SympoziumPolicy": {
        ("sandbox", "runtimeClass"): ("sandboxPolicy", "agentSandboxPolicy", "defaultRuntimeClass"),
        ("requireApproval", EACH): ("toolGating", "rules", EACH, "tool"),
        ("allowedTools", EACH): ("toolGating", "rules", EACH, "tool"),
    },
}
"""By kind: fields of the short spelling that take what a field of the normal form takes."""

_AUTH = "self.authRefs[0]"
_NO_AUTH = "!has(self.provider) || !has(self.authRefs) || size(self.authRefs) == 0"
_OWN_RULES: Mapping[str, tuple[tuple[str, str], ...]] = {
    "SympoziumInstance": tuple(
        (
            f"{_NO_AUTH} || !has(self.provider.{short}) || !has({_AUTH}.{normal}) || {_AUTH}.{normal} == self.provider.{short}",
            f"provider.{short} and authRefs[0].{normal} are the same field: keep one",
        )
        for short, normal in (("name", "provider"), ("apiKeySecret", "secret"))
    ),
    "SympoziumPolicy": (
        (
            "!has(self.allowedTools) || !has(self.toolGating) || !has(self.toolGating.defaultAction)"
            " || self.toolGating.defaultAction == 'deny'",
            "with allowedTools everything else is denied: toolGating.defaultAction cannot say otherwise",
        ),
    ),
}


def add(kind: str, schema: Schema) -> None:
    """Completes the schema of the kind, made from the normal form, in place."""
    spec = schema["properties"]["spec"]
    for path, own in _OWN_FIELDS.get(kind, {}).items():
        _place(spec, path, copy.deepcopy(own))
    for path, place in _SHARED_PATTERNS.get(kind, {}).items():
        target, source = _find(spec, path), _find(spec, place)
        target.update({key: value for key, value in source.items() if key in ("pattern", "maxLength")})
    for path, place in RENAMED.get(kind, ()):
        _rename(spec, path, place)
    if kind in ("SympoziumInstance", "AgentRun"):
        spec["properties"]["skills"]["items"] = {
            **_ANYTHING,
            "description": "The name of a SkillPack, or {skillPackRef, configMapRef, params}.",
        }
        spec["properties"]["skillConfig"] = copy.deepcopy(_OWN_FIELDS["SympoziumInstance"][("skillConfig",)])
    for rule in RULES:
        if kind in rule.kinds and rule.cel:
            for where in _spelt(kind, rule.place):
                _validate(_find(schema, where), rule.cel, rule.message)
    for list_path, key in UNIQUE.get(kind, ()):
        _find(schema, list_path).update({"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": [key]})
    conditions = schema["properties"]["status"]["properties"]["conditions"]
    conditions.update({"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]})
    for rule_text, message in _OWN_RULES.get(kind, ()):
        _validate(spec, rule_text, message)


def _rename(spec: Schema, path: Path, place: Path) -> None:
    """Adds the other spelling of a field, and says that one of the two has to be there, or that both agree."""
    source = _find(spec, place)
    required = _required(spec, place)
    copied = {key: value for key, value in copy.deepcopy(source).items() if key not in ("default", VALIDATIONS)}
    copied["description"] = f"The same as {written(place)}."
    copied["nullable"] = True
    _place(spec, path, copied)
    for end in range(1, len(place) + 1) if required else ():
        parent = _find(spec, place[: end - 1])
        if place[end - 1] in parent.get("required", ()):
            parent["required"].remove(place[end - 1])
            if not parent["required"]:
                del parent["required"]
    one, other = _has(place), _has(path)
    if required:
        _validate(spec, f"({one}) || ({other})", f"{written(place)} is required")
    if source.get("type") not in ("object", "array"):
        same = f"self.{'.'.join(place)} == self.{'.'.join(path)}"
        _validate(
            spec, f"!({one}) || !({other}) || {same}", f"{written(path)} and {written(place)} are the same field: keep one"
        )


def _required(spec: Schema, place: Path) -> bool:
    """Whether the field has to be there in every object of the kind."""
    return all(place[end] in _find(spec, place[:end]).get("required", ()) for end in range(len(place)))


def _has(path: Path) -> str:
    return " && ".join(f"has(self.{'.'.join(path[:end])})" for end in range(1, len(path) + 1))


def _spelt(kind: str, place: Path) -> list[Path]:
    """The place in every spelling: a renamed list holds the same things."""
    found = [place]
    for other, normal in RENAMED.get(kind, ()):
        normal_path = ("spec", *normal)
        if place[: len(normal_path)] == normal_path:
            found.append(("spec", *other, *place[len(normal_path) :]))
    return found


def _find(schema: Schema, path: Path) -> Schema:
    here: Any = schema
    for step in path:
        here = here["items"] if step == EACH else here["properties"][step]
    found: Schema = here
    return found


def _place(spec: Schema, path: Path, schema: Schema) -> None:
    here = spec
    for step in path[:-1]:
        if step not in here["properties"]:
            here["properties"][step] = {"type": "object", "nullable": True, "properties": {}}
        here = here["properties"][step]
    here["properties"][path[-1]] = schema


def _validate(schema: Schema, rule: str, message: str) -> None:
    schema.setdefault(VALIDATIONS, []).append({"rule": rule, "message": message})
