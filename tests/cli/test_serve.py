from __future__ import annotations

import signal
from typing import Any

import pytest


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_says_where_and_with_which_sandbox_and_stops_when_told(number: signal.Signals, alone: Any) -> None:
    process = alone.start("serve", "--sandbox", "process")
    head = alone.until(process.stdout, "sandbox")
    assert head.splitlines()[0] == f"serving {alone.data}"
    assert "isolates nothing" in head
    process.send_signal(number)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (0, "stopping\n", "")
    assert not (alone.data / "api.sock").exists()


def test_one_server_a_directory(server: Any) -> None:
    done = server("serve", code=6)
    assert f"{server.data} is in use by process " in done.err


def test_a_sandbox_that_is_not_there(alone: Any) -> None:
    assert "no plugin named 'none' is installed" in alone("serve", "--sandbox", "none", code=None).err


def test_what_is_left_for_the_server_is_done_by_it(alone: Any, model_address: str) -> None:
    alone.here("secrets", "create", "model-key", "--from-file", "apiKey=-", stdin="test-key-0123456789abcdef")
    provider = {"name": "openai", "model": "practice", "baseURL": model_address, "apiKeySecret": "model-key"}
    alone.apply(alone.instance(provider=provider))
    left = alone.here("run", "hi", "--instance", "helper", "--name", "left", "--no-watch")
    assert left.out == "agentrun/left created\n"
    assert "the run starts with: sympozium serve" in left.err
    assert "not seen by a controller yet" in alone.here("runs", "show", "left").out
    process = alone.start("serve")
    try:
        alone.until(process.stdout, "sandbox")
        alone.here("runs", "logs", "-f", "left")
        assert alone.here("runs", "show", "left", "-o", "json").json["status"]["phase"] == "Succeeded"
    finally:
        process.terminate()
        process.communicate(timeout=30)
