"""``sympozium approve NAME``: see `approvals`."""

from __future__ import annotations

import argparse

from sympozium_core.cli.approvals import configure_decision as configure
from sympozium_core.cli.approvals import decide

__all__ = ["configure", "run"]


def run(arguments: argparse.Namespace) -> int:
    return decide(arguments, "Approved")
