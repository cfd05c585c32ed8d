"""A hostile program in the place of the runner: waits for its task, which is what to attack, tries everything, and claims what it likes of itself.

Standard library and its two neighbours only; `test_embedded.START` starts all three.
"""

from __future__ import annotations

import json
import time
from pathlib import Path

from tests.redteam import container, protocol

IPC = Path("/ipc")
CLAIM = {"turns": 10**9, "toolCalls": 10**9, "durationMs": 1}


def put(path: Path, value: object) -> None:
    hidden = path.with_name(f".{path.name}")
    hidden.write_text(json.dumps(value))
    hidden.rename(path)


def main() -> None:
    while not (IPC / "input/task.json").exists():
        time.sleep(0.02)
    told = json.loads(json.loads((IPC / "input/task.json").read_bytes())["task"])
    told["needles"] = [needle[::-1] for needle in told["needles"]]  # the task itself must not hold them
    found = protocol.main(told) if "only" in told else {**container.main(told), **protocol.main(told)}
    (IPC / "output").mkdir(exist_ok=True)
    (IPC / "output/result.ack").unlink(missing_ok=True)
    put(
        IPC / "output/result.json",
        {"version": 1, "status": "success", "reason": "Completed", "response": json.dumps(found), "metrics": CLAIM},
    )
    while not (IPC / "output/result.ack").exists():
        time.sleep(0.02)
    put(IPC / "output/result.json", {"version": 1, "status": "success", "reason": "Completed", "response": "changed my mind"})
