"""Durations, quantities, cron lines, time zones, names, tools: what is taken, and what a refusal says."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sympozium_core.resources import cron, durations, object_names, quantities, timezones, tool_names
from sympozium_core.resources.faults import Fault


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("10m", 600), ("1h30m", 5400), ("1.5h", 5400), ("250ms", 0.25), (".5s", 0.5), ("2m0s", 120)],
)
def test_durations(text: str, seconds: float) -> None:
    assert durations.seconds(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("-5m", "negative", "5m"),
        ("30", "no unit", "30s"),
        ("1d", "counts days", "24h"),
        ("0s", "no time", "10m"),
        ("soon", "no duration", "90s"),
        ("", "no duration", "90s"),
        ("10m\n", "no duration", "90s"),
        ("9" * 60 + "h", "too long", "10m"),
        ("1s" * 100, "no duration", "90s"),
    ],
)
def test_bad_durations(text: str, message: str, hint: str) -> None:
    _refused(durations.seconds, text, message, hint)


@pytest.mark.parametrize(
    ("text", "amount"),
    [("512Mi", 512 * 2**20), ("2", 2), ("500m", Decimal("0.5")), ("1e3", 1000), ("4Gi", 4 * 2**30), ("1.5k", 1500), ("0", 0)],
)
def test_quantities(text: str, amount: int | Decimal) -> None:
    assert quantities.amount(text) == amount


def test_bytes_are_rounded_up() -> None:
    assert quantities.whole("1500m") == 2
    assert quantities.whole("1Ki") == 1024


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("-1", "negative", "such as 1"),
        ("4GB", "no quantity", "4Gi"),
        ("512 mb", "no quantity", "512Mi"),
        ("lots", "no quantity", "512Mi"),
        ("1e99999", "no quantity", "512Mi"),
        ("", "no quantity", "512Mi"),
    ],
)
def test_bad_quantities(text: str, message: str, hint: str) -> None:
    _refused(quantities.amount, text, message, hint)


GOOD_LINES = [
    "* * * * *", "0 9 * * 1-5", "*/15 * * * *", "0 0 29 2 *", "0 0 13 * 5", "5,10 0-6/2 1 jan-mar MON", "@daily", "@hourly", "0 0 * * 7", "0 0 ? * *",
]  # fmt: skip


@pytest.mark.parametrize("line", [*GOOD_LINES, "@every 30m", " 0 0 * * 0 "])
def test_cron_lines(line: str) -> None:
    assert cron.check(line) == line


@pytest.mark.parametrize(
    ("line", "message", "hint"),
    [
        ("* * * *", "4 fields", "minute hour"),
        ("0 * * * * *", "seconds", "minute hour"),
        ("60 * * * *", "minute 60 is out of range", "0 to 59"),
        ("* 24 * * *", "hour 24", "0 to 23"),
        ("0 0 31 2 *", "never fires", "day"),
        ("0 0 L * *", "is no day", "minute hour"),
        ("0 0 * * 5#2", "is no weekday", "minute hour"),
        ("0 0 10-5 * *", "backwards", "5-10"),
        ("*/0 * * * *", "by zero", "*/15"),
        ("? * * * *", "is no minute", "minute hour"),
        ("@sometimes", "no cron line", "@daily"),
        ("@every", "no cron line", "@every 30m"),
        ("@every -1m", "negative", "1m"),
        ("", "no cron line", "weekdays at nine"),
        ("noon", "1 fields", "minute hour"),
        ("0 0 1 1 ١", "is no weekday", "minute hour"),
    ],
)
def test_bad_cron_lines(line: str, message: str, hint: str) -> None:
    _refused(cron.check, line, message, hint)


_NUMBERS = {"minute": (0, 59), "hour": (0, 23), "day": (1, 31), "month": (1, 12), "weekday": (0, 7)}


def _field(low: int, high: int) -> st.SearchStrategy[str]:
    number = st.integers(low - 1, high + 1)
    item = st.one_of(
        st.just("*"),
        number.map(str),
        st.tuples(number, number).map(lambda pair: f"{pair[0]}-{pair[1]}"),
        st.integers(0, 70).map(lambda step: f"*/{step}"),
    )
    return st.lists(item, min_size=1, max_size=3).map(",".join)


@given(st.tuples(*[_field(*bounds) for bounds in _NUMBERS.values()]).map(" ".join))
def test_what_is_taken_fires(line: str) -> None:
    """croniter, which will compute the times, takes each line that is taken here and finds a next time."""
    from croniter import croniter

    try:
        cron.check(line)
    except Fault:
        return
    assert croniter(line, datetime(2026, 1, 1, tzinfo=UTC)).get_next(datetime) > datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize("name", ["UTC", "Europe/Paris", "America/Argentina/Buenos_Aires", "Etc/GMT+5"])
def test_time_zones(name: str) -> None:
    assert timezones.check(name) == name


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("Paris", "Europe/Paris"),
        ("europe/pariss", "Europe/Paris"),
        ("new york", "America/New_York"),
        ("Mars/Olympus", "IANA"),
        ("Europe", "IANA"),
        ("../etc/passwd", "IANA"),
        ("", "IANA"),
        ("a" * 5000, "IANA"),
    ],
)
def test_bad_time_zones(name: str, hint: str) -> None:
    with pytest.raises(Fault) as caught:
        timezones.check(name)
    assert hint in caught.value.hint or hint == "IANA"
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize(
    ("check", "text", "message", "hint"),
    [
        (object_names.subdomain, "My Agent", "is no name", "my-agent"),
        (object_names.subdomain, "a" * 254, "254 characters", "253"),
        (object_names.subdomain, "", "is empty", "my-agent"),
        (object_names.subdomain, "a\n", "is no name", "such as a"),
        (object_names.label, "a.b", "is no name", "a-b"),
        (object_names.label, "a" * 64, "64 characters", "63"),
        (object_names.prefix, "-a", "is no name", "such as a"),
        (object_names.file_name, "../../etc/passwd", "is no name", "cluster-overview"),
        (object_names.file_name, "a/b", "is no name", "cluster-overview"),
        (object_names.environment_name, "A=B", "environment variable", "LOG_LEVEL"),
        (object_names.label_key, "a//b", "is no key", "example.com/team"),
        (object_names.label_value, "a b", "label value", "63"),
        (tool_names.name, "List-Pods", "name of a tool", "list_pods"),
        (tool_names.pattern, "rm -rf", "is no tool", "read_file"),
        (tool_names.pattern, "", "is no tool", "read_file"),
    ],
)
def test_bad_names(check: Callable[[str], object], text: str, message: str, hint: str) -> None:
    _refused(check, text, message, hint)


def test_good_names() -> None:
    assert object_names.subdomain("a.b-c.1") == "a.b-c.1"
    assert object_names.prefix("run-") == "run-"
    assert object_names.label_key("example.com/team_1") == "example.com/team_1"
    assert object_names.label_value("") == ""
    assert tool_names.pattern("memory_*") == "memory_*"


def test_a_pasted_key_is_never_shown() -> None:
    with pytest.raises(Fault) as caught:
        object_names.secret("sk-ABC_very_secret")
    assert "ABC" not in str(caught.value) + caught.value.hint


def test_tool_patterns_match_and_meet() -> None:
    assert tool_names.matches("memory_*", "memory_search")
    assert not tool_names.matches("memory_*", "read_file")
    assert tool_names.overlap("memory_search", "memory_*")
    assert not tool_names.overlap("memory_search", "read_*")


def _refused(check: Callable[[str], object], text: str, message: str, hint: str) -> None:
    with pytest.raises(Fault) as caught:
        check(text)
    assert message in str(caught.value)
    assert hint in caught.value.hint
    assert len(str(caught.value)) < 200
