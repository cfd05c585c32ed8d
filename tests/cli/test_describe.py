from __future__ import annotations

import time
from typing import Any


def test_a_run_with_its_story_in_order(helper: Any) -> None:
    helper.here("run", "hi", "--instance", "helper", "--name", "told")
    give_up = time.monotonic() + 30
    while not helper.here("runs", "show", "told", "-o", "json").json["status"].get("cleaned"):
        assert time.monotonic() < give_up, "its status is still being written"
    out = helper.here("describe", "run", "told").out
    assert out.splitlines()[0].split() == ["Name:", "told"]
    assert "  phase: Succeeded" in out
    events = [line.split()[1] for line in out.partition("Events:\n")[2].splitlines()[1:]]
    story = [reason for reason in events if reason in ("Planned", "Started", "Completed")]
    assert story == ["Planned", "Started", "Completed"]
    assert helper.here("describe", "agentrun/told").out.partition("Events:")[0] == out.partition("Events:")[0]


def test_a_secret_shows_its_keys_only(helper: Any) -> None:
    out = helper.here("describe", "secret", "model-key").out
    assert "apiKey: <hidden>" in out
    assert "dGVzdC1r" not in out


def test_other_objects_events_are_not_shown(helper: Any) -> None:
    helper.here("run", "hi", "--instance", "helper", "--name", "untold")
    assert "Started" not in helper.here("describe", "si", "helper").out


def test_what_is_missing(cli: Any) -> None:
    assert "sympozium describe agentrun NAME" in cli.here("describe", "run", code=4).err
    assert '"none" not found' in cli.here("describe", "run", "none", code=3).err
