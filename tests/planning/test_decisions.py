"""What each policy says of each tool, written out: the template, what is laid over it, and the tool. A letter is a decision: Allow, Ask (?), Deny."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from sympozium_core.planning.policy import effective_policy, run_tools
from sympozium_core.resources import load
from sympozium_core.resources.builtin import POLICIES, builtin_policy

TOOLS = ("execute_command", "read_file", "write_file", "edit_file", "list_directory", "grep_search", "fetch_url", "send_channel_message", "schedule_task", "memory_search", "memory_store", "mcp_github_merge")  # fmt: skip
MEANING = {"A": "allow", "?": "ask", "D": "deny"}


def rules(*pairs: tuple[str, str], default: str | None = None) -> dict[str, Any]:
    gating: dict[str, Any] = {"rules": [{"tool": tool, "action": action} for tool, action in pairs]}
    return {"toolGating": gating | ({"defaultAction": default} if default else {})}


CLOSED = {"featureGates": {"code-execution": False, "file-access": False}}
NARROWED = {"allow": ["read_file", "execute_command", "memory_*"], "deny": ["memory_store"]}
TABLE: tuple[tuple[str, dict[str, Any] | str, dict[str, Any] | None, str], ...] = (
    # policy, and what the run's own toolPolicy narrows            execute read write edit list grep fetch send sched search store mcp
    ("built in", "permissive", None, "A AAAAA AAA AA A"),
    ("built in", "default", None, "? AAAAA AAA AA A"),
    ("built in", "restrictive", None, "D DDDDD DAD AA D"),
    ("built in", "network-isolated", None, "A AAAAA DAA AA A"),
    ("built in, narrowed", "permissive", NARROWED, "A ADDDD DDD AD D"),
    ("built in, narrowed", "default", NARROWED, "? ADDDD DDD AD D"),
    ("built in, narrowed", "restrictive", NARROWED, "D DDDDD DDD AD D"),
    ("built in, narrowed", "network-isolated", NARROWED, "A ADDDD DDD AD D"),
    ("nothing said", {}, None, "A AAAAA AAA AA A"),
    ("a template alone", {"template": "Permissive"}, None, "A AAAAA AAA AA A"),
    ("a template alone", {"template": "Default"}, None, "? AAAAA AAA AA A"),
    ("a template alone", {"template": "Restrictive"}, None, "D DDDDD DDD DD D"),
    ("the default of a policy", {"template": "Restrictive", **rules(default="ask")}, None, "? ????? ??? ?? ?"),
    ("the default of a policy", {"template": "Permissive", **rules(default="deny")}, None, "D DDDDD DDD DD D"),
    ("the default of a policy", {"template": "Default", **rules(default="deny")}, None, "? DDDDD DDD DD D"),
    ("a rule beats its template", {"template": "Default", **rules(("execute_command", "allow"))}, None, "A AAAAA AAA AA A"),
    ("a rule beats its template", {"template": "Restrictive", **rules(("*_file", "allow"))}, None, "D AAADD DDD DD D"),
    ("the first rule counts", rules(("read_file", "allow"), ("*_file", "ask"), ("*", "deny")), None, "D A??DD DDD DD D"),
    ("the first rule counts", rules(("mcp_*", "deny"), ("mcp_github_*", "allow")), None, "A AAAAA AAA AA D"),
    ("closed gates", {"template": "Permissive", **CLOSED}, None, "D DDDDD AAA AA A"),
    ("closed gates", {"template": "Default", **CLOSED}, None, "D DDDDD AAA AA A"),
    ("a rule beats a gate", {**CLOSED, **rules(("read_file", "allow"))}, None, "D ADDDD AAA AA A"),
    ("requireApproval", {"template": "Permissive", "requireApproval": ["write_file", "mcp_*"]}, None, "A A?AAA AAA AA ?"),
    ("requireApproval", {"template": "Restrictive", "requireApproval": ["fetch_url"]}, None, "D DDDDD ?DD DD D"),
    ("allowedTools", {"template": "Permissive", "allowedTools": ["read_file", "memory_*"]}, None, "D ADDDD DDD AA D"),
    ("allowedTools", {"allowedTools": ["execute_command"], "requireApproval": ["fetch_url"]}, None, "A DDDDD ?DD DD D"),
    ("a run denies", {"template": "Permissive"}, {"deny": ["*_file"]}, "A DDDAA AAA AA A"),
    ("a run cannot widen", {"template": "Restrictive"}, {"allow": ["*"]}, "D DDDDD DDD DD D"),
    ("a run cannot widen", {"template": "Default"}, {"allow": ["execute_command"]}, "? DDDDD DDD DD D"),
    ("a run's deny beats its allow", {"template": "Permissive"}, {"allow": ["*"], "deny": ["execute_command"]}, "D AAAAA AAA AA A"),
)  # fmt: skip


def cases() -> Iterator[Any]:
    for number, (title, policy, narrowing, letters) in enumerate(TABLE):
        said = letters.replace(" ", "")
        assert len(said) == len(TOOLS), letters
        for tool, letter in zip(TOOLS, said, strict=True):
            yield pytest.param(policy, narrowing, tool, MEANING[letter], id=f"{number} {title}: {tool}")


def spec_of(policy: dict[str, Any] | str) -> dict[str, Any]:
    obj = builtin_policy(policy) if isinstance(policy, str) else None
    obj = obj or {"apiVersion": "sympozium.ai/v1alpha1", "kind": "SympoziumPolicy", "metadata": {"name": "p"}, "spec": policy}
    found: dict[str, Any] = load.normalise(obj)["spec"]
    return found


@pytest.mark.parametrize(("policy", "narrowing", "tool", "action"), list(cases()))
def test_a_decision(policy: dict[str, Any] | str, narrowing: dict[str, Any] | None, tool: str, action: str) -> None:
    decision = run_tools(effective_policy("p", spec_of(policy)), {"spec": {"toolPolicy": narrowing}}).decide(tool)
    assert decision.action == action, decision.because
    assert decision.because


def test_every_built_in_policy_is_in_the_table() -> None:
    assert {policy for _, policy, _, _ in TABLE if isinstance(policy, str)} == set(POLICIES)
