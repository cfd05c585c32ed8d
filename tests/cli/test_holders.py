"""Commands without a server: each holds the data directory for itself, for its own work, and costs the runs of others nothing."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from typing import Any

import pytest
import yaml

KEY, MODEL = "test-key-0123456789abcdef", "practice"


@pytest.fixture
def ready(alone: Any, model_address: str) -> Any:
    """A data directory without a server, with an instance ``helper``."""
    replace(alone, environment={"MODEL_KEY": KEY})("secrets", "create", "model-key", "--from-env", "apiKey=MODEL_KEY")
    alone.apply(
        alone.instance(provider={"name": "openai", "model": MODEL, "baseURL": model_address, "apiKeySecret": "model-key"})
    )
    return alone


def test_a_run_that_waits_is_left_to_a_server_and_loses_no_attempt(ready: Any) -> None:
    ready("run", "brief", "--instance", "helper", "--name", "waiting", "--no-watch")
    for _ in range(3):
        ready("run", "anything", "--instance", "helper", "-o", "json")
    waiting = ready("runs", "show", "waiting", "-o", "json").json
    assert "status" not in waiting
    server = ready.start("serve")
    try:
        ready.until(server.stdout, "sandbox")
        assert "Succeeded" in ready("runs", "logs", "-f", "waiting", "-o", "json").out
    finally:
        server.terminate()
        server.communicate(timeout=30)


def test_commands_at_the_same_moment_wait_for_each_other(alone: Any) -> None:
    """None of them opens a socket, and all want the directory."""
    manifest = yaml.safe_dump(alone.instance())
    processes = [alone.start("apply", "-f", "-", stdin=subprocess.PIPE) for _ in range(2)]
    processes += [alone.start("get", "instances", stdin=subprocess.PIPE) for _ in range(3)]
    for process in processes:
        _, errors = process.communicate(manifest, timeout=30)
        assert process.returncode == 0, errors
    assert alone("get", "instances", "-o", "name").out == "sympoziuminstance.sympozium.ai/helper\n"


def test_a_command_that_carries_out_a_run_can_be_spoken_to(ready: Any) -> None:
    process = ready.start("run", "slow", "--instance", "helper", "--name", "long")
    try:
        ready.until(process.stdout, "turn 1")
        assert ready("runs", "show", "long", "-o", "json").json["status"]["phase"] == "Running"
        ready("runs", "cancel", "long")
        assert "Cancelled" in process.communicate(timeout=30)[0]
    finally:
        process.kill()


def test_following_a_run_carries_it_out(ready: Any) -> None:
    ready("run", "anything", "--instance", "helper", "--name", "followed", "--no-watch")
    ready("runs", "logs", "-f", "followed")
    assert ready("runs", "show", "followed", "-o", "json").json["status"]["phase"] == "Succeeded"


def test_servers_that_stop_cost_no_attempts(ready: Any) -> None:
    """More often than a run may fail."""
    ready("run", "brief", "--instance", "helper", "--name", "interrupted", "--no-watch")
    for _ in range(4):
        follower = ready.start("runs", "logs", "-f", "interrupted", "-o", "json")
        ready.until(follower.stdout, '"text"')
        follower.terminate()
        follower.communicate(timeout=30)
    ready("runs", "logs", "-f", "interrupted", "-o", "json")
    status = ready("runs", "show", "interrupted", "-o", "json").json["status"]
    assert (status["phase"], status.get("failures")) == ("Succeeded", None)
    assert status["attempt"] == 5


def test_deleting_one_run_starts_no_other(ready: Any) -> None:
    for name in ("one", "other"):
        ready("run", "anything", "--instance", "helper", "--name", name, "--no-watch")
    ready("delete", "run", "one")
    assert "status" not in ready("runs", "show", "other", "-o", "json").json
