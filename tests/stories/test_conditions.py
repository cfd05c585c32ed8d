"""Conditions on arguments, and a policy that is tightened while a run is under way: with the real shell skill and a real agent."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sympozium_core.contracts.cluster import ApiError, Object
from sympozium_core.names import SYSTEM_NAMESPACE
from sympozium_core.processes.embedded import serve_embedded
from sympozium_core.resources.kinds import SYMPOZIUM_POLICY
from sympozium_core.settings import EmbeddedSettings
from sympozium_core.testing.conversations import command, results, told, turns
from sympozium_core.testing.embedded import OpenPlane, Plane, furnish, phase_of
from sympozium_core.testing.servers.openai import OpenAIServer
from sympozium_core.testing.servers.script import Answer

ALLOW = {"tool": "execute_command", "action": "allow"}
DENY = {"tool": "execute_command", "action": "deny"}


def policy(name: str, *rules: dict[str, str], default: str = "allow", namespace: str = "", **spec: Any) -> Object:
    gating = {"defaultAction": default, "rules": list(rules)}
    return {
        "apiVersion": "sympozium.ai/v1alpha1",
        "kind": "SympoziumPolicy",
        "metadata": {"name": name, **({"namespace": namespace} if namespace else {})},
        "spec": {"template": "Permissive", "toolGating": gating, **spec},
    }


@pytest.mark.parametrize("sandbox", ["process", "bubblewrap"])
async def test_only_commands_that_meet_the_condition_run(open_plane: OpenPlane, model: OpenAIServer) -> None:
    lines = ("echo 'a  b' '$HOME'", "echo a; touch escaped", "echo $(touch escaped)", "touch escaped", "echo done")
    model.script = turns(Answer("", tuple(command(line) for line in lines)), Answer("", (command("echo *"),)), Answer("Done."))
    async with open_plane() as plane:
        await plane.apply(policy("echoes", {**ALLOW, "when": "argv[0] == 'echo'"}, DENY))
        await furnish(plane, model, policy="echoes")
        ended = await plane.ended(await plane.run("say things"))
        assert phase_of(ended) == "Succeeded"
        first = results(model.requests[1])
        assert first[0].startswith("a  b $HOME\n"), "no shell has seen it"
        assert first[4].startswith("done\n")
        assert all("denied by policy: policy echoes: a rule says deny for execute_command" in each for each in first[1:4])
        assert "denied" in told(model)
        requested = await plane.journal(ended, "tool.requested")
        assert sorted(each["argv"] for each in requested) == [["echo", "a  b", "$HOME"], ["echo", "done"]], (
            "asked at the same time"
        )
        assert {each["rule"]["when"] for each in requested} == {"argv[0] == 'echo'"}
        assert len(await plane.journal(ended, "tool.denied")) == 4


async def test_a_condition_that_is_none_is_refused_with_its_place(open_plane: OpenPlane) -> None:
    async with open_plane() as plane:
        with pytest.raises(
            ApiError, match=r"spec.toolGating.rules\[0\].when: .*line 1, column 11: mismatched input.*such as argv.slice"
        ):
            await plane.apply(policy("broken", {**ALLOW, "when": "argv[0] =="}))
        with pytest.raises(ApiError, match=r"spec.toolGating.rules\[0\].when: cannot bind read_file"):
            await plane.apply(policy("native", {"tool": "read_file", "action": "deny", "when": "args.path == 'x'"}))
        await plane.apply(policy("gates", featureGates={"browser-automation": False, "sub-agents": True}))
        assert [each for each in plane.warnings if "browser-automation" in each]
        assert not [each for each in plane.warnings if "sub-agents" in each]


async def change(plane: Plane, wanted: Object) -> None:
    namespace = wanted["metadata"].get("namespace", plane.namespace)
    await plane.client.patch(SYMPOZIUM_POLICY, namespace, wanted["metadata"]["name"], {"spec": wanted["spec"]})


class Held:
    """The model's second answer waits until the test lets it go."""

    def __init__(self) -> None:
        self.go = False

    def script(self) -> Any:
        held = Answer("", (command("echo after"),), until=lambda: self.go)
        return turns(Answer("", (command("echo before"),)), held, Answer("Done."))


