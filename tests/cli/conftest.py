"""The command line as a user meets it: real processes, a real data directory, and a strict local model server."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Any

import pytest
import yaml

SYMPOZIUM = (sys.executable, "-m", "sympozium_core.cli.main")
KEY = "test-key-0123456789abcdef"
MODEL = "practice"
DEADLINE = 30.0

SCRIPT = {
    "conversations": [
        {"when": "^brief", "turns": [{"text": "word " * 20, "delay": 0.1}]},
        {"when": "^slow", "turns": [{"text": "word " * 200, "delay": 0.2}]},
        {
            "when": "^evil",
            "turns": [
                {"text": "look", "tools": [{"name": "execute_command", "arguments": {"command": r"printf '\033]0;owned\007\033[2J'"}}]},
                {"text": "I am \x1b[31mred\x1b]0;owned\x07, \u009b31m and \u202etxet."},
            ],
        },
        {"when": "^broken", "turns": [{"fault": {"kind": "status", "status": 403}}]},
        {
            "when": "^count",
            "turns": [
                {"text": "I count.", "tools": [{"name": "execute_command", "arguments": {"command": "echo $((6 * 7))"}}]},
                {"text": "It is 42."},
            ],
        },
        {"turns": [{"text": "Done."}]},
    ]
}  # fmt: skip


def _as_from_a_shell() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@dataclass(frozen=True)
class Done:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def yaml(self) -> Any:
        return yaml.safe_load(self.out)

    @property
    def rows(self) -> list[list[str]]:
        """A table's lines, split where columns are (three blanks); the head first."""
        return [[cell.strip() for cell in line.split("   ") if cell.strip()] for line in self.out.splitlines()]


@dataclass(frozen=True)
class Cli:
    """`sympozium` on one data directory; `namespace` is what ``here`` works in."""

    data: Path
    namespace: str = "default"
    environment: Mapping[str, str] = field(default_factory=dict)

    def arguments(self, *arguments: str) -> dict[str, Any]:
        environment = {**os.environ, "SYMPOZIUM_DATA_DIR": str(self.data), "COLUMNS": "120", **self.environment}
        for name in ("OPENAI_API_KEY", "SYMPOZIUM_CONTEXT"):
            if name not in self.environment:
                environment.pop(name, None)
        return {"args": [*SYMPOZIUM, *arguments], "env": environment, "text": True}

    def __call__(self, *arguments: str, stdin: str = "", code: int | None = 0) -> Done:
        """Runs a command to its end and checks its exit code; None takes any."""
        ended = subprocess.run(**self.arguments(*arguments), input=stdin, capture_output=True, timeout=DEADLINE, check=False)
        assert code is None or ended.returncode == code, (ended.returncode, ended.stdout, ended.stderr)
        assert "Traceback" not in ended.stderr
        return Done(ended.returncode, ended.stdout, ended.stderr)

    def here(self, *arguments: str, stdin: str = "", code: int | None = 0) -> Done:
        return self(*arguments, "-n", self.namespace, stdin=stdin, code=code)

    def start(self, *arguments: str, **options: Any) -> subprocess.Popen[str]:
        """A command in a process group of its own, as a shell starts it: Ctrl-C reaches it even if the test runs in the background."""
        return subprocess.Popen(
            **self.arguments(*arguments),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            preexec_fn=_as_from_a_shell,  # noqa: PLW1509 (this process has no threads)
            **options,
        )

    def apply(self, *objects: Mapping[str, Any], code: int | None = 0) -> Done:
        return self.here("apply", "-f", "-", stdin=yaml.safe_dump_all(list(objects), allow_unicode=True), code=code)

    @staticmethod
    def until(stream: IO[str] | None, words: str) -> str:
        """All lines up to the first with these words; pytest's own timeout is the deadline."""
        assert stream is not None
        read = ""
        for line in stream:
            read += line
            if words in line:
                return read
        raise AssertionError(f"{words!r} did not come; there was:\n{read}")

    @staticmethod
    def instance(name: str = "helper", **spec: Any) -> dict[str, Any]:
        return {
            "apiVersion": "sympozium.ai/v1alpha1",
            "kind": "SympoziumInstance",
            "metadata": {"name": name},
            "spec": {"provider": {"name": "openai", "model": MODEL}, "policy": "permissive", **spec},
        }


@pytest.fixture(scope="session")
def model_address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Base URL of a server that speaks OpenAI's protocol and says what SCRIPT says."""
    script = tmp_path_factory.mktemp("model") / "script.json"
    script.write_text(json.dumps(SCRIPT))
    command = [
        sys.executable,
        "-m",
        "sympozium_core.testing.servers.openai",
        "--model",
        MODEL,
        "--key",
        KEY,
        "--script",
        str(script),
    ]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        yield server.stdout.readline().strip()
    finally:
        server.terminate()
        server.communicate(timeout=DEADLINE)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cli]:
    """A data directory with a running ``sympozium serve``."""
    cli = Cli(tmp_path_factory.mktemp("served"))
    process = cli.start("serve")
    try:
        cli.until(process.stdout, "sandbox")
        yield cli
    finally:
        process.terminate()
        _, errors = process.communicate(timeout=DEADLINE)
        assert process.returncode == 0, errors


@pytest.fixture
def cli(server: Cli) -> Cli:
    """The served directory, in a namespace that no other test uses."""
    return replace(server, namespace=f"t-{uuid.uuid4().hex[:12]}")


@pytest.fixture(scope="session")
def helper(server: Cli, model_address: str) -> Cli:
    """The served directory, in a namespace with an instance ``helper`` and its Secret, for tests that only make runs."""
    cli = replace(server, namespace="work")
    with_key = replace(cli, environment={"MODEL_KEY": KEY})
    with_key.here("secrets", "create", "model-key", "--from-env", "apiKey=MODEL_KEY")
    provider = {"name": "openai", "model": MODEL, "baseURL": model_address, "apiKeySecret": "model-key"}
    cli.apply(cli.instance(provider=provider))
    return cli


@pytest.fixture
def alone(tmp_path: Path) -> Cli:
    """A data directory without a server."""
    return Cli(tmp_path / "data")
