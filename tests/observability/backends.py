"""``python -m tests.observability.backends``: makes what these tests run, and keeps it: Prometheus from Debian's package, unpacked and not installed,
and Loki from its Go module."""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

from tests.kubernetes.machine.archives import unpack_debian
from tests.kubernetes.machine.build import Binary, build_all, cache, locked, say
from tests.kubernetes.machine.errors import MachineError

LOKI = Binary("loki", str(Path(__file__).parent / "source"), "github.com/grafana/loki/v3/cmd/loki")
"""Its `go.mod` replaces what Loki's own does."""


def loki() -> Path:
    """Raises MachineError."""
    return build_all([LOKI])["loki"]


def prometheus() -> Path:
    """Raises MachineError."""
    kept = cache() / "prometheus-debian"
    with locked():
        if not kept.exists():
            say("fetching Debian's prometheus …")
            with tempfile.TemporaryDirectory(prefix="sympozium-prometheus-") as folder:
                unpack_debian(["prometheus"], Path(folder, "tree"), Path(folder, "packages"))
                partial = kept.with_name(f".{kept.name}")
                shutil.copy2(Path(folder, "tree/usr/bin/prometheus"), partial)
                partial.replace(kept)
    return kept


if __name__ == "__main__":
    try:
        print(prometheus(), loki(), sep="\n")
    except MachineError as problem:
        say(f"error: {problem}")
        sys.exit(1)
