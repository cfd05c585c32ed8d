"""The end of a run as the agent tells it: checked, journalled, acknowledged; in this order, because the agent exits on the acknowledgement."""

from __future__ import annotations

import logging

from sympozium_core.bridge.artifacts import Artifacts
from sympozium_core.bridge.record import Record
from sympozium_core.errors import Permanent, SympoziumError
from sympozium_core.ipc import layout
from sympozium_core.ipc.files import FileRefused, Root
from sympozium_core.ipc.protocol import RunResult, parse_run_result

MAX_INLINE = 64 * 1024
"""Bytes of the answer that the journal itself holds; a longer one is an artifact, and the journal has its head."""
ARTIFACT = "response.txt"

logger = logging.getLogger(__name__)


def read_result(agent: Root) -> RunResult | None:
    """None when there is none yet. Raises FileRefused or ProtocolError for one that is none."""
    try:
        return parse_run_result(agent.read_json(layout.RESULT, layout.MAX_RESULT), layout.RESULT)
    except FileNotFoundError:
        return None


async def append_result(result: RunResult, record: Record, artifacts: Artifacts, *, limit: int) -> None:
    """Returns when the bus has the result. `limit`: bytes of an answer that stand in the entry, MAX_INLINE at most."""
    whole = result.response.encode()
    fields = {"status": result.status, "reason": result.reason, "size": len(whole)}
    inline = min(limit, MAX_INLINE)
    if len(whole) > inline:
        try:
            await artifacts.store(ARTIFACT, whole)
            fields["artifact"] = ARTIFACT
        except SympoziumError as error:
            # The head is better than no result at all.
            await record.problem(f"the whole answer could not be kept: {error}", layout.RESULT)
    metrics = result.to_json()["metrics"]
    head = whole[:inline].decode(errors="ignore")
    await record.append("result", **fields, response=head, error=result.error, metrics=metrics)


def acknowledge(agent: Root) -> None:
    try:
        agent.write_bytes(layout.RESULT_ACK, b"")
    except (OSError, FileRefused, Permanent) as error:
        logger.warning("the agent does not learn that its result is safe: %s", error)
