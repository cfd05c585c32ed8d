"""What a policy lets be fetched, by template and field; and at which addresses models may be asked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from sympozium_core.contracts.cluster import Invalid
from sympozium_core.contracts.plan import RunPlan
from sympozium_core.errors import Refused
from sympozium_core.planning.inputs import SandboxFacts
from sympozium_core.planning.plan import make_plan
from sympozium_core.planning.policy import effective_policy
from sympozium_core.planning.review import review_run
from sympozium_core.resources import load
from sympozium_core.resources.builtin import POLICIES, builtin_policy

LISTED = {"fetch": {"allow": [{"host": "docs.example.com"}]}}
GET, POST = ("GET", "docs.example.com", 443, "/x"), ("POST", "docs.example.com", 443, "/x")
ELSEWHERE = ("GET", "other.example.com", 443, "/")


def normal(spec: dict[str, Any]) -> dict[str, Any]:
    policy = {"apiVersion": "sympozium.ai/v1alpha1", "kind": "SympoziumPolicy", "metadata": {"name": "p"}, "spec": spec}
    found: dict[str, Any] = load.normalise(policy)["spec"]
    return found


def planned(inputs: Callable[..., Any], spec: dict[str, Any], **run: Any) -> RunPlan:
    return make_plan(inputs(policy=normal(spec), run=run))


@pytest.mark.parametrize(
    ("spec", "lets"),
    [
        ({}, "page elsewhere"),
        ({"template": "Permissive"}, "page elsewhere"),
        ({"template": "Permissive", "networkPolicy": {"denyAll": False}}, "page elsewhere"),
        ({"template": "Permissive", "networkPolicy": {"allowedEgress": [{"host": "docs.example.com"}]}}, "page elsewhere"),
        ({"networkPolicy": {"denyAll": True}}, ""),
        ({"networkPolicy": {"denyAll": True, "allowedEgress": [{"host": "docs.example.com"}]}}, ""),
        ({"networkPolicy": {"denyAll": True, **LISTED}}, "page"),
        ({"networkPolicy": {"denyAll": False, **LISTED}}, "page"),
        ({"networkPolicy": LISTED}, "page"),
        ({"networkPolicy": {"fetch": {"allow": []}}}, ""),
        ({"template": "Default"}, ""),
        ({"template": "Default", "networkPolicy": LISTED}, "page"),
        ({"template": "Default", "networkPolicy": {"denyAll": False}}, "page elsewhere"),
        ({"template": "Restrictive", "networkPolicy": LISTED}, ""),
        ({"template": "Restrictive", "allowedTools": ["fetch_url"]}, ""),
        ({"template": "Restrictive", "allowedTools": ["fetch_url"], "networkPolicy": LISTED}, "page"),
        ({"toolGating": {"rules": [{"tool": "fetch_url", "action": "deny"}]}, "networkPolicy": LISTED}, ""),
    ],
)
def test_what_is_fetched(inputs: Callable[..., Any], spec: dict[str, Any], lets: str) -> None:
    policy = planned(inputs, spec).fetch
    found = [name for name, asked in (("page", GET), ("elsewhere", ELSEWHERE)) if policy and not policy.refusal(*asked)]
    assert found == lets.split()
    assert policy is None or policy.refusal(*POST), "nothing is changed unless it is listed"
    assert (policy is None) == (not lets), "the tool is not offered where no fetch could succeed"


def test_what_the_built_in_policies_let_be_fetched(inputs: Callable[..., Any]) -> None:
    found = {}
    for name in POLICIES:
        builtin = builtin_policy(name)
        assert builtin is not None
        found[name] = planned(inputs, builtin["spec"]).fetch is not None
    assert found == {"permissive": True, "default": False, "restrictive": False, "network-isolated": False}


def test_methods_and_paths(inputs: Callable[..., Any]) -> None:
    place = {"host": "docs.example.com", "port": 443, "methods": ["POST"], "paths": ["/x"]}
    policy = planned(inputs, {"networkPolicy": {"fetch": {"allow": [place], "allowedPrivate": ["10.0.0.0/8"]}}}).fetch
    assert policy is not None
    assert not policy.refusal(*POST)
    assert policy.refusal(*GET)
    assert policy.refusal("POST", "docs.example.com", 80, "/x")
    assert policy.refusal("POST", "docs.example.com", 443, "/y")
    assert policy.private == ("10.0.0.0/8",)


def test_a_runs_own_tool_policy_takes_it_away(inputs: Callable[..., Any]) -> None:
    assert planned(inputs, {"template": "Permissive"}, toolPolicy={"deny": ["fetch_url"]}).fetch is None


def test_a_run_that_asks_for_it_by_name_is_told_that_nothing_is_listed(inputs: Callable[..., Any]) -> None:
    asks = {"toolPolicy": {"allow": ["fetch_url", "read_file"]}}
    [note] = planned(inputs, {"template": "Default"}, **asks).notes
    assert "policy p lists no host for it: the tool is not offered" in note
    assert planned(inputs, {"template": "Default", "networkPolicy": LISTED}, **asks).notes == ()


@pytest.mark.parametrize("name", ["gateway", "native"])
def test_no_skill_takes_the_name_of_a_server_of_the_core(
    inputs: Callable[..., Any], a_skill: Callable[..., Any], name: str
) -> None:
    with pytest.raises(Refused, match="a tool server of the core's own"):
        make_plan(inputs(skills=(a_skill(name),)))


@pytest.mark.parametrize(
    ("url", "private", "here", "on_a_cluster"),
    [
        ("https://api.example.com/v1", [], "", ""),
        ("http://127.0.0.1:11434", [], "", "this machine's own"),
        ("http://localhost:1234/v1", [], "", "this machine's own"),
        ("http://127.0.0.1:11434", ["127.0.0.0/8"], "", "this machine's own"),
        ("http://10.1.2.3/v1", [], "is not listed", "is not listed"),
        ("http://10.1.2.3/v1", ["10.1.0.0/16"], "", ""),
        ("http://169.254.169.254/", ["0.0.0.0/0"], "never asked", "never asked"),
        ("http://0x7f000001/", ["0.0.0.0/0"], "as one is written", "as one is written"),
        ("file:///tmp/x.yaml", [], "", ""),
    ],
)
def test_addresses_of_models(
    inputs: Callable[..., Any], cluster: SandboxFacts, url: str, private: list[str], here: str, on_a_cluster: str
) -> None:
    policy = effective_policy("p", normal({"modelPolicy": {"allowedPrivate": private}}))
    for own in (True, False):
        provider = {"provider": {"name": "openai", "model": "m", "apiKeySecret": "k", **({} if own else {"baseURL": url})}}
        given = inputs(instance=provider, run={"model": {"model": "m", "baseURL": url}} if own else None)
        for sandbox, refused in ((given.sandbox, here), (cluster, on_a_cluster)):
            causes = review_run(given.run, given.instance, policy, sandbox)
            assert bool(causes) == bool(refused)
            for cause in causes:
                assert refused in str(cause)
                assert cause.field == ("spec.model.baseURL" if own else "")


@pytest.mark.parametrize(
    ("fetch", "field"),
    [
        ({"allow": [{"host": "https://example.com"}]}, "host"),
        ({"allow": [{"host": "EXAMPLE.com"}]}, "host"),
        ({"allow": [{"host": "*"}]}, "host"),
        ({"allow": [{"host": "*.*.example.com"}]}, "host"),
        ({"allow": [{"host": "a.*.example.com"}]}, "host"),
        ({"allow": [{"host": "bücher.example"}]}, "host"),
        ({"allow": [{"host": "0x7f.1"}]}, "host"),
        ({"allow": [{"host": "*.127.0.0.1"}]}, "host"),
        ({"allow": [{"host": "example.com", "methods": ["DELETE"]}]}, "methods"),
        ({"allow": [{"host": "example.com", "paths": ["api"]}]}, "paths"),
        ({"allow": [{"host": "example.com", "paths": ["/a/../b"]}]}, "paths"),
        ({"allow": [{"host": "example.com", "paths": ["/a?b"]}]}, "paths"),
        ({"allow": [{"host": "example.com", "paths": ["/a%2fb"]}]}, "paths"),
        ({"allow": [{"host": "example.com", "port": 0}]}, "port"),
        ({"allowedPrivate": ["10.0.0.1/8"]}, "allowedPrivate"),
        ({"allowedPrivate": ["intranet"]}, "allowedPrivate"),
    ],
)
def test_what_a_policy_cannot_say(fetch: dict[str, Any], field: str) -> None:
    with pytest.raises(Invalid) as found:
        normal({"networkPolicy": {"fetch": fetch}})
    assert field in str(found.value)
