"""No deputy is confused: the control plane does for an object only what its writer may do too.

Whoever refers to a Secret must be allowed to `get` it, whoever declares rights must hold them, whoever attaches a SkillPack that has
either needs the verb `use` on it, and whoever has something run as a ServiceAccount must be allowed to create pods. Asked of the API server for the authenticated user, about what is new in this write alone.

Rights are held or not as the API server's own escalation check has it (`verbs` x `resources` x `apiGroups`, each covered by what the user
may do, or the verb `escalate` on roles), but asked one by one by SubjectAccessReview: a dry run of a Role as that user, the other way to ask,
refuses everybody who may not create Roles, counts RBAC alone where the cluster has further authorizers, and needs the right to impersonate.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any

from sympozium_core.admission.lookup import Access, Lookup, Rights
from sympozium_core.admission.references import AttachedSkill, DeclaredRights, References, SecretReference, UsedAccount
from sympozium_core.contracts.builtin_kinds import CLUSTER_ROLE, POD, ROLE, SECRET
from sympozium_core.contracts.cluster import User, metadata
from sympozium_core.errors import Cause
from sympozium_core.names import SYSTEM_NAMESPACE
from sympozium_core.planning.identities import MAX_NAMESPACES, identity
from sympozium_core.planning.inputs import SkillSource
from sympozium_core.resources.kinds import SKILL_PACK
from sympozium_core.resources.paths import Path

MAX_REFERENCES = 200
"""New in one write: more would take longer to ask about than an API server waits."""
MAX_RIGHTS = 500
"""Single rights (a verb on a resource) in one list of rules."""
MAX_QUESTIONS = 2000
"""Of one review, all told."""
AT_ONCE = 16
SHOWN = 5

Place = Callable[[Path], str]
"""How the writer spelt the field at a path of the normal form."""


class TooMuchToAsk(Exception):
    """More than `MAX_QUESTIONS`."""


@dataclass
class Writer:
    """Who writes where. Remembers what was asked: the answers hold for one review, not for the next."""

    user: User
    namespace: str
    rights: Rights
    place: Place
    _asked: dict[Access, asyncio.Task[bool]] = field(default_factory=dict)
    _line: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))

    async def may(self, access: Access) -> bool:
        if access not in self._asked:
            if len(self._asked) >= MAX_QUESTIONS:
                raise TooMuchToAsk
            self._asked[access] = asyncio.create_task(self._ask(access))
        return await self._asked[access]

    async def _ask(self, access: Access) -> bool:
        async with self._line:
            return await self.rights.may(self.user, access)

    async def end(self) -> None:
        """Leaves no question behind, whatever became of the review."""
        for task in self._asked.values():
            task.cancel()
        await asyncio.gather(*self._asked.values(), return_exceptions=True)


async def review(writer: Writer, lookup: Lookup, new: References) -> list[Cause]:
    """Every reference that the writer may not make. Raises ApiError when the API server cannot be asked."""
    too_much = Cause(
        "spec", "makes more new references, or grants more rights, than can be asked about", "write it in several steps"
    )
    if len(new.secrets) + len(new.skills) + len(new.rights) + len(new.accounts) > MAX_REFERENCES:
        return [too_much]
    try:
        async with asyncio.TaskGroup() as group:
            found = [group.create_task(_secret(writer, reference)) for reference in new.secrets]
            found += [group.create_task(_rights(writer, declared)) for declared in new.rights]
            found += [group.create_task(_skill(writer, lookup, attached)) for attached in new.skills]
            found += [group.create_task(_account(writer, used)) for used in new.accounts]
    except ExceptionGroup as errors:
        if isinstance(errors.exceptions[0], TooMuchToAsk):
            return [too_much]
        raise errors.exceptions[0] from None
    finally:
        await writer.end()
    return [cause for each in found for cause in each.result()]


async def _secret(writer: Writer, reference: SecretReference) -> list[Cause]:
    return await _readable(writer, reference.secret, writer.place(reference.path))


async def _readable(writer: Writer, secret: str, place: str) -> list[Cause]:
    if await writer.may(Access("get", SECRET.group, SECRET.plural, writer.namespace, secret)):
        return []
    return [
        Cause(
            place,
            f"{writer.user.name!r} may not get Secret {secret!r} in namespace {writer.namespace!r}, so neither may what refers to it",
            "have somebody write this who may, or be given the verb get on that Secret",
        )
    ]


async def _account(writer: Writer, used: UsedAccount) -> list[Cause]:
    """Whoever may create pods may run them as any account of the namespace; so that is what is asked."""
    if await writer.may(Access("create", POD.group, POD.plural, writer.namespace)):
        return []
    return [
        Cause(
            writer.place(used.path),
            f"{writer.user.name!r} may not create pods in namespace {writer.namespace!r}, so neither may what runs as {used.account!r} there",
            "leave it out, or have somebody write this who may",
        )
    ]


async def _rights(writer: Writer, declared: DeclaredRights) -> list[Cause]:
    """A SkillPack of the system's namespace is there for every namespace: its rights must be held in all of them."""
    everywhere = declared.cluster or writer.namespace == SYSTEM_NAMESPACE
    rules = json.loads(declared.rules)
    return await _held(writer, rules, "" if everywhere else writer.namespace, writer.place(declared.path))


