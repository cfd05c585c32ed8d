"""A process that `test_crash` kills: appends through the embedded bus, and writes down each acknowledgement after it has come.

``python appender.py LENGTHS ACKS own FOLDER`` holds the bus itself; ``python appender.py LENGTHS ACKS remote ADDRESS LAST`` is a bridge.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from sympozium_core.bus import subjects
from sympozium_core.bus.journal import Journal
from sympozium_core.contracts.bus import Bus


async def append(bus: Bus, lengths: list[int], acks: int, last: int) -> None:
    journal = Journal(bus, subjects.journal("run-1", "pod"), last=last, attempt=1)
    number = 0
    while True:
        text = chr(97 + number % 26) * lengths[number % len(lengths)]
        sequence = await journal.append({"type": "progress", "n": number, "pid": os.getpid(), "text": text})
        os.write(acks, b"%d %d %d\n" % (sequence, os.getpid(), number))
        number += 1


async def main(lengths: list[int], acks_path: str, kind: str, where: str, last: str = "0") -> None:
    acks = os.open(acks_path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    if kind == "own":
        from sympozium_core.embedded.bus.local import EmbeddedBus

        own = await EmbeddedBus.open(Path(where))
        newest = await own.last(subjects.journal("run-1", "pod"))
        await append(own, lengths, acks, newest.sequence if newest else 0)
    else:
        from sympozium_core.embedded.bus.remote import RemoteBus

        await append(await RemoteBus.connect(where, "right", "pod-1"), lengths, acks, int(last))


if __name__ == "__main__":
    asyncio.run(main([int(length) for length in sys.argv[1].split(",")], *sys.argv[2:]))
