"""Which rights with the Kubernetes API a run's skills get: as their packs declare them, where their parameters narrow them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from sympozium_core.contracts.plan import AccessRule, Identity
from sympozium_core.errors import Cause
from sympozium_core.planning.inputs import SkillSource
from sympozium_core.resources import object_names
from sympozium_core.resources.faults import Fault

NAMESPACES = "namespaces"
"""The parameter that narrows a skill's rights: ``skillConfig.<skill>.namespaces``, in normal form joined by commas."""
RIGHTS, READ = "rights", "read"
"""The parameter that takes away every right but that to look: ``skillConfig.<skill>.rights: read``."""
_LOOKING = ("get", "list", "watch")
_DOING = ("exec", "attach", "portforward", "proxy", "token")
"""Subresources of which even `get` is more than a look."""
NAME_LIMIT = 63
MAX_NAMESPACES = 32
"""Each is a Role and a RoleBinding of every run."""


def account_name(uid: str, skill: str) -> str:
    """Of an identity's ServiceAccount, and of its roles and bindings: never longer than a label, never the same for two skills, nor for a skill
    and the run's hooks (`skill` empty): no skill's name begins with a hyphen."""
    name = f"run-{uid}-{skill or '-hooks'}"
    if len(name) <= NAME_LIMIT:
        return name
    return f"{name[: NAME_LIMIT - 9].rstrip('-.')}-{hashlib.sha256(skill.encode()).hexdigest()[:8]}"


def identity(skill: SkillSource, namespace: str) -> Identity | None:
    """None for a skill that declares no rights. `namespace` is the run's.

    Narrowed to namespaces, a skill has no right beyond them: what it declares for the whole cluster, it then has in them alone.
    """
    rules, cluster_rules = access_rules(skill.sidecar.get("rbac")), access_rules(skill.sidecar.get("clusterRBAC"))
    if skill.params.get(RIGHTS) == READ:
        rules, cluster_rules = _looking(rules), _looking(cluster_rules)
    if not rules and not cluster_rules:
        return None
    narrowed = _narrowed_to(skill)
    if narrowed is None:
        return Identity(skill.name, rules, cluster_rules, (namespace,) if rules else ())
    return Identity(skill.name, tuple(dict.fromkeys((*rules, *cluster_rules))), (), narrowed)


def identity_faults(skill: SkillSource) -> list[Cause]:
    """What the API server would refuse only when the run starts."""
    found = []
    for field in ("rbac", "clusterRBAC"):
        for index, rule in enumerate(skill.sidecar.get(field) or ()):
            missing = [key for key in ("apiGroups", "resources", "verbs") if not rule.get(key)]
            if missing:
                found.append(
                    Cause(
                        "spec.skills",
                        f"skill {skill.name!r} declares a right without {' and '.join(missing)} (sidecar.{field}[{index}])",
                        'every rule has all three; the core group is ""',
                    )
                )
    if skill.sidecar.get("rbac") or skill.sidecar.get("clusterRBAC"):
        found += _namespace_faults(skill)
        found += _rights_faults(skill)
    return found


def _rights_faults(skill: SkillSource) -> list[Cause]:
    given = skill.params.get(RIGHTS)
    if given is None:
        return []
    field = f"spec.skillConfig.{skill.name}.{RIGHTS}"
    if given != READ:
        return [Cause(field, f"is {given[:40]!r}", f"{READ}, or leave it out for all that the skill declares")]
    rules = access_rules([*(skill.sidecar.get("rbac") or ()), *(skill.sidecar.get("clusterRBAC") or ())])
    if any("*" in resource for rule in rules for resource in rule.resources):
        why = "cannot be narrowed to reading: the skill declares '*', which holds what is no resource of its own, such as pods/exec"
        return [Cause(field, why, "leave it out, or use a skill that names its resources")]
    return [] if _looking(rules) else [Cause(field, "leaves the skill no right at all", "leave it out")]


def _looking(rules: tuple[AccessRule, ...]) -> tuple[AccessRule, ...]:
    """What is left of them for somebody who only looks."""
    found = []
    for rule in rules:
        verbs = _LOOKING if "*" in rule.verbs else tuple(verb for verb in rule.verbs if verb in _LOOKING)
        resources = tuple(name for name in rule.resources if name.partition("/")[2] not in _DOING)
        if verbs and resources:
            found.append(AccessRule(rule.api_groups, resources, verbs))
    return tuple(found)


def _namespace_faults(skill: SkillSource) -> list[Cause]:
    narrowed = _narrowed_to(skill)
    if narrowed is None:
        return []
    field = f"spec.skillConfig.{skill.name}.{NAMESPACES}"
    if not narrowed:
        return [Cause(field, "names no namespace", "name at least one, or leave it out for the run's own")]
    if len(narrowed) > MAX_NAMESPACES:
        return [Cause(field, f"has {len(narrowed)} namespaces", f"at most {MAX_NAMESPACES}")]
    found = []
    for name in narrowed:
        try:
            object_names.label(name)
        except Fault as fault:
            found.append(Cause(field, str(fault), fault.hint))
    return found


def _narrowed_to(skill: SkillSource) -> tuple[str, ...] | None:
    text = skill.params.get(NAMESPACES)
    if text is None:
        return None
    return tuple(dict.fromkeys(name for part in text.split(",") if (name := part.strip())))


def access_rules(declared: Sequence[Mapping[str, Any]] | None) -> tuple[AccessRule, ...]:
    return tuple(
        AccessRule(tuple(rule.get("apiGroups") or ()), tuple(rule.get("resources") or ()), tuple(rule.get("verbs") or ()))
        for rule in declared or ()
    )
