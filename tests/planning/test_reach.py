"""What a run under way may still ask for when its policies change: it only ever gets less, and what lists more changes nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sympozium_core.address_guard import Guard
from sympozium_core.contracts.fetching import FetchPolicy, FetchRule, covers
from sympozium_core.contracts.plan import ModelRef
from sympozium_core.planning.plan import make_plan
from sympozium_core.planning.policy import EffectivePolicy, effective_policy
from sympozium_core.planning.reach import Reach, lost, model_refusal, narrowed, reach_of

DOCS = FetchRule("docs.example", 443, ("GET",), ("/a/",))


def fetching(*rules: FetchRule | dict[str, Any], private: tuple[str, ...] = ()) -> FetchPolicy:
    return FetchPolicy("p", tuple(rule if isinstance(rule, FetchRule) else FetchRule(**rule) for rule in rules), private)


def of(**spec: Any) -> EffectivePolicy:
    return effective_policy("p", spec)


def listed(*allow: dict[str, Any], **more: Any) -> EffectivePolicy:
    return of(networkPolicy={"fetch": {"allow": list(allow), **more}})


@pytest.mark.parametrize(
    ("wide", "narrow", "covered"),
    [
        (fetching(DOCS), fetching(DOCS), True),
        (fetching({"host": "docs.example"}), fetching(DOCS), True),
        (fetching({"host": "*.example"}), fetching(DOCS), True),
        (fetching({"host": "*.example"}), fetching({"host": "*.docs.example"}), True),
        (fetching({"host": "*.docs.example"}), fetching(DOCS), False),
        (fetching({"host": "docs.example", "port": 80}), fetching(DOCS), False),
        (fetching({"host": "docs.example", "methods": ("POST",)}), fetching(DOCS), False),
        (fetching({"host": "docs.example"}), fetching({"host": "docs.example", "methods": ("HEAD",)}), True),
        (fetching({"host": "docs.example", "paths": ("/",)}), fetching(DOCS), True),
        (fetching({"host": "docs.example", "paths": ("/a/b/",)}), fetching(DOCS), False),
        (fetching(DOCS), fetching({"host": "docs.example", "port": 443, "methods": ("GET",)}), False),
        (FetchPolicy("p"), fetching(DOCS), True),
        (FetchPolicy("p"), fetching({"host": "docs.example", "methods": ("POST",)}), False),
        (fetching(DOCS), FetchPolicy("p"), False),
        (FetchPolicy("p"), FetchPolicy("p"), True),
        (fetching(), fetching(), True),
        (fetching(), fetching(DOCS), False),
        (fetching(DOCS), replace(fetching({"host": "*.example"}), narrowed_by=(fetching(DOCS),)), True),
    ],
)
def test_what_one_list_has_of_another(wide: FetchPolicy, narrow: FetchPolicy, covered: bool) -> None:
    assert covers(wide, narrow) is covered


RULES = st.builds(
    FetchRule,
    host=st.sampled_from(["a.example", "b.a.example", "*.example", "*.a.example"]),
    port=st.sampled_from([None, 80, 443]),
    methods=st.sampled_from([("GET",), ("POST",), ("GET", "HEAD", "POST")]),
    paths=st.sampled_from([(), ("/a",), ("/a/",), ("/a/b/", "/c")]),
)
POLICIES = st.builds(FetchPolicy, name=st.just("p"), rules=st.none() | st.lists(RULES, max_size=3).map(tuple))


@given(
    wide=POLICIES,
    narrow=POLICIES,
    method=st.sampled_from(["GET", "HEAD", "POST"]),
    host=st.sampled_from(["a.example", "b.a.example", "c.b.a.example"]),
    port=st.sampled_from([80, 443, 8080]),
    path=st.sampled_from(["/", "/a", "/a/", "/a/b/c", "/c/d", "/ab"]),
)
def test_what_is_covered_lets_nothing_more_through(
    wide: FetchPolicy, narrow: FetchPolicy, method: str, host: str, port: int, path: str
) -> None:
    if covers(wide, narrow) and not narrow.refusal(method, host, port, path):
        assert not wide.refusal(method, host, port, path)
    held = Reach(narrow, ())
    after = narrowed(held, replace(of(), fetch=wide), named=True).fetch
    through = after is not None and not after.refusal(method, host, port, path)
    assert through == (not narrow.refusal(method, host, port, path) and not wide.refusal(method, host, port, path))


@pytest.mark.parametrize(
    ("now", "named", "left"),
    [
        (of(modelPolicy={"allowedPrivate": ["10.0.0.0/8"]}), True, ("10.1.2.3",)),
        (of(modelPolicy={"allowedPrivate": ["10.1.2.3"]}), False, ("10.1.2.3",)),
        (of(), False, ("10.1.2.3",)),
        (of(), True, ()),
        (of(modelPolicy={"allowedPrivate": []}), False, ()),
        (of(modelPolicy={"allowedPrivate": ["192.168.0.0/16"]}), True, ()),
    ],
)
def test_addresses_of_models(now: EffectivePolicy, named: bool, left: tuple[str, ...]) -> None:
    held = Reach(None, ("10.1.2.3",))
    after = narrowed(held, now, named=named)
    assert after.private_models == left
    assert (after == held) is (left == held.private_models), "as it was written, where nothing has changed"


def test_what_is_told_is_what_was_meant(inputs: Any) -> None:
    plan = replace(make_plan(inputs()), fetch=fetching(DOCS, private=("10.0.0.0/8",)), private_models=("10.1.0.0/16",))
    held = reach_of(plan)
    some = narrowed(held, listed({"host": "docs.example", "paths": ["/a/b/"]}, allowedPrivate=["10.0.0.0/9"]), named=True)
    nothing = narrowed(some, listed(), named=False)
    for reach in (held, some, nothing):
        assert reach_of(plan, reach.to_json()) == reach
    anything = reach_of(replace(plan, fetch=FetchPolicy("p")))
    told = anything.to_json()
    del told["fetch"]["rules"]
    assert reach_of(plan, told) == anything
    assert some.fetch is not None
    assert some.fetch.private == ("10.0.0.0/9",)
    assert nothing.fetch is None
    assert lost(held, some) == ["fewer pages may be fetched", "fewer addresses of models may be asked"]
    assert lost(some, nothing) == ["nothing may be fetched"]
    assert reach_of(plan, {"tools": {}}) == held


@pytest.mark.parametrize(
    ("allowed", "guard", "says"),
    [
        ([], Guard(("10.0.0.0/8",)), ""),
        (["gpt-*"], Guard(("10.0.0.0/8",)), ""),
        (["claude-*"], Guard(("10.0.0.0/8",)), "policy p does not allow model 'gpt-4o' any more; it allows claude-*"),
        ([], Guard(), "the model's address http://10.0.0.1/v1 is not public"),
    ],
)
def test_a_model_that_may_be_asked_no_longer(inputs: Any, allowed: list[str], guard: Guard, says: str) -> None:
    plan = replace(make_plan(inputs()), model=ModelRef("openai", "gpt-4o", "http://10.0.0.1/v1"))
    found = model_refusal(plan, of(modelPolicy={"allowedModels": allowed}), guard)
    assert found.startswith(says) if says else found == ""
