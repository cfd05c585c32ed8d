"""What a policy does to a run: the model is offered less, and a call that is made all the same is denied with the reason."""

from __future__ import annotations

import pytest

from sympozium_core.contracts.cluster import ApiError
from sympozium_core.names import SYSTEM_NAMESPACE
from sympozium_core.testing.conversations import command, told, turns
from sympozium_core.testing.embedded import OpenPlane, furnish, phase_of
from sympozium_core.testing.servers.openai import OpenAIServer
from sympozium_core.testing.servers.script import Answer


def offered(model: OpenAIServer) -> set[str]:
    return {tool["function"]["name"] for tool in model.requests[0].body.get("tools") or []}


async def test_a_walled_policy_refuses_the_sandbox_without_walls(open_plane: OpenPlane, model: OpenAIServer) -> None:
    async with open_plane() as plane:
        for policy in ("default", "restrictive"):
            if policy == "default":
                await furnish(plane, model, policy=policy)
            with pytest.raises(ApiError, match="does not isolate") as refused:
                await plane.run("anything")
            assert "bubblewrap" in str(refused.value)


@pytest.mark.parametrize("sandbox", ["bubblewrap"])
async def test_restrictive_offers_no_tool(open_plane: OpenPlane, model: OpenAIServer) -> None:
    model.script = turns(Answer("", (command("echo hello"),)), Answer("Nothing is allowed."))
    strict = {
        "apiVersion": "sympozium.ai/v1alpha1",
        "kind": "SympoziumPolicy",
        "metadata": {"name": "strict"},
        "spec": {"template": "Restrictive", "allowedTools": ["read_file"]},
    }
    async with open_plane() as plane:
        await plane.apply(strict)
        await furnish(plane, model, policy="strict")
        ended = await plane.ended(await plane.run("say hello"))
        assert phase_of(ended) == "Succeeded"
        assert offered(model) == {"read_file"}
        assert not await plane.journal(ended, "tool.requested")


@pytest.mark.parametrize("sandbox", ["bubblewrap"])
async def test_the_builtin_restrictive_demands_a_kernel_sandbox(open_plane: OpenPlane, model: OpenAIServer) -> None:
    async with open_plane() as plane:
        await furnish(plane, model, policy="restrictive")
        with pytest.raises(ApiError, match="runtimeClass gvisor"):
            await plane.run("say hello")


async def test_a_runs_own_tool_policy_narrows(open_plane: OpenPlane, model: OpenAIServer) -> None:
    model.script = turns(Answer("", (command("echo hello"),)), Answer("ok"))
    async with open_plane() as plane:
        await furnish(plane, model)
        run = await plane.run("say hello", toolPolicy={"allow": ["read_file", "execute_command"], "deny": ["execute_command"]})
        assert phase_of(await plane.ended(run)) == "Succeeded"
        assert offered(model) == {"read_file"}
        assert not await plane.journal(run, "tool.requested")


async def test_a_run_cannot_widen_its_policy(open_plane: OpenPlane, model: OpenAIServer) -> None:
    denying = {
        "apiVersion": "sympozium.ai/v1alpha1",
        "kind": "SympoziumPolicy",
        "metadata": {"name": "no-shell"},
        "spec": {"template": "Permissive", "toolGating": {"rules": [{"tool": "execute_command", "action": "deny"}]}},
    }
    async with open_plane() as plane:
        await plane.apply(denying)
        await furnish(plane, model, policy="no-shell")
        with pytest.raises(ApiError, match=r"spec.toolPolicy.allow\[0\]"):
            await plane.run("say hello", toolPolicy={"allow": ["execute_command"]})


async def test_a_run_ends_when_its_tokens_are_used(open_plane: OpenPlane, model: OpenAIServer) -> None:
    """Each answer of this model counts 18. What the run says of its end does not count, what the gateway has counted does."""
    model.script = turns(*(Answer(f"Step {number}.", (command("true"),)) for number in range(5)), Answer("never"))
    frugal = {
        "apiVersion": "sympozium.ai/v1alpha1",
        "kind": "SympoziumPolicy",
        "metadata": {"name": "frugal"},
        "spec": {"template": "Permissive", "limits": {"maxTokens": 40, "timeout": "1m"}},
    }
    async with open_plane() as plane:
        await plane.apply(frugal)
        await furnish(plane, model, policy="frugal")
        ended = await plane.ended(await plane.run("go on and on"))
        status = ended["status"]
        assert (status["phase"], status["reason"]) == ("Failed", "BudgetExceeded")
        assert status["message"] == "the run has used 54 tokens, of 40 that it may (limits.maxTokens)"
        assert status["tokenUsage"]["totalTokens"] == 54
        assert len(model.requests) == 3
        with pytest.raises(ApiError, match=r"spec.timeout: 2m is longer than policy frugal allows"):
            await plane.run("for longer", timeout="2m")
        with pytest.raises(ApiError, match=r"spec.limits.maxTokens: 41 is more than policy frugal allows"):
            await plane.run("for more", limits={"maxTokens": 41})
        less = await plane.ended(await plane.run("for less", limits={"maxTokens": 1}))
        assert less["status"]["message"].startswith("the run has used 18 tokens, of 1 ")
        asks = await plane.ended(await plane.run("for one turn", limits={"maxTurns": 1, "maxToolCalls": 0}))
        assert asks["status"]["reason"] == "BudgetExceeded"
        assert "limits.maxToolCalls" in asks["status"]["message"]


async def test_a_mandatory_policy_holds_beside_the_one_that_is_named(open_plane: OpenPlane, model: OpenAIServer) -> None:
    model.script = turns(Answer("", (command("echo hello"),)), Answer("I may not."))
    mandatory = {
        "apiVersion": "sympozium.ai/v1alpha1",
        "kind": "SympoziumPolicy",
        "metadata": {"name": "no-commands", "namespace": SYSTEM_NAMESPACE},
        "spec": {"mandatory": {}, "toolGating": {"rules": [{"tool": "execute_command", "action": "deny"}]}},
    }
    async with open_plane() as plane:
        await plane.apply(mandatory)
        await furnish(plane, model)
        ended = await plane.ended(await plane.run("say hello"))
        assert "execute_command" not in offered(model)
        assert "read_file" in offered(model)
        assert "there is no tool 'execute_command'" in told(model)
        stamp = ended["status"]["effectivePolicy"]
        assert "policy no-commands: a rule says deny for execute_command" in str(stamp["tools"])
        assert (stamp["name"], stamp["mandatory"]) == ("permissive", ["no-commands"])
