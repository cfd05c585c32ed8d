"""From a file to whoever watches: latency one at a time, and bursts of 50, 500 and 2,000, by rename and plainly. Prints one JSON row each.

    python bench/bench_ipc.py [--singles 300]

The writer is a process of its own. A file counts as delivered when it has been reported, read whole, and parsed.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from sympozium_core.ipc.files import FileRefused, Root
from sympozium_core.ipc.watch import Watch

WRITER = """
import json, os, sys, time
folder, count, style, pause = sys.argv[1], int(sys.argv[2]), sys.argv[3], float(sys.argv[4])
sys.stdin.readline()
for number in range(count):
    path = f"{folder}/{number}.json"
    part = path if style == "plain" else f"{folder}/.{number}"
    with open(part, "w") as file:
        file.write(json.dumps({"n": number, "at": time.perf_counter(), "text": "x" * 150}))
    if style != "plain":
        os.rename(part, path)
    time.sleep(pause) if pause else None
"""


def summary(values: list[float]) -> dict[str, float]:
    ordered = sorted(values)
    at = {"min": 0, "p50": len(ordered) // 2, "p99": min(len(ordered) - 1, int(len(ordered) * 0.99))}
    return {name: round(ordered[index], 3) for name, index in at.items()} | {"n": len(ordered)}


def measure(count: int, style: str, pause: float, *, polling: bool) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="bench-ipc-", dir="/var/tmp") as folder:
        os.mkdir(f"{folder}/in")
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, f"{folder}/in", str(count), style, str(pause)], stdin=subprocess.PIPE
        )
        latencies: dict[int, float] = {}
        refused = 0
        with Root(folder) as root, Watch(root, ["in"], polling=polling) as watch:
            watch.wait(0)
            assert writer.stdin is not None
            writer.stdin.write(b"\n")
            writer.stdin.close()
            begin = time.perf_counter()
            while len(latencies) < count and time.perf_counter() - begin < 60:
                for found in watch.wait(1):
                    try:
                        data = root.read_json(found.path, 1 << 20)
                    except (FileRefused, FileNotFoundError):
                        refused += 1
                        continue
                    # One clock for both processes: perf_counter is CLOCK_MONOTONIC here.
                    latencies.setdefault(data["n"], (time.perf_counter() - data["at"]) * 1e3)
            seconds = time.perf_counter() - begin
        writer.wait()
    return {
        "delivered": f"{len(latencies)}/{count}",
        "ms": summary(list(latencies.values())),
        "per_s": round(count / seconds),
        "early_reads": refused,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--singles", type=int, default=300)
    arguments = parser.parse_args()
    queue = Path("/proc/sys/fs/inotify/max_queued_events").read_text().strip()
    print(json.dumps({"what": "conditions", "cpus": os.cpu_count(), "load": os.getloadavg(), "inotify_queue": queue}))
    for polling in (False, True):
        how = "polling" if polling else "inotify"
        for style in ("rename", "plain"):
            print(
                json.dumps(
                    {"what": f"{how}, {style}, one at a time", **measure(arguments.singles, style, 0.003, polling=polling)}
                ),
                flush=True,
            )
            for count in (50, 500, 2000):
                print(json.dumps({"what": f"{how}, {style}, burst", **measure(count, style, 0, polling=polling)}), flush=True)


if __name__ == "__main__":
    main()
