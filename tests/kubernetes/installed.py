"""Sympozium on the cluster of the tests, put there as an operator would: images on the node, then `sympozium install`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.kubernetes import images
from tests.kubernetes.kubectl import Kubectl
from tests.kubernetes.machine.layout import Layout

HOME = "sympozium-system"
CHANGING = ("events", "leases", "endpointslices", "endpoints", "nodes", "csinodes", "podmetrics", "componentstatuses")
"""Kinds that the cluster itself renews all the time."""
PARTS = ("control-plane", "runner", "skill", "nats")
WITHIN = 240
"""Seconds that an installation may take."""
WAIT = f"--timeout={WITHIN}"


def arguments() -> list[str]:
    """The options that name the tests' own images."""
    chosen = [f"--image-{part}={images.image(part)}" for part in PARTS]
    return [*chosen, "--image-pull-policy=Never"]


def sympozium(
    kubeconfig: Path, *words: str, within: float = WITHIN, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """The command, against this cluster. Output and errors are kept; the exit code is the caller's to judge."""
    command = [sys.executable, "-P", "-m", "sympozium_core.cli.main", *words, f"--kubeconfig={kubeconfig}"]
    given = {**os.environ, **(environment or {})}
    return subprocess.run(command, capture_output=True, text=True, timeout=within + 30, check=False, env=given)


def as_version(version: str, folder: Path) -> dict[str, str]:
    """The environment in which the command takes itself for another version: it asks its distribution, as pip has left it.

    It is looked for on the path, first there; ``-P`` keeps the working directory out, where a build may have left an ``egg-info``.
    """
    info = folder / f"sympozium_core-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: sympozium-core\nVersion: {version}\n")
    return {"PYTHONPATH": str(folder)}


def install(kubeconfig: Path, layout: Layout) -> None:
    """Returns when everything is ready.

    Raises:
        AssertionError: It did not become ready; the message has what the command said.
    """
    images.load_all(layout)
    done = sympozium(kubeconfig, "install", *arguments(), WAIT)
    assert done.returncode == 0, done.stdout + done.stderr


class Operator:
    """Calls the command; each test goes on where the one before ended."""

    def __init__(self, kubeconfig: Path, environment: Mapping[str, str] | None = None) -> None:
        self._kubeconfig, self._environment = kubeconfig, environment

    def __call__(self, *words: str) -> subprocess.CompletedProcess[str]:
        return sympozium(self._kubeconfig, *words, environment=self._environment)

    def done(self, *words: str) -> str:
        """What it printed, when all was well."""
        result = self(*words)
        assert result.returncode == 0, f"{' '.join(words)} ended with {result.returncode}\n{result.stdout}{result.stderr}"
        return result.stdout

    def findings(self, *words: str) -> tuple[int, list[dict[str, Any]]]:
        result = self("doctor", "-o", "json", *words)
        return result.returncode, json.loads(result.stdout)


def failures(found: list[dict[str, Any]]) -> list[str]:
    return [finding["what"] for finding in found if finding["level"] == "FAIL"]


def inventory(kubectl: Kubectl) -> set[str]:
    """Every object of the cluster by kind, namespace and name; but for namespaces of tests, which go behind the tests' backs."""
    found: set[str] = set()
    for scope in ("true", "false"):
        names = kubectl("api-resources", "--verbs=list", f"--namespaced={scope}", "-o", "name").split()
        kinds = ",".join(name for name in names if name.split(".")[0] not in CHANGING)
        where = ["-A"] if scope == "true" else []
        columns = "custom-columns=:kind,:apiVersion,:metadata.namespace,:metadata.name"
        found |= {" ".join(line.split()) for line in kubectl("get", kinds, *where, "-o", columns, "--no-headers").splitlines()}
    return {line for line in found if " test-" not in line}
