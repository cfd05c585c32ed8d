"""The probes of `plain_server.py`."""

from __future__ import annotations

import sys
from pathlib import Path

from sympozium_core.testing.tool_server import Probe, Probes, ToolServerContract

SERVER = Path(__file__).with_name("plain_server.py")
PROBES = Probes(
    example=Probe("echo", {"text": "hello"}),
    echo=lambda text: Probe("echo", {"text": text}),
    slow=Probe("wait", {"seconds": 60}),
    flood=Probe("flood", {"size": 3_000_000}),
    count=lambda word: Probe("count", {"word": word}),
    wrong=Probe("echo", {"text": 3}),
)


class PlainLegacySuite(ToolServerContract):
    name = "plain"
    command = (sys.executable, "-S", "-E", str(SERVER), "plain", "legacy")
    probes = PROBES
    speaks_legacy = True


class PlainServerSuite(ToolServerContract):
    name = "plain"
    command = (sys.executable, "-S", "-E", str(SERVER), "plain")
    probes = PROBES
