"""`python -m tests.kubernetes.parts [--logs DIR] [NAME …]`: the tests on a cluster, part by part, each part on a cluster of its own.

Two parts run at a time, because much of each is waiting; on a cluster that was given, one. What a part says is printed when it has ended.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tests.kubernetes.machine.__main__ import EXISTING

FOLDER = Path(__file__).parent
TOGETHER = 2


@dataclass(frozen=True)
class Part:
    flags: tuple[str, ...]
    files: tuple[str, ...]
    """Names without ``test_`` and ``.py``."""


NODE, GVISOR = ("--node",), ("--node", "--gvisor")
PARTS: Mapping[str, Part] = {
    "faults": Part(NODE, ("faults_of_pods", "faults_control_plane")),
    "api": Part(
        GVISOR,
        (
            *(
                "admission",
                "admission_rights",
                "cli_on_cluster",
                "cluster_client",
                "cluster_contract",
                "crds",
                "hook_steps",
                "identity",
            ),
            "network_profiles",
        ),
    ),
    "install": Part(NODE, ("install", "install_by_others", "install_own_nats")),
    "skills": Part(NODE, ("skill_packs", "skill_rights", "skill_code", "memory")),
    "foreign": Part(NODE, ("third_party", "host_access", "skill_metrics", "git")),
    "runs": Part(GVISOR, ("story", "approvals", "attacks", "hooks", "mcp", "red_team", "tenancy", "kernel_sandbox", "burst")),
    "node": Part(GVISOR, ("machine_node", "sandbox_kubernetes")),
    "machine": Part(GVISOR, ("machine", "machine_control_plane", "machine_webhook")),
}
"""The longest first."""


def run(name: str, logs: Path | None) -> bool:
    part, begun = PARTS[name], time.monotonic()
    kept = ["--logs", str(logs / name)] if logs else []
    tests = [str(FOLDER / f"test_{file}.py") for file in part.files]
    command = [sys.executable, "-m", "tests.kubernetes.machine", "run", *part.flags, *kept, "--"]
    command += [sys.executable, "-m", "pytest", "--durations=5", "--timeout=300", *tests]
    print(f"part {name} begins", flush=True)
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", check=False)
    how = "passed" if done.returncode == 0 else f"ended with {done.returncode}"
    print(f"{done.stdout}\npart {name} {how} after {time.monotonic() - begun:.0f} s", flush=True)
    return done.returncode == 0


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.kubernetes.parts", description=(__doc__ or "").partition(": ")[2])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one of {', '.join(PARTS)}; all without")
    parser.add_argument("--logs", type=Path, help="where the clusters' logs go")
    options = parser.parse_args()
    if unknown := set(options.names) - PARTS.keys():
        parser.error(f"no part is named {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    at_once = 1 if os.environ.get(EXISTING) else TOGETHER
    with ThreadPoolExecutor(at_once) as pool:
        passed = list(pool.map(lambda name: run(name, options.logs), options.names or PARTS))
    return 0 if all(passed) else 1


if __name__ == "__main__":
    sys.exit(main())
