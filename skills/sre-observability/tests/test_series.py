"""Numbers as tables; the questions themselves are put to a real Prometheus and a real Loki, in ``tests/observability``."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sympozium_skill_sre_observability import series
from sympozium_skill_sre_observability.span import seconds

from sympozium_core.sidecar.definition import BadArguments


def one(value: Any, **labels: str) -> dict[str, Any]:
    return {"metric": {"__name__": "up", **labels}, "value": [0, value]}


def test_what_all_have_in_common_is_said_once_and_the_greatest_comes_first() -> None:
    found = series.vector([one("1", job="web", pod="a"), one("3.00000001", job="web", pod="b"), one("NaN", job="web", pod="c")])
    assert found == ['all with {job="web"}', 'up{pod="b"} 3', 'up{pod="a"} 1', 'up{pod="c"} NaN']
    assert series.vector([one("1", job="web")]) == ['up{job="web"} 1']


def test_a_course_has_its_least_mean_greatest_and_last() -> None:
    values = [[0, "1"], [60, "NaN"], [120, "4"], [180, "1"]]
    (head, points) = series.matrix([{"metric": {"pod": "a"}, "values": values}])
    assert head == '{pod="a"} min 1, mean 2, max 4, last 1'
    assert points == "  00:00:00=1  00:01:00=NaN  00:02:00=4  00:03:00=1"
    long = series.matrix([{"metric": {}, "values": [[0, "1"], [90_000, "2"]]}])
    assert long[1] == "  01-01 00:00:00=1  01-02 01:00:00=2"


@given(st.lists(st.tuples(st.dictionaries(st.sampled_from("abc"), st.text(max_size=3)), st.text(max_size=6)), max_size=9))
def test_no_answer_of_a_backend_breaks_it(given: list[tuple[dict[str, str], str]]) -> None:
    series.vector([{"metric": labels, "value": [0, value]} for labels, value in given])
    series.matrix([{"metric": labels, "values": [[0, value]]} for labels, value in given])


@pytest.mark.parametrize(("text", "expected"), [("90s", 90), ("15m", 900), ("2h", 7200), ("3d", 259_200), ("1w", 604_800)])
def test_times(text: str, expected: int) -> None:
    assert seconds(text, "last") == expected


@pytest.mark.parametrize("text", ["", "5", "0m", "-1h", "2 hours", "32d", "9999999d"])
def test_other_times_are_refused(text: str) -> None:
    with pytest.raises(BadArguments, match="15m"):
        seconds(text, "last")
