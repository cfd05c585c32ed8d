"""What is stored and does not act in this version, said to whoever writes it: nothing waits for what will not come.

What would change what a run does is not here: `planning.plan` refuses such a run.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from sympozium_core.contracts.sandbox import Feature

_KINDS: Mapping[str, str] = {
    "SympoziumSchedule": "schedules do not fire in this version",
    "PersonaPack": "persona packs make nothing in this version",
}
_FIELDS: Mapping[str, Mapping[str, str]] = {
    "SympoziumInstance": {
        "channels": "channels are not available in this version: nothing is connected",
        "observability": "telemetry export is not available in this version: nothing is exported",
        "webEndpoint": "web endpoints are not available in this version: nothing is exposed",
        "imagePullSecrets": "runs pull no images here",
        "agents.default.subagents": "runs that start runs are not available in this version",
        "agents.default.sandbox.image": "commands run in the sidecar of a skill, whose image counts",
    },
    "SkillPack": {
        "runtimeRequirements": "what a run gets is said by the run, its instance and its policy",
        "sidecar.ports": "nothing reaches a port of a run's pod in this version",
        "sidecar.requiresServer": "server runs (web endpoints) are not available in this version: runs with this skill are refused",
    },
    "SympoziumPolicy": {
        "sandboxPolicy.defaultImage": "commands run in the sidecar of a skill, whose image counts",
        "imagePolicy": "runs pull no images here, so there is nothing to restrict",
        "lifecyclePolicy": "hooks can have no rights here, so there is nothing to restrict",
        "modelPolicy.allowedNamespaces": "there are no models of a cluster in this version, so there is nothing to restrict",
    },
}

_ALWAYS: Mapping[str, Mapping[str, tuple[Any, str]]] = {
    "SympoziumPolicy": {
        "networkPolicy.allowDNS": (
            False,
            "pods of runs have no DNS: the names of allowedEgress are entries of their hosts file",
        ),
        "networkPolicy.allowEventBus": (True, "a run works by the event bus, and always reaches it"),
        "sandboxPolicy.seccompProfile.type": (
            "RuntimeDefault",
            "every container has the profile of its runtime, RuntimeDefault",
        ),
        "featureGates.sub-agents": (True, "no run starts another in this version, so there is nothing that the gate closes"),
        "featureGates.browser-automation": (
            True,
            "no tool drives a browser in this version, so there is nothing that the gate closes",
        ),
    },
}
"""Fields of which one value is what is so for every run, and another changes nothing."""

_WHERE: Mapping[str, Feature] = {"imagePullSecrets": "images", "imagePolicy": "images", "lifecyclePolicy": "identities"}
"""Fields that act where the runtime has the feature."""


def not_yet(kind: str, spec: Mapping[str, Any], features: Collection[Feature]) -> list[str]:
    """A line for each field of `spec` (in normal form) that is set and does not act, or one for the whole kind."""
    if kind in _KINDS:
        return [f"stored, but {_KINDS[kind]}"]
    found = [
        f"spec.{path}: {because}"
        for path, because in _FIELDS.get(kind, {}).items()
        if _is_set(_at(spec, path)) and _WHERE.get(path) not in features
    ]
    others = [
        f"spec.{path}: {because}"
        for path, (always, because) in _ALWAYS.get(kind, {}).items()
        if _at(spec, path) not in (None, always)
    ]
    return found + others


def _at(spec: Mapping[str, Any], path: str) -> Any:
    value: Any = spec
    for name in path.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def _is_set(value: Any) -> bool:
    return bool(value) and not (isinstance(value, Mapping) and value.get("enabled") is False)
