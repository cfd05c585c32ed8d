"""Runs every benchmark of this folder, one after the other: ``python bench/run.py [--quick]``. They print figures and assert nothing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

QUICK = {
    "bench_bridge.py": [],
    "bench_bus.py": ["-n", "200"],
    "bench_ipc.py": ["--singles", "50"],
    "bench_runner.py": ["--runs", "3", "--calls", "40"],
}
"""What makes a script short, where it is not ``--quick``."""

if sys.argv[1:] not in ([], ["--quick"]):
    sys.exit(f"usage: {sys.argv[0]} [--quick]")
for script in sorted(Path(__file__).parent.glob("bench_*.py")):
    print(f"\n== {script.name}", flush=True)
    arguments = QUICK.get(script.name, ["--quick"]) if sys.argv[1:] else []
    subprocess.run([sys.executable, str(script), *arguments], check=False)
