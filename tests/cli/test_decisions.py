"""The calls of a run as they are shown: in the order in which the model asked for them, whatever was decided first."""

from __future__ import annotations

from typing import Any

import pytest

from sympozium_core.cli.decisions import print_made


def answer(*calls: str) -> dict[str, Any]:
    return {"type": "model.answer", "message": {"role": "assistant", "tool_calls": [{"id": each} for each in calls]}}


def test_calls_of_one_answer_keep_the_order_of_the_model(capsys: pytest.CaptureFixture[str]) -> None:
    entries = [
        answer("a", "b", "c"),
        {"type": "tool.denied", "call": "c", "tool": "third"},
        {"type": "tool.requested", "call": "b", "tool": "second"},
        {"type": "tool.result", "call": "b", "status": "ok"},
        {"type": "tool.requested", "call": "a", "tool": "first"},
        {"type": "tool.denied", "call": "made-up", "tool": "of-no-answer"},
        answer("b", "a"),
        {"type": "tool.requested", "call": "a", "tool": "fifth"},
        {"type": "tool.requested", "call": "b", "tool": "fourth"},
        {"type": "model.answer", "message": {"role": "assistant", "content": "Done."}},
    ]
    print_made(entries)
    shown = [line.split()[0] for line in capsys.readouterr().out.splitlines() if line]
    assert shown == ["CALL", "first", "second", "third", "of-no-answer", "fourth", "fifth"]
