"""The real kubectl, for tests: one call, one answer. It never asks twice; a test that has to wait says for what and how long."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any


class KubectlFailed(AssertionError):
    """kubectl ended with another status than 0. The message is what it said."""


@dataclass(frozen=True)
class Kubectl:
    """Calls kubectl with one kubeconfig and, where given, in one namespace."""

    kubeconfig: Path
    namespace: str = ""
    timeout: float = 120
    """Seconds after which a call has failed."""

    def within(self, namespace: str) -> Kubectl:
        return Kubectl(self.kubeconfig, namespace, self.timeout)

    def with_token(self, token: str, file: Path) -> Kubectl:
        """kubectl for the same cluster and namespace as whoever has this token; its kubeconfig is written to `file`."""
        config = json.loads(self("config", "view", "--raw", "--minify", "-o", "json"))
        for user in config["users"]:
            user["user"] = {"token": token}
        file.write_text(json.dumps(config))
        file.chmod(0o600)
        return Kubectl(file, self.namespace, self.timeout)

    def call(self, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """Whatever comes of it."""
        where = [f"--namespace={self.namespace}"] if self.namespace else []
        command = ["kubectl", f"--kubeconfig={self.kubeconfig}", *where, *arguments]
        return subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=self.timeout, check=False)

    def __call__(self, *arguments: str, stdin: str = "") -> str:
        """Returns what kubectl printed.

        Raises:
            KubectlFailed: It failed.
        """
        done = self.call(*arguments, stdin=stdin)
        if done.returncode:
            raise KubectlFailed(f"kubectl {' '.join(arguments)}: {done.stderr.strip() or done.stdout.strip()}")
        return done.stdout

    def refused(self, *arguments: str, stdin: str = "") -> str:
        """Returns what kubectl said when it failed, as it must."""
        done = self.call(*arguments, stdin=stdin)
        assert done.returncode, f"kubectl {' '.join(arguments)} was not refused: {done.stdout}"
        return done.stderr.strip()

    def apply(self, *objects: dict[str, Any]) -> None:
        self("apply", "-f", "-", stdin=as_list(objects))

    def apply_refused(self, *objects: dict[str, Any]) -> str:
        return self.refused("apply", "-f", "-", stdin=as_list(objects))

    def get(self, *what: str) -> Any:
        """The object, or the list, as a dict."""
        return json.loads(self("get", *what, "-o", "json"))

    def exists(self, *what: str) -> bool:
        return bool(self("get", *what, "--ignore-not-found", "-o", "name").strip())

    def wait(self, condition: str, what: str, within: float = 60) -> None:
        """Waits as `kubectl wait` does: `condition=Ready`, `jsonpath={.status.phase}=Succeeded`, `delete`."""
        try:
            self("wait", f"--for={condition}", what, f"--timeout={within:g}s")
        except KubectlFailed as failed:
            described = self.call("describe", what).stdout
            raise KubectlFailed(f"{failed}\n{described}") from None


def as_list(objects: tuple[dict[str, Any], ...]) -> str:
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)})


def eventually(holds: Callable[[], bool], what: str, within: float = 30) -> None:
    """Waits until a condition holds.

    Raises:
        AssertionError: It did not within so many seconds.
    """
    end = time.monotonic() + within
    while not holds():
        assert time.monotonic() < end, f"not within {within:g} s: {what}"
        time.sleep(0.1)
