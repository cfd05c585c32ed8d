"""What a person sees of a run as it happens."""

from __future__ import annotations

import io

from sympozium_core.cli.live import Live


def shown(*entries: dict[str, object]) -> list[str]:
    out = io.StringIO()
    live = Live(out)
    for entry in entries:
        live.show({"at": 1.0, **entry})
    return [line.partition("s  ")[2] for line in out.getvalue().splitlines()]


def test_what_a_running_tool_says_is_shown_by_its_last_lines() -> None:
    output = {"type": "tool.output", "server": "shell", "call": "c1", "text": "one\ntwo\nthree\nfour \x1b[31m\n\n"}
    assert shown({"type": "progress", "events": [{"type": "turn", "turn": 1}, output]}) == [
        "tool     | three",
        "tool     | four  [31m",
    ]


def test_what_the_agent_says_of_itself_is_told_by_other_entries() -> None:
    assert shown({"type": "progress", "events": [{"type": "text", "text": "thinking"}, {"type": "tool", "tool": "x"}]}) == []
