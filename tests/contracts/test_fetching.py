"""What a plan lets be fetched: hosts, ports, methods and paths, and that no way of writing a path leads around a prefix."""

from __future__ import annotations

import json
import posixpath
from urllib.parse import quote, unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sympozium_core.contracts.fetching import FetchPolicy, FetchRule, fetch_policy_from_json, host_fits, path_fits
from sympozium_core.contracts.plan import to_json


@pytest.mark.parametrize(
    ("pattern", "host", "fits"),
    [
        ("example.com", "example.com", True),
        ("example.com", "www.example.com", False),
        ("example.com", "example.com.evil.net", False),
        ("*.example.com", "www.example.com", True),
        ("*.example.com", "a.b.example.com", True),
        ("*.example.com", "example.com", False),
        ("*.example.com", ".example.com", False),
        ("*.example.com", "evilexample.com", False),
        ("*.example.com", "example.com.evil.net", False),
        ("192.0.2.1", "192.0.2.1", True),
        ("2001:db8::1", "2001:db8:0:0::1", True),
        ("[2001:db8::1]", "2001:db8::1", True),
        ("2001:db8::1", "2001:db8::2", False),
    ],
)
def test_hosts(pattern: str, host: str, fits: bool) -> None:
    assert host_fits(host, pattern) == fits


@pytest.mark.parametrize(
    ("prefix", "path", "fits"),
    [
        ("/api/", "/api/", True),
        ("/api/", "/api/v1/x", True),
        ("/api/", "/api", False),
        ("/api", "/api", True),
        ("/api", "/api/x", True),
        ("/api", "/apix", False),
        ("/", "/anything", True),
        ("/api/", "/api/a%2Fb", True),
        ("/api/", "/api/100%25", True),
        ("/api/", "/api/caf%C3%A9", True),
        ("/api/", "/api/.well-known/x", True),
        ("/api/", "/api/v1.2..3/x", True),
        ("/api/", "/API/x", False),
        ("/api/", "//api/x", False),
        ("/api/", "/api%2Fx", False),
        *(
            ("/api/", path, False)
            for path in (
                "/api/../admin", "/api/./x", "/api/%2e%2e/admin", "/api/%2E%2E/admin", "/api/.%2e/admin", "/api/%252e%252e/admin",
                "/api/%25252e%25252e/admin", "/api/..%2fadmin", "/api/..%252fadmin", "/api\\..\\admin", "/api/..%5cadmin", "/api/%5c../admin",
                "/api/..;/admin", "/api/..;x=y/admin", "/api/%2e%2e%3b/admin", "/api/..%00/admin", "/api/%c0%ae%c0%ae/admin",
                "/api/x/../../admin", "/api/...../x", "/api/.. /admin", "/api/..%20/admin", "/api/%ef%bc%8e%ef%bc%8e/admin", "/api/%0a",
                "/api/%2525252525252525252525252e%2e/x",
            )
        ),
    ],
)  # fmt: skip
def test_paths(prefix: str, path: str, fits: bool) -> None:
    assert path_fits(path, prefix) == fits


PIECES = st.sampled_from(
    [
        "..",
        ".",
        "%2e",
        "%2E",
        "%252e",
        "/",
        "%2f",
        "%252F",
        "\\",
        "%5c",
        "%255c",
        ";",
        "%3b",
        "a",
        "admin",
        "%c0%ae",
        "．",
        "%00",
        "%25",
        "api",
        "//",
    ]
)


@given(st.lists(PIECES, max_size=10).map("".join), st.integers(0, 4))
def test_however_often_a_path_is_decoded_it_stays_below_its_prefix(rest: str, times: int) -> None:
    path = f"/api/{rest}"
    if not path_fits(path, "/api/"):
        return
    for _ in range(times):
        path = unquote(path)
    read = posixpath.normpath("/".join(part.partition(";")[0] for part in path.replace("\\", "/").split("/")))
    assert (read + "/").startswith("/api/")


@given(st.lists(st.text("abcü .-_~%?#", min_size=1, max_size=6).filter(lambda part: part.strip(". ")), min_size=1, max_size=4))
def test_a_plain_path_fits(parts: list[str]) -> None:
    path = "/api/" + "/".join(quote(part, safe="") for part in parts)
    if unquote(unquote(path)) == unquote(path):
        assert path_fits(path, "/api/")


HOSTS = st.sampled_from(["a.example", "b.a.example", "c.example"])
RULES = st.builds(
    FetchRule,
    st.sampled_from(["a.example", "*.a.example", "*.example"]),
    st.sampled_from([None, 80, 443]),
    st.sampled_from([("GET",), ("GET", "HEAD"), ("POST",)]),
    st.sampled_from([(), ("/api/",), ("/x", "/api/")]),
)
POLICIES = st.builds(FetchPolicy, st.just("p"), st.one_of(st.none(), st.lists(RULES, max_size=3).map(tuple)))
ASKED = st.tuples(
    st.sampled_from(["GET", "HEAD", "POST"]), HOSTS, st.sampled_from([80, 443]), st.sampled_from(["/", "/api/v", "/x"])
)


@given(POLICIES, st.lists(POLICIES, max_size=3), ASKED)
def test_what_one_policy_refuses_is_refused(
    first: FetchPolicy, others: list[FetchPolicy], asked: tuple[str, str, int, str]
) -> None:
    together = FetchPolicy(first.name, first.rules, (), tuple(others))
    assert bool(together.refusal(*asked)) == any(each.refusal(*asked) for each in (first, *others))
    if not together.refusal(*asked):
        assert together.lets_something
    assert fetch_policy_from_json(json.loads(json.dumps(to_json(together)))) == together


def test_nothing_listed_is_nothing() -> None:
    assert not FetchPolicy("p", ()).lets_something
    assert (
        FetchPolicy("p", ())
        .refusal("GET", "a.example", 443, "/")
        .startswith("policy p does not list the host 'a.example'; it lists none")
    )
    assert not FetchPolicy("p", None, (), (FetchPolicy("q", ()),)).lets_something
    assert fetch_policy_from_json(None) is None
