"""Well-formed inputs of every hook, from the plainest to the strangest that a run may bring."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sympozium_core.contracts.plan import Container, Limits, ModelRef, PodPlan, RunPlan, SkillText, ToolServer
from sympozium_core.contracts.tool_policy import ToolPolicy, ToolRule
from sympozium_core.hooks import RunEvent, ToolCall
from sympozium_core.names import API_VERSION

UID = "6f1c2a34-0000-4000-8000-000000000001"


def run(**spec: Any) -> dict[str, Any]:
    """An AgentRun in normal form."""
    metadata = {"name": "triage-7", "namespace": "team-a", "uid": UID, "labels": {"sympozium.ai/instance": "helper"}}
    whole = {"instanceRef": "helper", "task": "Find out why the tests fail.", "timeout": "10m", **spec}
    return {"apiVersion": API_VERSION, "kind": "AgentRun", "metadata": metadata, "spec": whole}


def instance(**spec: Any) -> dict[str, Any]:
    default = {"model": "gpt-4o", "provider": "openai", "systemPrompt": "You are careful."}
    whole = {"agents": {"default": default}, "skills": [{"skillPackRef": "shell"}], "policyRef": "default", **spec}
    metadata = {"name": "helper", "namespace": "team-a"}
    return {"apiVersion": API_VERSION, "kind": "SympoziumInstance", "metadata": metadata, "spec": whole}


RUNS: Mapping[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "plain": (run(), instance()),
    "of-another-language": (run(task="Grüße, 世界 🙂\n\t$(id) `x` \\"), instance()),
    "long": (run(task="word " * 50_000), instance()),
    "with-skills-and-limits": (
        run(
            skills=[{"skillPackRef": "k8s-ops", "params": {"write": "true"}}], limits={"maxTurns": 3}, model={"model": "small"}
        ),
        instance(skills=[]),
    ),
    "cancelled": (run(cancel=True, requestedBy={"username": "ann", "groups": ["dev"]}), instance()),
    "bare": (run(), {"apiVersion": API_VERSION, "kind": "SympoziumInstance", "metadata": {"name": "helper"}, "spec": {}}),
}


def plan(**changes: Any) -> RunPlan:
    fields: dict[str, Any] = {
        "uid": UID,
        "namespace": "team-a",
        "name": "triage-7",
        "instance": "helper",
        "task": "Find out why the tests fail.",
        "system_prompt": "You are careful.",
        "model": ModelRef("openai", "gpt-4o"),
        "tools": ToolPolicy("allow", "policy default", (ToolRule("execute_command", "ask", "policy default"),)),
        "native_tools": ("read_file", "write_file"),
        "servers": (ToolServer("shell"),),
        "limits": Limits(),
        "sandbox": "process",
        "pod": PodPlan(
            (
                Container("agent", "agent", ("python3",)),
                Container("bridge", "bridge", ("python3",)),
                Container("skill-shell", "skill", ("python3",), env={"SKILL_REGION": "north"}),
            )
        ),
    }
    return RunPlan(**{**fields, **changes})


PLANS: Mapping[str, RunPlan] = {
    "plain": plan(),
    "without-tools": plan(servers=(), native_tools=(), tools=ToolPolicy("deny", "policy restrictive")),
    "with-texts": plan(pod=PodPlan((Container("agent", "agent", ("x",)),), skills=(SkillText("p", "n", "d", "# c"),))),
    "with-the-least-limits": plan(limits=Limits(timeout=1.0, max_turns=1, max_tool_calls=1, max_fetches=1, max_tokens=1)),
    "of-another-language": plan(task="Grüße, 世界 🙂", system_prompt="", prompt_sections=("one", "two")),
}


def call(tool: str, server: str = "shell", **arguments: Any) -> ToolCall:
    return ToolCall(UID, "call_1_0", tool, server, arguments)


CALLS: Mapping[str, ToolCall] = {
    "command": call("execute_command", command="ls -la /workspace"),
    "without-arguments": call("list_pods", "k8s-ops"),
    "of-unusual-types": call("query", "sre", command=None, text=3, list=[1, [2, {"deep": [True, None]}]], number=-1.5),
    "of-another-language": call("say", text="Grüße, 世界 🙂 \\ \" ' \n\x00"),
    "long": call("write", content="x" * 500_000),
    "with-many-arguments": ToolCall(UID, "c", "t", "s", {f"argument{number}": number for number in range(500)}),
}


def event(kind: str, source: str = "pod", sequence: int = 1, **fields: Any) -> RunEvent:
    return RunEvent(UID, "team-a", "triage-7", source, sequence, {"type": kind, "at": 1790000000.0, "attempt": 1, **fields})


EVENTS: Mapping[str, RunEvent] = {
    "attempt": event("attempt", "ctl", pod="run-1"),
    "started": event(
        "started", servers={"shell": ["execute_command"]}, tools=["execute_command"], conflicts=[], missing=["k8s-ops"]
    ),
    "model.request": event("model.request", "gw", 2, call="m", provider="openai", model="gpt-4o", base=0, messages=[]),
    "model.answer": event(
        "model.answer",
        "gw",
        3,
        call="m",
        message={"role": "assistant", "content": None, "tool_calls": []},
        finishReason="stop",
        usage={"promptTokens": 1, "completionTokens": 1, "totalTokens": 2},
        durationMs=1.5,
        replayed=False,
    ),
    "model.error": event("model.error", "gw", 4, call="m", failure="timeout", message="no answer"),
    "tool.requested": event("tool.requested", sequence=5, call="c", tool="t", server="s", arguments={}, because=""),
    "tool.denied": event("tool.denied", sequence=6, call="c", tool="t", server="s", arguments={}, because="policy"),
    "tool.result": event(
        "tool.result", sequence=7, call="c", tool="t", server="s", status="ok", content="🙂", exitCode=0, durationMs=2
    ),
    "progress": event("progress", sequence=8, events=[{"type": "tool.output", "server": "s", "call": "c", "text": "half"}]),
    "problem": event("problem", sequence=9, what="is no JSON", where="output/stream-1.json"),
    "result": event(
        "result", sequence=10, status="success", reason="Completed", response="Done.", size=5, error="", metrics={}
    ),
    "ended": event("ended", "ctl", 11, phase="Failed", reason="Timeout", message="not finished"),
    "of-a-later-version": event("something.new", "ctl", 12, unknown={"deep": [1]}),
    "bare": RunEvent(UID, "team-a", "triage-7", "pod", 13, {}),
}
