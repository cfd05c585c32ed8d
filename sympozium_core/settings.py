"""Settings of the processes: one frozen class, each field with its reason. Read from the environment and the command line only here."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from sympozium_core import names


def default_data_dir() -> Path:
    """Where the embedded control plane keeps its state: ``$SYMPOZIUM_DATA_DIR``, else the user's data folder (XDG base directories)."""
    chosen = os.environ.get(names.ENV_DATA_DIR)
    if chosen:
        return Path(chosen).expanduser().absolute()
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local/share").absolute() / "sympozium"


@dataclass(frozen=True)
class ControllerSettings:
    max_concurrent_runs: int = 20
    """Runs at once over all instances; more wait in Queued. Each is three small processes when embedded."""
    max_run_history: int = 50
    """Finished runs kept per instance; the oldest beyond are deleted with their journal."""
    warm_pods: int = 0
    """Started pods that wait for a run, for each of the plans used last: a run that finds one starts in a tenth of a second."""
    stop_grace: float = 5.0
    """Seconds in which a cancelled pod may still write its result."""
    deadline_grace: float = 15.0
    """Seconds after a run's deadline in which its bridge may end it; then the controller does."""
    orphan_grace: float = 2.0
    """Seconds that a bridge gets to hand over a result after the agent has ended."""


@dataclass(frozen=True)
class EmbeddedSettings:
    data_dir: Path = field(default_factory=default_data_dir)
    sandbox: str = ""
    """Sandbox driver for every run; empty chooses the one that promises most among those usable here."""
    controller: ControllerSettings = ControllerSettings()

    @property
    def api_socket(self) -> Path:
        return self.data_dir / "api.sock"

    @property
    def bus_socket(self) -> Path:
        return self.data_dir / "bus.sock"
