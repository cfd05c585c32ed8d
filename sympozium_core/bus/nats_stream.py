"""The stream of all journals and the bucket of all artifacts: how they are made, with their limits.

Deleting single messages and roll-ups are denied to everybody. Purge is not: it is how the record of a run ends with its retention, and
JetStream's `deny_purge` cannot be lifted again. Who may purge is a matter of users: a run's user has no JetStream API at all.
Replicas and `sync_interval` are the server's configuration; for node loss, R3 or `sync_interval: always`.
"""

from __future__ import annotations

from dataclasses import dataclass

from nats.js import JetStreamContext, api
from nats.js.errors import NotFoundError
from nats.js.object_store import ObjectStore

from sympozium_core.bus import subjects
from sympozium_core.bus.limits import DUPLICATE_WINDOW, MAX_ARTIFACT_BYTES, MAX_STREAM_BYTES
from sympozium_core.bus.nats_errors import translated


@dataclass(frozen=True)
class StreamLimits:
    max_bytes: int = MAX_STREAM_BYTES
    """Of all journals; JetStream reserves it when the stream is made."""
    max_artifact_bytes: int = MAX_ARTIFACT_BYTES
    max_age: float = 0.0
    """Seconds after which an entry ends whatever retention says; 0 for never."""
    replicas: int = 1


def stream_config(limits: StreamLimits) -> api.StreamConfig:
    return api.StreamConfig(
        name=subjects.STREAM,
        description="Journals of agent runs",
        subjects=list(subjects.STORED),
        retention=api.RetentionPolicy.LIMITS,
        storage=api.StorageType.FILE,
        discard=api.DiscardPolicy.NEW,
        max_bytes=limits.max_bytes,
        max_age=limits.max_age,
        num_replicas=limits.replicas,
        duplicate_window=min(DUPLICATE_WINDOW, limits.max_age or DUPLICATE_WINDOW),
        deny_delete=True,
        deny_purge=False,
        allow_rollup_hdrs=False,
        allow_direct=False,
    )


async def ensure(context: JetStreamContext, limits: StreamLimits) -> ObjectStore:
    """Makes what is missing, and gives an existing stream these limits."""
    with translated("making the stream of the journals"):
        config = stream_config(limits)
        try:
            await context.stream_info(subjects.STREAM)
            await context.update_stream(config)
        except NotFoundError:
            await context.add_stream(config)
    with translated("making the bucket of the artifacts"):
        try:
            return await context.object_store(subjects.BUCKET)
        except NotFoundError:
            bucket = api.ObjectStoreConfig(
                bucket=subjects.BUCKET,
                max_bytes=limits.max_artifact_bytes,
                replicas=limits.replicas,
                storage=api.StorageType.FILE,
            )
            return await context.create_object_store(subjects.BUCKET, config=bucket)
