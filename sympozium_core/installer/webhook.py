"""Whether the API server reaches the webhook: asked by a dry run of an object that the webhook must refuse."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sympozium_core import names
from sympozium_core.contracts.cluster import ApiError, Forbidden, Invalid, Object
from sympozium_core.resources.kinds import AGENT_RUN

if TYPE_CHECKING:
    from sympozium_core.cluster.client import ClusterClient

_NOBODY = "sympozium-doctor"
"""An instance that is not there."""
OURS = f'admission webhook "{AGENT_RUN.resource}" denied the request'


def _probe() -> Object:
    metadata = {"generateName": "doctor-", "namespace": names.SYSTEM_NAMESPACE}
    return {"metadata": metadata, "spec": {"instanceRef": _NOBODY, "task": "none: this is a dry run"}}


async def webhook_fault(cluster: ClusterClient) -> str:
    """Why it does not answer, in the API server's words; empty when it does. Raises ApiError when the API server itself does not."""
    try:
        await cluster.create(AGENT_RUN, _probe(), dry_run=True)
    except (Forbidden, Invalid) as error:
        return "" if OURS in error.message else error.message
    except ApiError as error:
        if error.code == 500:  # what an API server says of a webhook that fails
            return error.message
        raise
    return "a run for an instance that does not exist was not refused: the webhook is not asked"
