"""Carries out, inside a container of a run, what `redteam.container`, `redteam.protocol` and `bus_attacks` try."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.kubernetes import runs
from tests.kubernetes.kubectl import Kubectl

REDTEAM = Path(__file__).parents[1] / "redteam"
CONTAINER = (REDTEAM / "container.py").read_text(encoding="utf-8")
PROTOCOL = (REDTEAM / "protocol.py").read_text(encoding="utf-8")
BUS = Path(__file__).with_name("bus_attacks.py").read_text(encoding="utf-8")
Attempts = dict[str, str]
"""Attempt → what came of it."""


def attack(here: Kubectl, pod: str, container: str, told: dict[str, Any]) -> Attempts:
    return _carried_out(here, pod, container, CONTAINER, json.dumps(told))


def attack_protocol(here: Kubectl, pod: str, told: dict[str, Any]) -> Attempts:
    """From the agent's container, beside the honest runner."""
    return _carried_out(here, pod, "agent", PROTOCOL, json.dumps(told))


def attack_bus(attacker: Kubectl, pod: str, run: str, victim: Kubectl, victims_run: str) -> Attempts:
    """From the bridge of a run's pod, against another run, perhaps of another namespace."""
    uids = [here.get("agentrun", name)["metadata"]["uid"] for here, name in ((attacker, run), (victim, victims_run))]
    return _carried_out(attacker, pod, "bridge", BUS, *uids, runs.status(victim, victims_run)["pod"])


def reached(found: Attempts) -> Attempts:
    """Those that got through."""
    return {name: said for name, said in found.items() if said.startswith("REACHED")}


def _carried_out(here: Kubectl, pod: str, container: str, program: str, *arguments: str) -> Attempts:
    said = here("exec", "-i", pod, "-c", container, "--", "python3", "-", *arguments, stdin=program)
    found: Attempts = json.loads(said)
    return found
