"""Answers that are too long for a model."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sympozium_core.sidecar.brief import LONGEST, brief

LINES = [f"line {number}" for number in range(1000)]


def test_what_fits_is_left_as_it_is() -> None:
    assert brief(["a ", "b"], narrow="x") == "a\nb"
    assert brief([], narrow="x") == ""


def test_what_is_left_out_is_counted_and_how_to_see_it_is_said() -> None:
    head = brief(LINES, narrow="give a name", room=80).splitlines()
    assert head[:2] == ["line 0", "line 1"]
    assert head[-1] == f"[{1000 - len(head) + 1} of 1000 lines are left out: give a name]"
    tail = brief(LINES, narrow="give a name", keep="tail", room=80).splitlines()
    assert tail[-1] == "line 999"
    assert tail[0].startswith("[")


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=2000)), st.integers(0, 3000))
def test_it_is_never_longer_than_the_room_and_a_word(lines: list[str], room: int) -> None:
    assert len(brief(lines, narrow="n", room=room)) <= max(room, LONGEST) + 100
