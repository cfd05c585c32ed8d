"""`sympozium policy` and `sympozium features`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

RULES = [{"tool": "execute_command", "action": "deny"}]
POLICY: dict[str, Any] = {
    "apiVersion": "sympozium.ai/v1alpha1",
    "kind": "SympoziumPolicy",
    "metadata": {"name": "readers"},
    "spec": {"toolGating": {"rules": RULES}, "modelPolicy": {"allowedModels": ["gpt-*"]}},
}  # fmt: skip
RUN: dict[str, Any] = {
    "apiVersion": "sympozium.ai/v1alpha1",
    "kind": "AgentRun",
    "metadata": {"name": "asks"},
    "spec": {"instanceRef": "helper", "task": "look", "toolPolicy": {"deny": ["write_file"]}, "model": {"model": "gpt-4o"}},
}  # fmt: skip


def written(folder: Path, *objects: Any) -> str:
    file = folder / f"{objects[0]['kind']}.yaml"
    file.write_text(yaml.safe_dump_all(objects))
    return str(file)


def spec_of(obj: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {**obj, "spec": {**obj["spec"], **fields}}


def test_lint(alone: Any, tmp_path: Path) -> None:
    assert "readers: nothing to say" in alone("policy", "lint", written(tmp_path, POLICY)).out
    doubtful = spec_of(
        POLICY, toolGating={"rules": [{"tool": "*", "action": "ask"}, *RULES]}, featureGates={"warp-drive": True}
    )
    out = alone("policy", "lint", written(tmp_path, doubtful, POLICY), code=1).out
    assert "readers: spec.toolGating.rules[1]: the rule execute_command: deny never decides" in out
    assert "warp-drive" in out
    assert "nothing to say" in out
    wrong = spec_of(POLICY, toolGating={"rules": [{"tool": "read_file", "action": "perhaps"}]})
    assert "spec.toolGating.rules[0].action" in alone("policy", "lint", written(tmp_path, wrong), code=4).out
    assert not alone.data.exists(), "no server is needed"


def test_a_policy_alone(alone: Any, tmp_path: Path) -> None:
    rows = {row[0]: row[1:] for row in alone("policy", "test", written(tmp_path, POLICY)).rows}
    assert rows["execute_command"] == ["deny", "policy readers: a rule says deny for execute_command"]
    assert rows["read_file"][0] == "allow"
    assert alone("policy", "test", "default", "--call", "execute_command", code=5).rows[1][:2] == ["execute_command", "ask"]
    assert ["memory_store", "allow"] in [row[:2] for row in alone("policy", "test", "restrictive").rows]
    assert alone("policy", "test", "default", "--call", "read_file").rows[1][:2] == ["read_file", "allow"]


def test_calls_with_arguments(alone: Any, tmp_path: Path) -> None:
    rule = {"tool": "execute_command", "action": "allow", "when": "server == 'shell' && argv[0] == 'ls'"}
    policy = written(tmp_path, spec_of(POLICY, toolGating={"rules": [rule, *RULES]}))
    call = """execute_command@shell={"command": "ls -l"}"""
    rows = alone("policy", "test", policy, "--call", call).rows
    assert rows[1][:2] == ['execute_command {"command": "ls -l"}', "allow"]
    assert rows[1][2].endswith("when server == 'shell' && argv[0] == 'ls'; run without a shell")
    elsewhere = alone("policy", "test", policy, "--call", call.replace("@shell", ""), code=5).rows
    assert elsewhere[1][1] == "deny"
    assert "it may be called when server == 'shell'" in elsewhere[1][2]
    piped = alone("policy", "test", policy, "--call", call.replace("-l", "| sh"), code=5).rows
    assert "this command has no argv" in piped[1][2]
    first, second, *_ = alone("policy", "test", policy).rows[1:]
    assert (first[:2], second[0]) == (["execute_command", "allow"], "deny"), "each rule that may decide"


@pytest.mark.parametrize("call", ["x={", "x=3", "=", "x={} {}"])
def test_calls_that_are_none(alone: Any, tmp_path: Path, call: str) -> None:
    assert "such as execute_command=" in alone("policy", "test", written(tmp_path, POLICY), "--call", call, code=4).err


def test_a_native_tool_is_held_to_no_condition(alone: Any, tmp_path: Path) -> None:
    rules = [{"tool": "*_file", "action": "allow", "when": "args.path == 'x'"}, {"tool": "*", "action": "deny"}]
    policy = written(tmp_path, spec_of(POLICY, toolGating={"rules": rules}))
    assert alone("policy", "test", policy, "--call", 'read_file={"path": "x"}', code=5).rows[1][1] == "deny"
    assert alone("policy", "test", policy, "--call", 'read_file@kube={"path": "x"}').rows[1][1] == "allow"


def test_a_run_and_its_calls(alone: Any, tmp_path: Path) -> None:
    policy = written(tmp_path, POLICY)
    passed = alone("policy", "test", policy, "--run", written(tmp_path, RUN), "--call", "read_file")
    assert "the run is admitted" in passed.out
    narrowed = alone("policy", "test", policy, "--run", written(tmp_path, RUN), "--call", "write_file", code=5)
    assert "this run's spec.toolPolicy.deny lists write_file" in narrowed.out
    refused = alone("policy", "test", policy, "--run", written(tmp_path, spec_of(RUN, model={"model": "o9"})), code=5)
    assert "the run is refused" in refused.out
    assert "spec.model.model: policy readers does not allow model 'o9' (it allows gpt-*)" in refused.out
    without = {key: value for key, value in RUN["spec"].items() if key != "model"}
    inherited = alone("policy", "test", policy, "--run", written(tmp_path, {**RUN, "spec": without}, alone.instance()), code=5)
    assert "does not allow model 'practice'" in inherited.out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("lint", "RUN"), "no SympoziumPolicy in"),
        (("lint", "unheard-of"), "cannot read unheard-of"),
        (("test", "default", "permissive"), "a test is of one policy, not of 2: default, permissive"),
        (("test", "default", "--run", "POLICY"), "has 0 AgentRuns"),
    ],
)
def test_bad_input(alone: Any, tmp_path: Path, arguments: tuple[str, ...], words: str) -> None:
    files = {"RUN": written(tmp_path, RUN), "POLICY": written(tmp_path, POLICY)}
    assert words in alone("policy", *(files.get(each, each) for each in arguments), code=4).err


def test_explain_says_what_held_for_a_run_and_what_it_called(helper: Any) -> None:
    helper.here("run", "count", "--instance", "helper", "--name", "explained")
    out = helper.here("policy", "explain", "explained")
    assert "under policy permissive, template Permissive" in out.out.splitlines()[0]
    assert ["execute_command", "allow", "policy permissive: toolGating.defaultAction is allow"] in out.rows
    made = [
        'execute_command {"command": "echo $((6 * 7))"}',
        "made, ok",
        "policy permissive: toolGating.defaultAction is allow",
    ]
    assert made in out.rows
    assert '"none" not found' in helper.here("policy", "explain", "none", code=3).err


def test_explain_shows_a_denied_call(helper: Any) -> None:
    """The model calls a tool that it was not offered."""
    provider = helper.here("get", "si", "helper", "-o", "json").json["spec"]["provider"]
    helper.apply(spec_of(POLICY, modelPolicy={}), helper.instance("reader", policy="readers", provider=provider))
    helper.here("run", "count", "--instance", "reader", "--name", "denied", code=None)
    rows = helper.here("policy", "explain", "denied").rows
    assert ["execute_command", "deny", "policy readers: a rule says deny for execute_command"] in rows


def test_gates_are_listed_opened_and_closed(cli: Any) -> None:
    cli.apply(spec_of(POLICY, featureGates={"file-access": False}))
    listed = dict(row for row in cli.here("features", "list", "--policy", "readers").rows[1:])
    assert listed == {
        "code-execution": "open (not set)",
        "sub-agents": "open (not set)",
        "browser-automation": "open (not set)",
        "file-access": "closed",
    }
    assert (
        "file-access enabled in sympoziumpolicy/readers"
        in cli.here("features", "enable", "file-access", "--policy", "readers").out
    )
    assert "enabled already" in cli.here("features", "enable", "file-access", "--policy", "readers").out
    assert "code-execution disabled" in cli.here("features", "disable", "code-execution", "--policy", "readers").out
    gates = cli.here("get", "sympoziumpolicy", "readers", "-o", "json").json["spec"]["featureGates"]
    assert gates == {"file-access": True, "code-execution": False}


def test_gates_that_cannot_be_set(cli: Any) -> None:
    wrong = cli.here("features", "enable", "file-acces", "--policy", "readers", code=4).err
    assert "no feature gate 'file-acces'" in wrong
    assert "did you mean file-access?" in wrong
    assert '"readers" not found' in cli.here("features", "enable", "file-access", "--policy", "readers", code=3).err
    assert "is built in" in cli.here("features", "disable", "file-access", "--policy", "default", code=3).err
    assert ["file-access", "closed"] in cli.here("features", "list", "--policy", "restrictive").rows


def test_calls_of_mcp_servers_have_annotations(alone: Any, tmp_path: Path) -> None:
    rules = [
        {"tool": "gh_*", "action": "allow", "when": "annotations.readOnly && !annotations.openWorld"},
        {"tool": "gh_*", "action": "deny"},
    ]
    policy = written(tmp_path, {**POLICY, "spec": {"toolGating": {"rules": rules}}})
    for hints, code, decision in (("+readOnly", 0, "allow"), ("", 5, "deny"), ("+readOnly+openWorld", 5, "deny")):
        row = alone("policy", "test", policy, "--call", f"gh_get@mcp{hints}={{}}", code=code).rows[1]
        assert decision in row
    assert "no hint of MCP" in alone("policy", "test", policy, "--call", "gh_get@mcp+harmless", code=4).err
    assert "hints are of tools of MCP servers" in alone("policy", "test", policy, "--call", "gh_get@shell+readOnly", code=4).err