async def _held(writer: Writer, rules: Sequence[Mapping[str, Any]], namespace: str, place: str) -> list[Cause]:
    """`namespace` is empty for all of them."""
    number = sum(len(rule["apiGroups"]) * len(rule["resources"]) * len(rule["verbs"]) for rule in rules)
    if number > MAX_RIGHTS:  # said before they are spelt out: a few long lists make billions
        return [Cause(place, f"declares {number} single rights", f"at most {MAX_RIGHTS}; '*' stands for all")]
    rights = list(dict.fromkeys(access for rule in rules for access in _single(rule, namespace)))
    where = f"namespace {namespace!r}" if namespace else "the whole cluster"
    role = ROLE if namespace else CLUSTER_ROLE
    if await writer.may(Access("*", "*", "*", namespace)):
        return []
    if await writer.may(Access("escalate", role.group, role.plural, namespace)):
        return []
    held = await asyncio.gather(*(writer.may(right) for right in rights))
    missing = [_words(right) for right, holds in zip(rights, held, strict=True) if not holds]
    if not missing:
        return []
    shown = ", ".join(missing[:SHOWN]) + (f" and {len(missing) - SHOWN} more" if len(missing) > SHOWN else "")
    return [
        Cause(
            place,
            f"grants rights that {writer.user.name!r} does not hold in {where}: {shown}",
            "declare fewer, or have somebody write this who holds them",
        )
    ]


def _single(rule: Mapping[str, Any], namespace: str) -> list[Access]:
    parts = product(rule["apiGroups"], rule["resources"], rule["verbs"])
    return [Access(verb, group, resource, namespace) for group, resource, verb in parts]


def _words(right: Access) -> str:
    return f"{right.verb} {right.resource}" + (f".{right.group}" if right.group else "")


async def _skill(writer: Writer, lookup: Lookup, attached: AttachedSkill) -> list[Cause]:
    pack = await lookup.skill_pack(writer.namespace, attached.skill)
    needs = sensitive(pack) if pack is not None else []
    if pack is None or not needs:
        return []
    place = writer.place(attached.path)
    home = str(metadata(pack).get("namespace") or writer.namespace)
    causes = []
    if not await writer.may(Access("use", SKILL_PACK.group, SKILL_PACK.plural, home, attached.skill)):
        causes.append(
            Cause(
                place,
                f"{writer.user.name!r} may not use SkillPack {attached.skill!r} of namespace {home!r}, which has {', '.join(needs)}",
                f"be given the verb use on {SKILL_PACK.resource}, or leave the skill out",
            )
        )
    if home != writer.namespace and pack["spec"]["sidecar"].get("secretRef"):
        # Its writer was asked about the Secret of that name over there; here it is another one.
        causes += await _readable(writer, pack["spec"]["sidecar"]["secretRef"], place)
    return causes + await _elsewhere(writer, attached, pack, place)


async def _elsewhere(writer: Writer, attached: AttachedSkill, pack: Mapping[str, Any], place: str) -> list[Cause]:
    """Rights in further namespaces, by a parameter: the pack's writer was asked about its own namespace alone."""
    given = identity(SkillSource(attached.skill, pack, json.loads(attached.parameters)), writer.namespace)
    rules = (pack["spec"].get("sidecar") or {}).get("rbac") or []
    if given is None or not rules:
        return []
    others = [namespace for namespace in given.namespaces[:MAX_NAMESPACES] if namespace != writer.namespace]
    found = await asyncio.gather(*(_held(writer, rules, namespace, place) for namespace in others))
    return [cause for causes in found for cause in causes]


def sensitive(pack: Mapping[str, Any]) -> list[str]:
    """What of a SkillPack is not for everybody, in words."""
    sidecar = pack["spec"].get("sidecar") or {}
    words = {
        "rbac": "rights in its namespace",
        "clusterRBAC": "rights in the whole cluster",
        "secretRef": "a Secret",
        "hostAccess": "access to the node",
    }
    host = sidecar.get("hostAccess") or {}
    return [word for key, word in words.items() if (any(host.values()) if key == "hostAccess" else sidecar.get(key))]
