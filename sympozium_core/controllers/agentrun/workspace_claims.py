"""The volume that the pods of a run with hooks share as /workspace: the PersistentVolumeClaim ``run-<uid>``, for as long as the run lasts.

Its run owns it. It can be mounted on one node at a time, which is enough: a run's pods come one after another.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from sympozium_core import names
from sympozium_core.contracts.builtin_kinds import PERSISTENT_VOLUME_CLAIM
from sympozium_core.contracts.cluster import AlreadyExists, Forbidden, Invalid, NotFound, Object, metadata
from sympozium_core.contracts.sandbox import NoRoom
from sympozium_core.controllers.agentrun.context import RunContext
from sympozium_core.controllers.agentrun.rights import uid_of
from sympozium_core.controllers.agentrun.status import status_of
from sympozium_core.errors import Permanent
from sympozium_core.reconcile.owner import owner_reference
from sympozium_core.resources.kinds import AGENT_RUN

SIZE = "1Gi"


def claim(run: Mapping[str, Any], name: str) -> Object:
    meta = run["metadata"]
    return {
        "apiVersion": PERSISTENT_VOLUME_CLAIM.api_version,
        "kind": PERSISTENT_VOLUME_CLAIM.kind,
        "metadata": {
            "name": name,
            "namespace": meta["namespace"],
            "labels": {names.LABEL_RUN_UID: meta["uid"], names.LABEL_MANAGED_BY: names.MANAGED_BY},
            "annotations": {names.ANNOTATION_RUN: f"{meta['namespace']}/{meta['name']}"},
            "ownerReferences": [owner_reference(AGENT_RUN, run, controller=False, block=False)],
        },
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": SIZE}}},
    }


async def ensure(context: RunContext, run: Mapping[str, Any]) -> None:
    """Idempotent, and nothing for a run whose pods share no claim. Raises ApiError, NoRoom, and Permanent for a name that somebody else has
    taken."""
    name = status_of(run).get("workspaceClaim")
    if not name:
        return
    try:
        await context.cluster.create(PERSISTENT_VOLUME_CLAIM, claim(run, name))
    except AlreadyExists:
        found = await context.cluster.get(PERSISTENT_VOLUME_CLAIM, run["metadata"]["namespace"], name)
        if uid_of(found) != run["metadata"]["uid"] or metadata(found).get("deletionTimestamp"):
            raise Permanent(
                f"PersistentVolumeClaim {name!r} is there and not the run's", hint="delete it, and create the run again"
            ) from None
    except Forbidden as error:  # a quota, or what the controller itself may not
        raise NoRoom(f"the claim of the run's workspace is not taken: {error.message}") from error
    except Invalid as error:
        raise Permanent(f"the API server does not take the claim of the run's workspace: {error.message}") from error


async def remove(context: RunContext, run: Mapping[str, Any]) -> None:
    """Idempotent. Kubernetes holds the claim until the last pod that uses it has ended."""
    if name := status_of(run).get("workspaceClaim"):
        with suppress(NotFound):
            await context.cluster.delete(PERSISTENT_VOLUME_CLAIM, run["metadata"]["namespace"], str(name))
