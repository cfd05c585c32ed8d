"""`.req.append` as the gateway serves it, met by callers that send what no bridge would."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sympozium_core.bus import subjects
from sympozium_core.bus.appending import append_by_call, serve_appends
from sympozium_core.bus.calls import call_once
from sympozium_core.contracts.bus import FRAME_BYTES, Bus, BusUnavailable, Fenced, LimitReached
from sympozium_core.embedded.bus.limits import BusLimits
from sympozium_core.embedded.bus.local import EmbeddedBus
from sympozium_core.errors import Permanent
from sympozium_core.testing.bus_journal import stored


@pytest.fixture
async def bus(tmp_path: Path) -> AsyncIterator[Bus]:
    bus = await EmbeddedBus.open(tmp_path, limits=BusLimits(max_bytes=2 * FRAME_BYTES))
    server = await serve_appends(bus)
    yield bus
    await server.close()
    await bus.close()


@pytest.mark.parametrize(
    "request_",
    [
        b"",
        b"\n",
        b"x\n",
        b"null\ndata",
        b"[]\ndata",
        b'{"expected": null}\ndata',
        b'{"expected": -1, "id": "", "headers": {}}\n',
        b'{"expected": true, "id": "", "headers": {}}\n',
        b'{"expected": 1.5, "id": "", "headers": {}}\n',
        b'{"expected": 99999999999999999999, "id": "", "headers": {}}\n',
        b'{"expected": null, "id": 1, "headers": {}}\n',
        b'{"expected": null, "id": "' + b"x" * 300 + b'", "headers": {}}\n',
        b'{"expected": null, "id": "a\\r\\nNats-Rollup: all", "headers": {}}\n',
        b'{"expected": null, "id": "", "headers": {"a": 1}}\n',
        b'{"expected": null, "id": "", "headers": []}\n',
        b'{"expected": null, "id": "", "headers": {"Nats-Rollup": "all"}}\n',
        b'{"expected": null, "id": "", "headers": {"a": "b\\r\\nc: d"}}\n',
        b'{"expected": null, "id": "", "headers": {"a": "' + b"x" * 20_000 + b'"}}\n',
        b'{"a":' * 5000 + b"\n",
    ],
)
async def test_what_no_bridge_would_send_is_refused_and_stores_nothing(bus: Bus, request_: bytes) -> None:
    try:
        said = (await call_once(bus, subjects.request("u1", "append"), request_, deadline=time.time() + 10)).decode()
    except Permanent as error:
        said = error.message
    assert "sequence" not in said
    assert "internal error" not in said
    assert await stored(bus, "sympozium.run.>") == []


async def test_refusals_keep_their_kind(bus: Bus) -> None:
    once = await append_by_call(bus, "u1", b"1", expected_last=0, message_id="a", headers=None)
    with pytest.raises(Fenced):
        await append_by_call(bus, "u1", b"2", expected_last=0, message_id="b", headers=None)
    again = await append_by_call(bus, "u1", b"1", expected_last=0, message_id="a", headers=None)
    assert (again.sequence, again.duplicate) == (once.sequence, True)
    await append_by_call(bus, "u1", bytes(FRAME_BYTES), expected_last=None, message_id="", headers=None)
    with pytest.raises(LimitReached):
        await append_by_call(bus, "u1", bytes(FRAME_BYTES), expected_last=None, message_id="", headers=None)


async def test_without_a_gateway_the_outcome_is_unknown(tmp_path: Path) -> None:
    bus = await EmbeddedBus.open(tmp_path)
    with pytest.raises(BusUnavailable):
        await append_by_call(bus, "u1", b"1", expected_last=0, message_id="a", headers=None)
    await bus.close()
