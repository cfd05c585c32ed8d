"""Every kind that the control plane touches, and how to find one by whatever a person types. Standard library only.

The eight kinds of the group ``sympozium.ai`` are ours; the rest are the core kinds that the embedded API keeps too.
"""

from __future__ import annotations

from difflib import get_close_matches
from functools import lru_cache
from typing import Final

from sympozium_core.contracts.builtin_kinds import CONFIG_MAP, EVENT, LEASE, NAMESPACE, SECRET
from sympozium_core.contracts.cluster import ResourceType
from sympozium_core.errors import Permanent
from sympozium_core.names import GROUP, VERSION
from sympozium_core.resources.columns import AGE, COLUMNS, Column


def _ours(kind: str, plural: str, short_name: str) -> ResourceType:
    return ResourceType(GROUP, VERSION, kind, plural, short_names=(short_name,), singular=kind.lower())


SYMPOZIUM_INSTANCE: Final = _ours("SympoziumInstance", "sympoziuminstances", "si")
AGENT_RUN: Final = _ours("AgentRun", "agentruns", "run")
PERSONA_PACK: Final = _ours("PersonaPack", "personapacks", "pack")
SKILL_PACK: Final = _ours("SkillPack", "skillpacks", "skill")
SYMPOZIUM_POLICY: Final = _ours("SympoziumPolicy", "sympoziumpolicies", "pol")
SYMPOZIUM_SCHEDULE: Final = _ours("SympoziumSchedule", "sympoziumschedules", "sched")
MCP_SERVER: Final = _ours("MCPServer", "mcpservers", "mcp")
TOOL_APPROVAL: Final = _ours("ToolApproval", "toolapprovals", "approval")

OURS: Final = (
    SYMPOZIUM_INSTANCE, AGENT_RUN, PERSONA_PACK, SKILL_PACK, SYMPOZIUM_POLICY, SYMPOZIUM_SCHEDULE, MCP_SERVER, TOOL_APPROVAL,
)  # fmt: skip
CORE: Final = (SECRET, CONFIG_MAP, EVENT, NAMESPACE, LEASE)
ALL: Final = OURS + CORE

SPOKEN: Final = {
    "instance": SYMPOZIUM_INSTANCE, "instances": SYMPOZIUM_INSTANCE,
    "runs": AGENT_RUN, "packs": PERSONA_PACK, "skills": SKILL_PACK,
    "policy": SYMPOZIUM_POLICY, "policies": SYMPOZIUM_POLICY,
    "schedule": SYMPOZIUM_SCHEDULE, "schedules": SYMPOZIUM_SCHEDULE,
    "approvals": TOOL_APPROVAL,
}  # fmt: skip
"""What people say (``sympozium instances list``); for our own command line only, the API does not know these."""

RENAMED: Final = {"Agent": SYMPOZIUM_INSTANCE, "Ensemble": PERSONA_PACK}
"""Names of kinds that other releases used; not accepted, but the message says what the kind is called here."""


class UnknownKind(Permanent):
    """No kind goes by that name."""

    reason = "NotFound"


@lru_cache(maxsize=1)
def _by_spelling() -> dict[str, ResourceType]:
    found: dict[str, ResourceType] = dict(SPOKEN)
    for kind in ALL:
        for word in (kind.kind.lower(), kind.singular, kind.plural, *kind.short_names):
            found[word] = kind
            if kind.group:
                found[f"{word}.{kind.group}"] = kind
                found[f"{word}.{kind.version}.{kind.group}"] = kind
    return found


def find(word: str) -> ResourceType:
    """The kind that a person means by its kind, plural, singular or short name, or ``plural.group``, in any case.

    Raises UnknownKind, which names the nearest spelling.
    """
    spellings = _by_spelling()
    found = spellings.get(word.strip().lower())
    if found is not None:
        return found
    renamed = next((kind for name, kind in RENAMED.items() if name.lower() == word.strip().lower()), None)
    if renamed is not None:
        raise UnknownKind(f"there is no kind {word!r}", hint=f"it is called {renamed.kind} here")
    near = get_close_matches(word.lower(), spellings, 1, 0.6)
    hint = f"did you mean {near[0]}?" if near else "one of " + ", ".join(kind.plural for kind in OURS)
    raise UnknownKind(f"there is no kind {word[:80]!r}", hint=hint)


@lru_cache(maxsize=1)
def _by_kind() -> dict[tuple[str, str], ResourceType]:
    return {(kind.api_version, kind.kind): kind for kind in ALL}


def of(api_version: str, kind: str) -> ResourceType | None:
    """The kind as an object names itself in ``apiVersion`` and ``kind``, exactly; None when it is not one of `ALL`."""
    return _by_kind().get((api_version, kind))


@lru_cache(maxsize=1)
def _by_plural() -> dict[tuple[str, str], ResourceType]:
    return {(kind.group, kind.plural): kind for kind in ALL}


def served(group: str, version: str, plural: str) -> ResourceType | None:
    """The kind as a path of the REST API names it; `group` is empty for ``/api/v1``."""
    found = _by_plural().get((group, plural))
    return found if found is not None and found.version == version else None


def columns(kind: ResourceType) -> tuple[Column, ...]:
    """What a table shows of the kind, after its name."""
    return COLUMNS.get(kind.kind, (AGE,))
