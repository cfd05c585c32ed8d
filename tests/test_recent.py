"""What is kept in memory while there is room."""

from __future__ import annotations

from sympozium_core.recent import Recent


def kept(recent: Recent[str], *keys: str) -> list[str]:
    return [key for key in keys if recent.get(key) is not None]


def test_beyond_the_number_what_was_not_used_for_longest_goes() -> None:
    recent: Recent[str] = Recent(2, 100)
    recent.put("a", "A", 1)
    recent.put("b", "B", 1)
    assert recent.get("a") == "A"
    recent.put("c", "C", 1)
    assert kept(recent, "a", "b", "c") == ["a", "c"]


def test_where_the_number_is_bound_enough_nothing_is_weighed() -> None:
    recent: Recent[str] = Recent(2)
    for key in ("a", "b", "c"):
        recent.put(key, key)
    assert kept(recent, "a", "b", "c") == ["b", "c"]


def test_beyond_the_bytes_too() -> None:
    recent: Recent[str] = Recent(10, 100)
    recent.put("a", "A", 40)
    recent.put("b", "B", 40)
    recent.put("a", "A", 70)
    assert kept(recent, "a", "b") == ["a"], "one that has grown is weighed again"
    recent.put("a", "A", 10)
    recent.put("c", "C", 80)
    assert kept(recent, "a", "c") == ["a", "c"]


def test_the_newest_stays_however_big_it_is() -> None:
    recent: Recent[str] = Recent(10, 100)
    recent.put("a", "A", 1)
    recent.put("b", "B", 1000)
    assert (kept(recent, "a", "b"), len(recent)) == (["b"], 1)


def test_what_is_dropped_makes_room() -> None:
    recent: Recent[str] = Recent(10, 100)
    recent.put("a", "A", 60)
    recent.drop("a")
    recent.drop("never there")
    recent.put("b", "B", 60)
    recent.put("c", "C", 40)
    assert kept(recent, "a", "b", "c") == ["b", "c"]
