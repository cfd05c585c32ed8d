"""Calls to the machine's own programs (`ip`, `mount`, `ctr`, ...)."""

from __future__ import annotations

import os
import subprocess

from tests.kubernetes.machine.build import find
from tests.kubernetes.machine.errors import MachineError


def call(program: str, *arguments: str, stdin: str = "") -> str:
    """Runs a program of the distribution. Returns what it printed.

    Raises:
        MachineError: It is not installed, or it failed; with what it said.
    """
    environment = {**os.environ, "LC_ALL": "C"}
    done = subprocess.run(
        [find(program), *arguments], input=stdin, capture_output=True, text=True, errors="replace", env=environment, check=False
    )
    if done.returncode:
        said = (done.stderr or done.stdout).strip()
        raise MachineError(f"`{program} {' '.join(arguments)}` failed: {said}")
    return done.stdout
