"""Several policies for one run: nothing that one of them refuses is let through by another."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sympozium_core.address_guard import Guard
from sympozium_core.planning.mandatory import both
from sympozium_core.planning.policy import Destination, effective_policy
from sympozium_core.planning.review import review_run
from sympozium_core.resources import load

STRICTNESS = ["allow", "ask", "deny"]
TOOLS = ("execute_command", "read_file", "fetch_url", "memory_store")


def normal(spec: dict[str, Any]) -> dict[str, Any]:
    policy = {"apiVersion": "sympozium.ai/v1alpha1", "kind": "SympoziumPolicy", "metadata": {"name": "p"}, "spec": spec}
    found: dict[str, Any] = load.normalise(policy)["spec"]
    return found


def merged(*specs: dict[str, Any]) -> Any:
    first, *others = (effective_policy(f"p{number}", normal(spec)) for number, spec in enumerate(specs))
    return both(first, others)


ACTIONS = st.sampled_from(STRICTNESS)
COUNTS = st.integers(1, 9)
RANGES = st.sampled_from(["10.0.0.0/8", "10.1.0.0/16", "10.1.2.3", "192.168.0.0/16", "0.0.0.0/0", "fd00::/8"])
ADDRESSES = ("10.1.2.3", "10.1.9.9", "10.9.9.9", "192.168.1.1", "172.16.0.1", "fd00::1")
REQUESTS = [
    (method, host, 443, path) for method in ("GET", "POST") for host in ("a.example", "b.example") for path in ("/", "/api/x")
]
SPECS = st.fixed_dictionaries(
    {},
    optional={
        "template": st.sampled_from(["Permissive", "Default", "Restrictive"]),
        "toolGating": st.fixed_dictionaries({"rules": st.lists(st.fixed_dictionaries({"tool": st.sampled_from((*TOOLS, "*")), "action": ACTIONS}), max_size=3)}),
        "subagentPolicy": st.fixed_dictionaries({"maxDepth": COUNTS, "maxConcurrent": COUNTS}),
        "sandboxPolicy": st.fixed_dictionaries({"required": st.booleans(), "maxCPU": COUNTS.map(str)}),
        "networkPolicy": st.fixed_dictionaries({}, optional={
            "denyAll": st.booleans(),
            "fetch": st.fixed_dictionaries({}, optional={
                "allow": st.lists(st.fixed_dictionaries({"host": st.sampled_from(["a.example", "*.example"])}, optional={"methods": st.just(["POST"]), "paths": st.just(["/api/"])}), max_size=2),
                "allowedPrivate": st.lists(RANGES, max_size=2),
            }),
        }),
        "modelPolicy": st.fixed_dictionaries({}, optional={"allowedPrivate": st.lists(RANGES, max_size=2)}),
        "limits": st.fixed_dictionaries({}, optional={"maxTokens": COUNTS, "maxTurns": COUNTS, "timeout": COUNTS.map("{}m".format)}),
    },
)  # fmt: skip


@given(SPECS, st.lists(SPECS, min_size=1, max_size=3))
def test_together_they_are_as_strict_as_the_strictest(first: dict[str, Any], others: list[dict[str, Any]]) -> None:
    together = merged(first, *others)
    for part in (effective_policy("p", normal(spec)) for spec in (first, *others)):
        for tool in TOOLS:
            assert STRICTNESS.index(together.tools.decide(tool).action) >= STRICTNESS.index(part.tools.decide(tool).action)
        assert together.isolation_required >= part.isolation_required
        for most in ("max_depth", "max_concurrent"):
            assert getattr(part, most) is None or getattr(together, most) <= getattr(part, most)
        for field, limit in part.limits.items():
            assert together.limits[field] <= limit
        assert not part.max_cpu or float(together.max_cpu) <= float(part.max_cpu)
        assert not part.timeout or int(together.timeout[:-1]) <= int(part.timeout[:-1])


@given(SPECS, st.lists(SPECS, min_size=1, max_size=3))
def test_together_they_fetch_and_connect_to_no_more_than_each_lets(first: dict[str, Any], others: list[dict[str, Any]]) -> None:
    together = merged(first, *others)
    parts = [effective_policy("p", normal(spec)) for spec in (first, *others)]
    for asked in REQUESTS:
        assert bool(together.fetch.refusal(*asked)) == any(part.fetch.refusal(*asked) for part in parts)
    for field in ("fetch_private", "model_private"):
        opened, (named, *rest) = getattr(together, field) or (), [getattr(part, field) for part in parts]
        for address in ADDRESSES:
            lets = [
                not Guard(ranges).refusal(address) for ranges in (named or (), *(each for each in rest if each is not None))
            ]
            assert (not Guard(opened).refusal(address)) == all(lets)


@given(SPECS)
def test_one_alone_is_itself(spec: dict[str, Any]) -> None:
    alone = effective_policy("p", normal(spec))
    assert both(alone, []) is alone


def test_each_gives_its_own_reasons(inputs: Any) -> None:
    given = inputs(run={"model": {"model": "o9"}})
    together = merged({"modelPolicy": {"allowedModels": ["gpt-*"]}}, {"modelPolicy": {"allowedModels": ["claude-*"]}})
    causes = [str(cause) for cause in review_run(given.run, given.instance, together, given.sandbox)]
    assert [cause.partition("policy ")[2][:2] for cause in causes] == ["p0", "p1"]
    given = inputs(run={"model": {"model": "gpt-4o"}})
    [cause] = review_run(given.run, given.instance, together, given.sandbox)
    assert "policy p1 does not allow model 'gpt-4o'" in cause.message


@pytest.mark.parametrize(
    ("mandatory", "opened"),
    [
        ({}, ["api.example.com", "10.1.2.0/24"]),
        ({"networkPolicy": {"denyAll": True}}, []),
        ({"networkPolicy": {"allowedEgress": [{"host": "10.0.0.0/8"}]}}, ["10.1.2.0/24"]),
        ({"networkPolicy": {"allowedEgress": [{"host": "10.1.2.7/32"}]}}, []),
        ({"networkPolicy": {"allowedEgress": [{"host": "api.example.com", "port": 443}]}}, ["api.example.com"]),
        ({"networkPolicy": {"allowedEgress": [{"host": "api.example.com", "port": 80}]}}, []),
    ],
)
def test_only_what_all_list_is_open(mandatory: dict[str, Any], opened: list[str]) -> None:
    named = {"networkPolicy": {"allowedEgress": [{"host": "api.example.com", "port": 443}, {"host": "10.1.2.0/24"}]}}
    together = merged(named, mandatory)
    assert [destination.host for destination in together.allowed_egress] == opened
    assert all(isinstance(destination, Destination) for destination in together.allowed_egress)


def kernel(required: bool, default: str, *allowed: str) -> dict[str, Any]:
    return {
        "sandboxPolicy": {
            "agentSandboxPolicy": {"required": required, "defaultRuntimeClass": default, "allowedRuntimeClasses": list(allowed)}
        }
    }


def test_a_kernel_sandbox_that_one_demands_is_one_that_all_allow(inputs: Any, cluster: Any) -> None:
    together = merged(kernel(False, "kata", "kata", "gvisor"), kernel(True, "gvisor", "gvisor"))
    assert (together.runtime_class_required, together.runtime_class) == (True, "gvisor")
    given = inputs(sandbox=cluster)
    assert review_run(given.run, given.instance, together, given.sandbox) == []
    nothing_fits = merged(kernel(False, "kata", "kata"), kernel(True, "gvisor", "gvisor"))
    [cause] = review_run(given.run, given.instance, nothing_fits, given.sandbox)
    assert "no runtime class is named" in cause.message
