"""Whether the cluster holds the objects that this version would install, unchanged: asked by a dry run of the installation itself."""

from __future__ import annotations

from sympozium_core import names
from sympozium_core.contracts.builtin_kinds import JOB, NAMESPACE
from sympozium_core.contracts.cluster import Object
from sympozium_core.errors import SympoziumError
from sympozium_core.installation import crds, inventory, render
from sympozium_core.installer import kinds
from sympozium_core.installer.applying import How, Outcome, apply
from sympozium_core.installer.doctor.findings import Finding, Level, Subject, passed

UPGRADE, HELM_UPGRADE = "sympozium upgrade puts it right", "helm upgrade puts it right"
_HELMS_OWN = (NAMESPACE.kind, JOB.kind)
SHOWN = 8


async def definitions(subject: Subject) -> list[Finding]:
    """A definition of an older version drops fields that newer ones have, without a word."""
    different = await _different(subject, _expected(subject, crds.definitions(subject.options)))
    if not different:
        return passed("the resource definitions are those of this version")
    return [_finding(subject, Level.FAIL, "resource definitions are missing or not of this version", different)]


async def everything_else(subject: Subject) -> list[Finding]:
    definitions = {obj["metadata"]["name"] for obj in crds.definitions(subject.options)}
    everything = _expected(subject, render.everything(subject.options))
    others = [obj for obj in everything if obj["metadata"]["name"] not in definitions]
    different = await _different(subject, others)
    if not different:
        return passed(f"all {len(others)} other objects of the installation are there and unchanged")
    missing = [line for line in different if line.endswith(_MISSING)]
    level = Level.FAIL if missing else Level.WARN
    return [_finding(subject, level, "objects of the installation are missing or were changed", different)]


def _expected(subject: Subject, objects: list[Object]) -> list[Object]:
    """Helm sets a label on everything, and makes some objects in its own way (`chart.files`)."""
    if not subject.installed.by_helm:
        return objects
    kept = [obj for obj in objects if obj["kind"] not in _HELMS_OWN and obj["metadata"]["name"] != inventory.NAME]
    return [_with_label(obj) for obj in kept]


def _with_label(obj: Object) -> Object:
    labels = {**obj["metadata"]["labels"], names.LABEL_MANAGED_BY: "Helm"}
    return {**obj, "metadata": {**obj["metadata"], "labels": labels}}


def _finding(subject: Subject, level: Level, what: str, different: list[str]) -> Finding:
    shown = different[:SHOWN] + ([f"and {len(different) - SHOWN} more"] if len(different) > SHOWN else [])
    return Finding(level, what, tuple(shown), HELM_UPGRADE if subject.installed.by_helm else UPGRADE)


_MISSING, _CHANGED = "is missing", "was changed"


async def _different(subject: Subject, objects: list[Object]) -> list[str]:
    """A line for each that an installation would create or change. Raises ApiError where that may not be asked."""
    found = []
    for obj in objects:
        try:
            async for applied in apply(subject.cluster, [obj], How(dry_run=True, force=True)):
                if applied.outcome is Outcome.CONFIGURED:
                    found.append(f"{kinds.title(obj)} {_CHANGED}")
                elif applied.outcome is not Outcome.UNCHANGED:
                    found.append(f"{kinds.title(obj)} {_MISSING}")
        except SympoziumError as error:
            found.append(f"{kinds.title(obj)}: {error.message}"[:300])
    return found
