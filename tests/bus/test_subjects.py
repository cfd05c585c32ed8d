from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sympozium_core.bus import subjects

TOKENS = st.lists(st.sampled_from(["a", "b", "*"]), min_size=1, max_size=4)


@pytest.mark.parametrize(
    ("pattern", "subject", "expected"),
    [
        ("a.b", "a.b", True),
        ("a.*", "a.b", True),
        ("a.*", "a.b.c", False),
        ("a.*", "a", False),
        ("a.>", "a.b.c", True),
        ("a.>", "a", False),
        (">", "a", True),
        ("*.b", "a.b", True),
        ("a.b", "a.c", False),
    ],
)
def test_matching(pattern: str, subject: str, expected: bool) -> None:
    assert subjects.matches(pattern, subject) is expected


@given(allowed=TOKENS, wanted=TOKENS, open_allowed=st.booleans(), open_wanted=st.booleans(), concrete=TOKENS)
def test_what_is_covered_matches_nothing_more(
    allowed: list[str], wanted: list[str], open_allowed: bool, open_wanted: bool, concrete: list[str]
) -> None:
    left = ".".join(allowed) + (".>" if open_allowed else "")
    right = ".".join(wanted) + (".>" if open_wanted else "")
    subject = ".".join(token.replace("*", "c") for token in concrete)
    if subjects.covers(left, right) and subjects.matches(right, subject):
        assert subjects.matches(left, subject)


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("sympozium.run.u1.pod", ("u1", "pod")),
        ("sympozium.run.u1.*", ("u1", "*")),
        ("sympozium.run.u1.>", ("u1", "*")),
        ("sympozium.run.>", ("*", "*")),
        ("sympozium.run.*.gw", ("*", "gw")),
    ],
)
def test_journal_filters(pattern: str, expected: tuple[str, str]) -> None:
    assert subjects.journal_filter(pattern) == expected


@pytest.mark.parametrize(
    "pattern", ["", ">", "sympozium.>", "sympozium.run.u1", "sympozium.run.u1.req", "sympozium.run.u1.pod.x"]
)
def test_no_journal_filters(pattern: str) -> None:
    with pytest.raises(ValueError):
        subjects.journal_filter(pattern)


def test_a_runs_user_reaches_its_own_run_alone() -> None:
    may_publish, may_subscribe = subjects.run_user_may_publish("u1"), subjects.run_user_may_subscribe("u1")
    assert any(subjects.covers(allowed, subjects.request("u1", "model")) for allowed in may_publish)
    for forbidden in (
        "sympozium.run.u1.pod",
        "sympozium.run.u1.gw",
        "sympozium.run.u1.ctl",
        "sympozium.run.u2.pod",
        "sympozium.run.u1.pod.x",
        "sympozium.run.u1.inbox.x",
        "sympozium.run.u2.req.model",
        "$JS.API.INFO",
        "$SYS.REQ.USER.INFO",
    ):
        assert not any(subjects.covers(allowed, forbidden) for allowed in may_publish)
    for forbidden in (
        "sympozium.run.u1.*",
        "sympozium.run.*.ctl",
        "_INBOX.>",
        "sympozium.run.*.inbox.x",
        ">",
        "sympozium.run.u1.req.start",
    ):
        assert not any(subjects.covers(allowed, forbidden) for allowed in may_subscribe)


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        ("sympozium.run.u1.inbox.x", True),
        ("sympozium.run.u2.inbox.x", False),
        ("sympozium.run.u1.inbox", False),
        ("sympozium.run.u1.inbox.x.y", False),
        ("sympozium.run.u1.ctl", False),
        ("sympozium.run.u1.req.start", False),
        ("_INBOX.control.x", False),
        ("$JS.API.STREAM.DELETE.SYMPOZIUM_RUNS", False),
        ("", False),
    ],
)
def test_a_call_is_answered_in_an_inbox_of_its_own_run_alone(reply: str, expected: bool) -> None:
    assert subjects.may_reply("sympozium.run.u1.req.model", reply) is expected


def test_a_new_inbox_is_the_runs_and_cannot_be_guessed() -> None:
    subject = subjects.request("u1", "model")
    inboxes = {subjects.new_inbox(subject) for _ in range(1000)}
    assert len(inboxes) == 1000
    assert all(subjects.may_reply(subject, inbox) and len(inbox.rpartition(".")[2]) == 24 for inbox in inboxes)