@pytest.mark.parametrize("how", ["its own", "its condition", "a gate", "mandatory", "nearer"])
async def test_a_policy_that_is_tightened_binds_the_calls_that_come(
    open_plane: OpenPlane, model: OpenAIServer, how: str
) -> None:
    held = Held()
    model.script = held.script()
    before = {"its condition": [{**ALLOW, "when": "argv[0] == 'echo'"}]}.get(how, [])
    new = {
        "its own": policy("work", DENY),
        "its condition": policy("work", {**ALLOW, "when": "argv == ['echo', 'before']"}, DENY),
        "a gate": policy("work", featureGates={"code-execution": False}),
        "mandatory": policy("hold", DENY, namespace=SYSTEM_NAMESPACE, mandatory={}),
        "nearer": policy("permissive", DENY),
    }[how]
    async with open_plane() as plane:
        if how != "nearer":
            await plane.apply(policy("work", *before))
        await furnish(plane, model, policy="permissive" if how == "nearer" else "work")
        run = await plane.run("work")
        await plane.entry(run, "tool.result")
        if how in ("mandatory", "nearer"):
            await plane.apply(new)
        else:
            await change(plane, new)
        narrowed = await plane.until(run, lambda now: now["status"]["effectivePolicy"].get("tightenedBy"))
        held.go = True
        ended = await plane.ended(run)
        assert phase_of(ended) == "Succeeded"
        assert "denied by policy" in told(model)
        assert len(await plane.journal(run, "tool.requested")) == 1
        name = new["metadata"]["name"]
        assert narrowed["status"]["effectivePolicy"]["tightenedBy"] == [name]
        (message,) = await plane.told(run, "PolicyTightened")
        assert f"policy {name} was tightened" in message
        (entry,) = await plane.journal(run, "policy")
        assert entry["source"] == "ctl"
        assert entry["tools"] == narrowed["status"]["effectivePolicy"]["tools"]


@pytest.mark.parametrize(
    ("limits", "says"),
    [({"maxTurns": 1}, "the model has answered 1 times, of 1"), ({"maxTokens": 5}, "the run has used 18 tokens, of 5")],
)
async def test_lower_counts_end_a_run_that_has_used_them(
    open_plane: OpenPlane, model: OpenAIServer, limits: dict[str, int], says: str
) -> None:
    held = Held()
    model.script = turns(Answer("", (command("true"),), until=lambda: held.go), Answer("Done."))
    async with open_plane() as plane:
        await plane.apply(policy("work"))
        await furnish(plane, model, policy="work")
        run = await plane.run("work")
        await plane.entry(run, "model.request")
        await change(plane, policy("work", {"tool": "other", "action": "deny"}, limits=limits))
        narrowed = await plane.until(run, lambda now: now["status"]["effectivePolicy"].get("tightenedBy"))
        assert narrowed["status"]["effectivePolicy"]["limits"] == limits
        (message,) = await plane.told(run, "PolicyTightened")
        assert "other (allow before, now deny)" in message
        assert f"limits.{next(iter(limits))} is" in message
        held.go = True
        ended = await plane.ended(run)
        assert (ended["status"]["phase"], ended["status"]["reason"]) == ("Failed", "BudgetExceeded")
        assert says in ended["status"]["message"]
        assert len(model.requests) == 1


