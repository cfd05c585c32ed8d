"""SympoziumInstance: admitted as it is; what it names and is not there is said to the writer."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from sympozium_core.admission.lookup import Lookup
from sympozium_core.errors import Cause
from sympozium_core.planning.fetching import model_address_faults
from sympozium_core.planning.harness import harness_denials, harness_faults
from sympozium_core.planning.lifecycle import declared, denials, lifecycle_faults
from sympozium_core.planning.memory import BACKEND_FIELD, backend_of, wants_memory
from sympozium_core.planning.policy import DEFAULT_POLICY


async def warnings(
    lookup: Lookup, namespace: str, instance: Mapping[str, Any], before: Mapping[str, Any] | None = None
) -> list[str]:
    """References may come later, in the order in which the user likes to apply: so these are warnings, and a run is what is refused. `before` is what a
    change was made to."""
    spec = instance["spec"]
    found: list[str] = []
    policy = spec.get("policyRef") or DEFAULT_POLICY
    held, hooks, sandbox = await lookup.policy(namespace, policy), declared({"spec": {}}, instance), await lookup.sandbox()
    harness = lookup.harness(instance)
    refusals = [*lifecycle_faults(hooks, sandbox), *harness_faults(harness, sandbox)]
    if held is not None:
        run: Mapping[str, Any] = {"spec": {}}  # one that asks for nothing of its own
        refusals += [*denials(hooks, held, sandbox), *model_address_faults(run, instance, held, sandbox)]
        refusals += harness_denials(harness, held, sandbox)
    else:
        found.append(f"spec.policyRef: there is no policy {policy!r} yet; runs are refused until there is")
    for auth in spec.get("authRefs") or []:
        if auth.get("secret") and not await lookup.secret_exists(namespace, auth["secret"]):
            found.append(
                f"there is no Secret {auth['secret']!r} yet; make it with: sympozium secrets create {auth['secret']} -n {namespace}"
            )
    for skill in spec.get("skills") or []:
        name = skill.get("skillPackRef") or ""
        if name and await lookup.skill_pack(namespace, name) is None:
            found.append(f"there is no skill {name!r} yet; apply its SkillPack or pip install its package")
    found += await asyncio.to_thread(_about_memory, lookup, instance, before)
    return found + [f"{cause}; runs are refused" for cause in refusals]


def _about_memory(lookup: Lookup, instance: Mapping[str, Any], before: Mapping[str, Any] | None) -> list[str]:
    if not wants_memory(instance):
        return []
    name, found = backend_of(instance), []
    if (backend := lookup.memory_backend(name)).problem:
        found.append(f"{Cause(BACKEND_FIELD, backend.problem, backend.hint)}; runs are refused")
    if before is not None and wants_memory(before) and (old := backend_of(before)) != name:
        found.append(
            f"{BACKEND_FIELD}: notes that {old!r} has kept stay in the volume, and are not found until the field names it again"
        )
    return found
