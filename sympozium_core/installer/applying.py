"""Server-side apply of objects, and what it changed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from sympozium_core.contracts.builtin_kinds import NAMESPACE
from sympozium_core.contracts.cluster import ApiError, Conflict, Invalid, NotFound, Object, metadata
from sympozium_core.errors import Permanent
from sympozium_core.installer import kinds

if TYPE_CHECKING:
    from sympozium_core.cluster.client import ClusterClient

FIELD_MANAGER = "sympozium"
_BOOKKEEPING = ("resourceVersion", "managedFields", "generation", "creationTimestamp", "uid", "selfLink")


class Outcome(StrEnum):
    CREATED = "created"
    CONFIGURED = "configured"
    UNCHANGED = "unchanged"
    UNCHECKED = "would be created (unchecked: its namespace or its kind is not there yet)"


@dataclass(frozen=True)
class Applied:
    obj: Object
    """As it was asked for."""
    outcome: Outcome


@dataclass(frozen=True)
class How:
    dry_run: bool = False
    """The server checks and changes nothing."""
    force: bool = False
    """Take fields over that somebody else has set to something else."""


async def apply(cluster: ClusterClient, objects: Iterable[Object], how: How) -> AsyncIterator[Applied]:
    """One after the other. Raises Permanent that names the object, or ApiError where nobody could do better."""
    for obj in objects:
        yield Applied(obj, await _apply(cluster, obj, how))


async def _apply(cluster: ClusterClient, obj: Object, how: How) -> Outcome:
    kind, meta = kinds.of(obj), metadata(obj)
    before = await _found(cluster, obj)
    try:
        after = await cluster.apply(kind, obj, field_manager=FIELD_MANAGER, force=how.force, dry_run=how.dry_run)
    except NotFound as error:
        # In a dry run nothing that came before has come about.
        if how.dry_run and before is None and await _is_homeless(cluster, meta):
            return Outcome.UNCHECKED
        raise _named(obj, error) from error
    except Conflict as error:
        raise Permanent(
            f"{kinds.title(obj)}: {error.message}",
            reason="Conflict",
            hint="somebody else set these fields; --force-conflicts takes them over",
        ) from error
    except ApiError as error:
        raise _named(obj, error) from error
    if before is None:
        return Outcome.CREATED
    return Outcome.UNCHANGED if _written(before) == _written(after) else Outcome.CONFIGURED


async def _found(cluster: ClusterClient, obj: Object) -> Object | None:
    try:
        return await cluster.get(kinds.of(obj), metadata(obj).get("namespace"), metadata(obj)["name"])
    except NotFound:
        return None


async def _is_homeless(cluster: ClusterClient, meta: Mapping[str, Any]) -> bool:
    if not meta.get("namespace"):
        return True
    try:
        await cluster.get(NAMESPACE, None, meta["namespace"])
    except NotFound:
        return True
    return False


def _named(obj: Object, error: ApiError) -> ApiError:
    """The same error, and which object it is about."""
    named = type(error)(f"{kinds.title(obj)}: {error.message}", causes=error.causes, hint=error.hint)
    if isinstance(error, Invalid) and "field is immutable" in error.message:
        named.hint = "Kubernetes changes this field of no object: delete it, and install again"
    return named


def _written(obj: Mapping[str, Any]) -> Object:
    """What somebody wrote, without what the server keeps."""
    meta = {key: value for key, value in metadata(obj).items() if key not in _BOOKKEEPING}
    return {**{key: value for key, value in obj.items() if key != "status"}, "metadata": meta}
