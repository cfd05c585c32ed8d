from __future__ import annotations

from typing import Any

import pytest

from sympozium_core.planning.limits import limit_faults, limits_of
from sympozium_core.planning.policy import effective_policy

POLICY = {"maxTokens": 10_000, "maxTurns": 20, "maxToolCalls": 500, "timeout": "5m"}


def run(**spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": "r"}, "spec": {"instanceRef": "i", **spec}}


def instance(timeout: str = "") -> dict[str, Any]:
    return {"metadata": {"name": "i"}, "spec": {"agents": {"default": {"runTimeout": timeout} if timeout else {}}}}


@pytest.mark.parametrize(
    ("own", "policy", "found"),
    [
        ({}, {}, (2**31 - 1, 50, 200, 600.0)),
        ({}, POLICY, (10_000, 20, 200, 300.0)),
        ({}, {"maxTurns": 500}, (2**31 - 1, 50, 200, 600.0)),
        ({"limits": {"maxTurns": 5, "maxToolCalls": 0}}, POLICY, (10_000, 5, 0, 300.0)),
        ({"limits": {"maxToolCalls": 400, "maxTokens": 7}}, POLICY, (7, 20, 400, 300.0)),
        ({"limits": {"maxTurns": 900}}, {}, (2**31 - 1, 900, 200, 600.0)),
        ({"timeout": "30s"}, POLICY, (10_000, 20, 200, 30.0)),
    ],
)
def test_what_holds_for_a_run(own: dict[str, Any], policy: dict[str, Any], found: tuple[float, ...]) -> None:
    limits = limits_of(run(**own), instance(), effective_policy("p", {"limits": policy}))
    assert (limits.max_tokens, limits.max_turns, limits.max_tool_calls, limits.timeout) == found


def test_what_a_run_inherits_is_cut_and_not_refused() -> None:
    policy = effective_policy("p", {"limits": POLICY})
    assert limits_of(run(), instance("1h"), policy).timeout == 300.0
    assert limit_faults(run(), policy) == []


def test_a_run_that_asks_for_too_much_is_told_all_of_it() -> None:
    asked = run(limits={"maxTokens": 10_001, "maxTurns": 20, "maxToolCalls": 501}, timeout="301s")
    found = {cause.field: str(cause) for cause in limit_faults(asked, effective_policy("strict", {"limits": POLICY}))}
    assert found.keys() == {"spec.limits.maxTokens", "spec.limits.maxToolCalls", "spec.timeout"}
    assert found["spec.limits.maxTokens"].endswith("10001 is more than policy strict allows (at most 10000)")
    assert found["spec.timeout"].endswith("301s is longer than policy strict allows (at most 5m)")
    assert limit_faults(asked, effective_policy("open", {})) == []
