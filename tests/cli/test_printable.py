from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from sympozium_core.cli.printable import json_text, printable, printable_lines

ANY = st.recursive(
    st.text() | st.integers() | st.none(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


@given(st.text())
def test_no_control_character_is_left(text: str) -> None:
    assert printable(text).isprintable()
    assert len(printable(text)) == len(text)
    assert all(char.isprintable() or char in "\n\t" for char in printable_lines(text))


@given(st.text().filter(str.isprintable))
def test_what_is_printable_stays(text: str) -> None:
    assert printable(text) == printable_lines(text) == text


@given(ANY, st.sampled_from([None, 2]))
def test_json_stays_the_same_data(data: object, indent: int | None) -> None:
    text = json_text(json.dumps(data, ensure_ascii=False, indent=indent))
    assert json.loads(text) == data
    assert all(char.isprintable() or char == "\n" for char in text)
