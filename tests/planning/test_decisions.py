"""What each policy says of each tool, written out: the template, what is laid over it, and the tool. A letter is a decision: Allow, Ask (?), Deny."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from sympozium_core.call_conditions.examined import ExaminedCall
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


READS = (
    {"tool": "execute_command", "action": "allow", "when": "argv.slice(0, 2) in [['kubectl', 'get'], ['git', 'log']]"},
    {"tool": "execute_command", "action": "ask", "when": "argv[0] == 'kubectl'"},
    {"tool": "execute_command", "action": "deny"},
)
"""Two commands may be run, others of kubectl are asked about, everything else is denied."""
NO_RM = ({"tool": "execute_command", "action": "deny", "when": "argv.exists(word, word == 'rm')"},)
STAGING = (
    {"tool": "deploy", "action": "allow", "when": "args.namespace == 'staging' && args.replicas <= 3"},
    {"tool": "deploy", "action": "ask", "when": "args.namespace == 'production'"},
    {"tool": "deploy", "action": "deny"},
)
LINE = "args.command.startsWith('kubectl get ')"
BY_LINE = ({"tool": "execute_command", "action": "allow", "when": LINE}, {"tool": "execute_command", "action": "deny"})
"""What a condition on `argv` is there for: this one looks at the line alone."""
COMMANDS: tuple[tuple[Any, tuple[tuple[str, str], ...]], ...] = (
    (READS, (
        ("kubectl get pods", "A"), ("  kubectl \t get   pods ", "A"), ("kubectl get", "A"), ("'kubectl' \"get\" pods", "A"), ("kub'ectl' get pods", "A"),
        ("git log --format='%h %s; rm -rf /'", "A"), ("kubectl get pods -l 'a in (b, c)'", "A"), ("kubectl get '$(id)'", "A"), ("kubectl get '*'", "A"),
        ("kubectl delete pods --all", "?"), ("kubectl", "?"), ("kubectl '' get", "?"), ("kubectl getx pods", "?"), ("kubectl --context prod get pods", "?"),
        ("rm -rf /", "D"), ("kubectl get pods; rm -rf /", "D"), ("kubectl get pods;rm -rf /", "D"), ("kubectl get pods && rm -rf /", "D"),
        ("kubectl get pods || rm -rf /", "D"), ("kubectl get pods & rm -rf /", "D"), ("kubectl get pods | sh", "D"), ("kubectl get pods |& sh", "D"),
        ("kubectl get $(rm -rf /)", "D"), ('kubectl get "$(rm -rf /)"', "D"), ("kubectl get `rm -rf /`", "D"), ('kubectl get "`rm -rf /`"', "D"),
        ("kubectl get pods\nrm -rf /", "D"), ("kubectl get pods\r\nrm -rf /", "D"), ("kubectl get pods\r", "D"), ("kubectl get 'a\nb'", "D"),
        ("kubectl get pods #", "D"), ("kubectl get pods # | sh", "D"), ("kubectl get *", "D"), ("kubectl get p?ds", "D"), ("kubectl get [p]ods", "D"),
        ("kubectl get ~/x", "D"), ("kubectl get {a,b}", "D"), ("kubectl get $HOME", "D"), ('kubectl get "${HOME}"', "D"), ("kubectl get pods > /etc/passwd", "D"),
        ("kubectl get pods < /etc/passwd", "D"), ("kubectl get pods 2>&1", "D"), ("kubectl get <(rm x)", "D"), ("KUBECONFIG=/tmp/x kubectl get pods", "D"),
        ("'A=b' kubectl get pods", "D"), ("kubectl\\ get pods", "D"), ("kubectl get \\\nrm", "D"), ("kubectl get 'pods", "D"), ('kubectl get "pods', "D"),
        ("(kubectl get pods)", "D"), ("{ kubectl get pods; }", "D"), ("! kubectl get pods", "D"), ("time kubectl get pods", "D"), ("kubectl get pods\0", "D"),
        ("kubectl get pods\u2028rm", "D"), ("kubectl get pods\u00a0;", "D"), ("kubectl get pods； rm", "D"), ("ｋubectl get pods", "D"), ("kubесtl get pods", "D"),
        ("kubectl\u200b get pods", "D"), ("kubectl get \ud800", "D"), ("kubectl get pods\x7f", "D"), ("kubectl get $'a'", "D"), ('kubectl get "a\\"; rm x"', "D"),
        ("KUBECTL get pods", "D"), ("./kubectl get pods", "D"), ("/usr/bin/kubectl get pods", "D"), ("env kubectl get pods", "D"), ("kubectl get !!", "D"), ("", "D"),
    )),
    (NO_RM, (("ls -l", "A"), ("rm x", "D"), ("sudo rm x", "D"), ("'r'm x", "D"), ("ls; true", "D"), ("echo $x", "D"), ("true\nls", "D"), ("echo 'rm x'", "A"))),
    (BY_LINE, (("kubectl get pods", "A"), ("kubectl get pods; rm -rf /", "A"), ("kubectl  get pods", "D"))),
)  # fmt: skip
CALLS: tuple[tuple[Any, str], ...] = (
    ({"namespace": "staging", "replicas": 3}, "A"), ({"namespace": "staging", "replicas": 2.5}, "A"), ({"namespace": "staging", "replicas": 4}, "D"),
    ({"namespace": "staging"}, "D"), ({"namespace": "staging", "replicas": "3"}, "D"), ({"namespace": "staging", "replicas": None}, "D"),
    ({"namespace": "staging", "replicas": 2**70}, "D"), ({"namespace": "production", "replicas": 1}, "?"), ({"namespace": "Staging", "replicas": 1}, "D"),
    ({"namespace": ["staging"], "replicas": 1}, "D"), ({"replicas": 1}, "D"), ({}, "D"), ({"namespace": "staging\0", "replicas": 1}, "D"),
    ({"namespace": "staging", "replicas": 1, "pad": "x" * 70_000}, "D"), ({"namespace": "staging", "replicas": float("nan")}, "D"),
    ({"namespace": "staging", "replicas": -1}, "A"), ({"namespace": "staging", "replicas": True}, "D"), ({"argv": ["kubectl", "get"]}, "D"),
)  # fmt: skip


def calls() -> Iterator[Any]:
    for number, (gating, lines) in enumerate(COMMANDS):
        for line, letter in lines:
            yield pytest.param(
                gating,
                "execute_command",
                {"command": line},
                MEANING[letter],
                id=f"{number} {line.encode('unicode_escape').decode()}",
            )
    for arguments, letter in CALLS:
        yield pytest.param(STAGING, "deploy", arguments, MEANING[letter], id=repr(arguments)[:60])
    for odd in (
        {},
        {"command": None},
        {"command": 3},
        {"command": ["kubectl", "get"]},
        {"argv": ["kubectl", "get"]},
        {"command": "x", "argv": ["kubectl", "get"]},
    ):
        yield pytest.param(READS, "execute_command", odd, "deny", id=f"odd {odd}")


@pytest.mark.parametrize(("gating", "tool", "arguments", "action"), list(calls()))
def test_a_decision_by_its_arguments(gating: Any, tool: str, arguments: dict[str, Any], action: str) -> None:
    policy = effective_policy("p", spec_of({"toolGating": {"rules": list(gating)}})).tools
    decision = policy.decide(tool, ExaminedCall(tool, "shell", arguments))
    assert decision.action == action, decision.because
    assert decision.because
