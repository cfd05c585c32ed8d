from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from sympozium_core.registry.catalogue import installed

SANDBOXES = [entry.name for entry in installed() if entry.kind == "sandbox"]


@pytest.mark.parametrize("sandbox", ["", "process"])
def test_it_works_from_nothing_and_leaves_nothing(sandbox: str, alone: Any, tmp_path: Path) -> None:
    folder = tmp_path / "t"
    folder.mkdir()
    arguments = alone.arguments("demo", *(["--sandbox", sandbox] if sandbox else []))
    process = alone.__class__(alone.data, environment={"TMPDIR": str(folder)})
    done = process("demo", *(["--sandbox", sandbox] if sandbox else []))
    assert "plays a recorded conversation" in done.out
    assert "worth 2945.80" in done.out
    assert "Succeeded (Completed)" in done.out
    assert ("does not isolate" in done.out) == (sandbox == "process")
    assert os.listdir(folder) == []
    assert not alone.data.exists()
    assert "OPENAI_API_KEY" not in arguments["env"]


def test_a_live_model_by_options(alone: Any, model_address: str) -> None:
    done = alone("demo", "--provider", "lm-studio", "--model", "practice", "--base-url", model_address, code=7)
    assert "Using the live model lm-studio/practice." in done.out
    assert "ModelError" in done.out  # that server wants a key, and lm-studio has none


def test_what_does_not_go_together(alone: Any) -> None:
    assert "another task needs a live model" in alone("demo", "--task", "sing", code=4).err
    assert "--model NAME" in alone("demo", "--provider", "ollama", code=4).err