@pytest.mark.parametrize(
    ("spec", "reason", "says"),
    [
        ({"modelPolicy": {"allowedModels": ["another-*"]}}, "PolicyDenied", "policy work does not allow model"),
        ({"limits": {"timeout": "1s"}}, "Timeout", "not finished within 1 s"),
    ],
)
async def test_a_policy_that_forbids_the_run_ends_it(
    open_plane: OpenPlane, model: OpenAIServer, spec: dict[str, Any], reason: str, says: str
) -> None:
    model.script = turns(Answer("", (command("true"),), until=lambda: False))
    async with open_plane() as plane:
        await plane.apply(policy("work"))
        await furnish(plane, model, policy="work")
        run = await plane.run("work")
        await plane.entry(run, "model.request")
        await change(plane, policy("work", **spec))
        ended = await plane.ended(run)
        assert (ended["status"]["phase"], ended["status"]["reason"]) == ("Failed", reason)
        assert ended["status"]["message"].startswith(says)


@pytest.mark.parametrize("how", ["loosened", "deleted", "its status"])
async def test_a_policy_that_is_loosened_or_deleted_changes_nothing(
    open_plane: OpenPlane, model: OpenAIServer, how: str
) -> None:
    """A second policy, tightened after it, shows that the controller has seen the first."""
    held = Held()
    model.script = held.script()
    only = {**ALLOW, "when": "argv == ['echo', 'before']"}
    async with open_plane() as plane:
        await plane.apply(policy("default", only, DENY), policy("mark", namespace=SYSTEM_NAMESPACE, mandatory={}))
        await furnish(plane, model, policy="default")
        run = await plane.run("work")
        await plane.entry(run, "tool.result")
        if how == "deleted":  # the built-in policy of this name, which asks for every command, does not take its place
            await plane.client.delete(SYMPOZIUM_POLICY, plane.namespace, "default")
        elif how == "its status":
            await plane.client.patch(
                SYMPOZIUM_POLICY, plane.namespace, "default", {"status": {"boundInstances": 1}}, subresource="status"
            )
        else:
            spec = {"toolGating": {"rules": [ALLOW]}, "limits": {"timeout": "10h"}, "modelPolicy": {"allowedModels": ["*"]}}
            await plane.client.patch(SYMPOZIUM_POLICY, plane.namespace, "default", {"spec": spec})
        await change(plane, policy("mark", {"tool": "write_file", "action": "deny"}, namespace=SYSTEM_NAMESPACE, mandatory={}))
        narrowed = await plane.until(run, lambda now: now["status"]["effectivePolicy"].get("tightenedBy"))
        assert narrowed["status"]["effectivePolicy"]["tightenedBy"] == ["mark"]
        held.go = True
        assert phase_of(await plane.ended(run)) == "Succeeded"
        assert "denied by policy: policy default: a rule says deny" in told(model)
        assert len(await plane.journal(run, "tool.requested")) == 1


@pytest.mark.parametrize("when", ["before the end", "while it was away"])
async def test_what_was_tightened_holds_after_the_control_plane_has_been_away(
    open_plane: OpenPlane, data_dir: Path, model: OpenAIServer, when: str
) -> None:
    held = Held()
    model.script = held.script()
    async with open_plane() as plane:
        await plane.apply(policy("work"))
        await furnish(plane, model, policy="work")
        run = await plane.run("work")
        await plane.entry(run, "tool.result")
        if when == "before the end":
            await change(plane, policy("work", DENY))
            await plane.until(run, lambda now: now["status"]["effectivePolicy"].get("tightenedBy"))
            await change(plane, policy("work"))
    if when == "while it was away":
        async with serve_embedded(EmbeddedSettings(data_dir, "process"), controllers=False):
            plane = Plane(data_dir)
            await change(plane, policy("work", DENY))
            await plane.close()
    async with open_plane() as plane:
        await plane.until(run, lambda now: now["status"]["effectivePolicy"].get("tightenedBy"))
        held.go = True
        ended = await plane.ended(run)
        assert phase_of(ended) == "Succeeded"
        assert ended["status"]["attempt"] == 2
        # A bridge that is told of it at once does not offer the tool; one that hears of it later denies it.
        assert "there is no tool 'execute_command'" in told(model) or "policy work: a rule says deny" in told(model)
        assert len(await plane.journal(run, "tool.requested")) == 1
