"""Which calls wait, and the rules of their wait: what one policy says, and the strictest of several."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sympozium_core.contracts.approvals import Approvals, approval_name, question_digest
from sympozium_core.planning.approvals import approvals_of, asks, waiting_tools, withheld_tools
from sympozium_core.planning.mandatory import both
from sympozium_core.planning.policy import effective_policy
from sympozium_core.resources import load

ASK = {"toolGating": {"rules": [{"tool": "execute_command", "action": "ask"}]}}


def policy(spec: dict[str, Any], name: str = "p") -> Any:
    obj = {"apiVersion": "sympozium.ai/v1alpha1", "kind": "SympoziumPolicy", "metadata": {"name": "p"}, "spec": spec}
    return effective_policy(name, load.normalise(obj)["spec"])


def rules(**approvals: Any) -> dict[str, Any]:
    return {"approvals": approvals}


@pytest.mark.parametrize(
    ("specs", "expected"),
    [
        (({},), Approvals(900.0, "deny", None)),
        ((rules(timeout="1h", onTimeout="allow", allowSelfApproval=True),), Approvals(3600.0, "allow", True)),
        (({}, {}), Approvals(900.0, "deny", None)),
        (({}, rules(timeout="1h")), Approvals(3600.0, "deny", None)),
        ((rules(timeout="1h"), rules(timeout="30m")), Approvals(1800.0, "deny", None)),
        # A mandatory policy that asks, and says no more, keeps the usual rules for its question.
        ((rules(timeout="1h", onTimeout="allow", allowSelfApproval=True), ASK), Approvals(900.0, "deny", None)),
        ((rules(timeout="1m", onTimeout="allow", allowSelfApproval=True), ASK), Approvals(60.0, "deny", None)),
        # One that is about something else has no say.
        ((rules(onTimeout="allow", allowSelfApproval=True), {"limits": {"maxTurns": 3}}), Approvals(900.0, "allow", True)),
        ((rules(onTimeout="allow", allowSelfApproval=True), rules(allowSelfApproval=False)), Approvals(900.0, "deny", False)),
        ((rules(allowSelfApproval=True), rules(allowSelfApproval=True)), Approvals(900.0, "deny", True)),
    ],
)
def test_the_strictest_of_each(specs: tuple[dict[str, Any], ...], expected: Approvals) -> None:
    first, *others = (policy(spec) for spec in specs)
    assert approvals_of(both(first, others)) == expected


BLOCKS = st.fixed_dictionaries(
    {},
    optional={
        "timeout": st.integers(1, 90).map("{}m".format),
        "onTimeout": st.sampled_from(["allow", "deny"]),
        "allowSelfApproval": st.booleans(),
    },
)
SPECS = st.builds(
    lambda block, asking: {**({"approvals": block} if block else {}), **(ASK if asking else {})}, BLOCKS, st.booleans()
)


@given(SPECS, st.lists(SPECS, min_size=1, max_size=3))
def test_together_nothing_is_wider_than_what_one_that_asks_has_alone(
    first: dict[str, Any], others: list[dict[str, Any]]
) -> None:
    together = approvals_of(both(policy(first), [policy(spec) for spec in others]))
    width = {False: 0, None: 1, True: 2}
    for spec in (first, *others):
        alone = policy(spec)
        if not asks(alone.tools):
            continue
        mine = approvals_of(alone)
        assert together.timeout <= mine.timeout
        assert not (together.on_timeout == "allow" and mine.on_timeout == "deny")
        assert width[together.allow_self] <= width[mine.allow_self]


def test_what_may_wait() -> None:
    tools = policy({"requireApproval": ["write_file", "mcp_*"], **ASK}).tools
    assert set(waiting_tools(tools)) == {"mcp_*", "execute_command"}
    assert withheld_tools(tools) == ("write_file",)
    denied = policy({"toolGating": {"rules": [{"tool": "*", "action": "deny"}, *ASK["toolGating"]["rules"]]}}).tools
    assert waiting_tools(denied) == ()
    assert waiting_tools(policy({"toolGating": {"defaultAction": "ask"}}).tools) == ("*",)


def test_a_tool_that_asks_is_in_the_plan(inputs: Any) -> None:
    from sympozium_core.contracts.plan import to_json
    from sympozium_core.contracts.plan_reading import run_plan_from_json
    from sympozium_core.planning.plan import make_plan

    plan = make_plan(inputs(policy={"template": "Default", "approvals": {"timeout": "2m", "allowSelfApproval": True}}))
    assert [server.name for server in plan.servers] == ["shell"]
    assert plan.approvals == Approvals(120.0, "deny", True)
    assert run_plan_from_json(to_json(plan)) == plan


def test_names_of_approvals() -> None:
    assert approval_name("do-it", "uid-1", "c1") == approval_name("do-it", "uid-1", "c1")
    different = {approval_name("do-it", uid, call) for uid in ("1", "2") for call in ("a", "b")}
    assert len(different) == 4
    assert all(name.startswith("do-it-") for name in different)
    assert approval_name("a" * 39 + ".b", "1", "c")[:40] == "a" * 39 + "-"
    assert question_digest("t", "s", {"a": 1, "b": 2}) == question_digest("t", "s", {"b": 2, "a": 1})
    assert question_digest("t", "s", {"a": "1"}) != question_digest("t", "s", {"a": 1})
