"""Sympozium on the cluster of the tests, put there as an operator would: images on the node, then `sympozium install`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.kubernetes import images
from tests.kubernetes.machine.layout import Layout

PARTS = ("control-plane", "runner", "skill", "nats")
WITHIN = 240
"""Seconds that an installation may take."""


def arguments() -> list[str]:
    """The options that name the tests' own images."""
    chosen = [f"--image-{part}={images.image(part)}" for part in PARTS]
    return [*chosen, "--image-pull-policy=Never"]


def sympozium(kubeconfig: Path, *words: str, within: float = WITHIN) -> subprocess.CompletedProcess[str]:
    """The command, against this cluster. Output and errors are kept; the exit code is the caller's to judge."""
    command = [sys.executable, "-m", "sympozium_core.cli.main", *words, f"--kubeconfig={kubeconfig}"]
    return subprocess.run(command, capture_output=True, text=True, timeout=within + 30, check=False)


def install(kubeconfig: Path, layout: Layout) -> None:
    """Returns when everything is ready.

    Raises:
        AssertionError: It did not become ready; the message has what the command said.
    """
    images.load_all(layout)
    done = sympozium(kubeconfig, "install", *arguments(), f"--timeout={WITHIN}")
    assert done.returncode == 0, done.stdout + done.stderr
