"""A call that waits for a person, from the policy to the end of the run: asked, decided by whoever may, told, expired."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from sympozium_core import names
from sympozium_core.contracts.cluster import ApiError, Forbidden, Invalid, NotFound
from sympozium_core.resources.kinds import TOOL_APPROVAL
from sympozium_core.settings import EmbeddedSettings
from sympozium_core.testing import embedded, leftovers
from sympozium_core.testing.conversations import command, results, told, turns
from sympozium_core.testing.embedded import COMMAND, OpenPlane, Plane, furnish, phase_of, status_of, sympozium
from sympozium_core.testing.servers.openai import OpenAIServer
from sympozium_core.testing.servers.script import Answer

pytestmark = pytest.mark.parametrize("sandbox", ["bubblewrap"])


def asking(**approvals: Any) -> dict[str, Any]:
    spec = {"template": "Default", **({"approvals": approvals} if approvals else {})}
    return {"apiVersion": names.API_VERSION, "kind": "SympoziumPolicy", "metadata": {"name": "asking"}, "spec": spec}


async def waiting(plane: Plane, run: Any) -> dict[str, Any]:
    """The approval of the first call that waits, once the controller has seen it."""
    name = (await plane.entry(run, "tool.waiting"))["approval"]
    async with asyncio.timeout(10):
        while True:
            try:
                found = await plane.client.get(TOOL_APPROVAL, "default", name)
            except NotFound:
                found = {}
            if (found.get("status") or {}).get("phase"):
                return found
            await asyncio.sleep(0.01)


def condition(run: Any) -> str:
    return next((each["status"] for each in status_of(run).get("conditions") or [] if each["type"] == "WaitingForApproval"), "")


async def decide(plane: Plane, approval: Any, decision: str, **more: Any) -> Any:
    return await plane.client.patch(
        TOOL_APPROVAL, "default", approval["metadata"]["name"], {"spec": {"decision": decision, **more}}
    )


async def test_approved_it_runs(open_plane: OpenPlane, model: OpenAIServer) -> None:
    model.script = turns(Answer("", (command("echo hello"),)), Answer("It said hello."))
    async with open_plane() as plane:
        await furnish(plane, model, policy="default")
        run = await plane.run("say hello")
        assert "this run may wait for approval of: execute_command" in plane.warnings
        approval = await waiting(plane, run)
        spec = approval["spec"]
        assert (spec["runRef"], spec["runUID"], spec["tool"]) == (
            run["metadata"]["name"],
            run["metadata"]["uid"],
            "execute_command",
        )
        assert spec["arguments"] == {"command": "echo hello"}
        assert spec["because"] == "policy default: a rule says ask for execute_command"
        assert approval["metadata"]["ownerReferences"][0]["uid"] == run["metadata"]["uid"]
        now = await plane.until(run, lambda now: condition(now) == "True")
        assert phase_of(now) == "Running"
        await decide(plane, approval, "Approved", comment="go")
        ended = await plane.ended(run)
        assert (phase_of(ended), status_of(ended)["result"], condition(ended)) == ("Succeeded", "It said hello.", "False")
        assert "hello" in told(model)
        assert len(await plane.journal(run, "tool.requested")) == 1
        decided = await plane.client.get(TOOL_APPROVAL, "default", approval["metadata"]["name"])
        assert (decided["status"]["phase"], decided["spec"]["comment"]) == ("Approved", "go")
        assert decided["spec"]["decidedBy"]["username"] == run["spec"]["requestedBy"]["username"]
        assert decided["spec"]["decidedAt"]
        reasons = [event["reason"] for event in await plane.events(run)]
        assert reasons.index("ApprovalRequested") < reasons.index("Approved")
        with pytest.raises(ApiError, match="was made already"):
            await decide(plane, approval, "Denied")
        await plane.delete(run)
        await plane.deleted(run)
        async with asyncio.timeout(10):
            while (await plane.client.list(TOOL_APPROVAL, "default")).items:  # noqa: ASYNC110  the garbage is collected a moment later
                await asyncio.sleep(0.01)


async def test_denied_the_model_is_told_and_the_run_goes_on(open_plane: OpenPlane, model: OpenAIServer, data_dir: Path) -> None:
    model.script = turns(Answer("", (command("rm -rf /"),)), Answer("Then not."))
    async with open_plane() as plane:
        await furnish(plane, model, policy="default")
        run = await plane.run("clean up")
        name = (await waiting(plane, run))["metadata"]["name"]
        code, listed, _ = await sympozium("approvals", "list", data_dir=data_dir)
        assert code == 0
        assert name in listed
        assert "Pending" in listed
        code, shown, _ = await sympozium("approvals", "show", name, data_dir=data_dir)
        assert "command: rm -rf /" in shown
        code, said, error = await sympozium("deny", name, "--comment", "not on a Friday", data_dir=data_dir)
        assert (code, said) == (0, f"toolapproval/{name} denied: execute_command of run {run['metadata']['name']}\n"), error
        ended = await plane.ended(run)
        assert (phase_of(ended), status_of(ended)["result"]) == ("Succeeded", "Then not.")
        assert "not on a Friday" in told(model)
        assert not await plane.journal(run, "tool.requested")


@pytest.mark.parametrize(("action", "says"), [("deny", "nobody decided in time"), ("allow", "hello")])
async def test_nobody_decides(open_plane: OpenPlane, model: OpenAIServer, action: str, says: str) -> None:
    model.script = turns(Answer("", (command("echo hello"),)), Answer("Done."))
    async with open_plane() as plane:
        await plane.apply(asking(timeout="1s", onTimeout=action))
        await furnish(plane, model, policy="asking")
        run = await plane.run("say hello")
        approval = await waiting(plane, run)
        ended = await plane.ended(run)
        assert phase_of(ended) == "Succeeded"
        assert says in told(model)
        with pytest.raises(Forbidden, match="comes too late"):
            await decide(plane, approval, "Approved")
        assert await plane.told(run, "ApprovalTimeout")


async def test_a_run_whose_time_is_over_while_it_waits_says_so(open_plane: OpenPlane, model: OpenAIServer) -> None:
    model.script = turns(Answer("", (command("echo hello"),)), Answer("never"))
    async with open_plane() as plane:
        await furnish(plane, model, policy="default")
        run = await plane.run("say hello", timeout="3s")
        ended = await plane.ended(run)
        status = status_of(ended)
        assert (status["phase"], status["reason"]) == ("Failed", "ApprovalTimeout"), status
        assert "waited for approval of execute_command" in status["message"]


async def test_cancelled_while_it_waits(open_plane: OpenPlane, model: OpenAIServer) -> None:
    model.script = turns(Answer("", (command("echo hello"),)), Answer("never"))
    async with open_plane() as plane:
        await furnish(plane, model, policy="default")
        run = await plane.run("say hello")
        approval = await waiting(plane, run)
        await plane.cancel(run)
        ended = await plane.ended(run)
        assert phase_of(ended) == "Cancelled"
        with pytest.raises(Forbidden, match="comes too late"):
            await decide(plane, approval, "Approved")
        found = await plane.client.get(TOOL_APPROVAL, "default", approval["metadata"]["name"])
        assert found["status"]["phase"] == "Withdrawn"


async def test_several_wait_and_each_is_decided_by_itself(open_plane: OpenPlane, model: OpenAIServer) -> None:
    calls = tuple(command(f"echo {word}") for word in ("one", "two", "three"))
    model.script = turns(Answer("", calls), Answer("Done."))
    async with open_plane() as plane:
        await furnish(plane, model, policy="default")
        run = await plane.run("say it")
        async with asyncio.timeout(10):
            while len(found := (await plane.client.list(TOOL_APPROVAL, "default")).items) < 3:  # noqa: ASYNC110  the store is what is looked at
                await asyncio.sleep(0.01)
        for approval in found:
            await decide(plane, approval, "Denied" if "two" in str(approval["spec"]["arguments"]) else "Approved")
        assert phase_of(await plane.ended(run)) == "Succeeded"
        one, two, three = results(model.requests[-1])
        assert ("one" in one, "was denied" in two, "three" in three) == (True, True, True)


async def test_who_asked_may_not_decide_where_the_policy_says_so(open_plane: OpenPlane, model: OpenAIServer) -> None:
    model.script = turns(Answer("", (command("echo hello"),)), Answer("Done."))
    async with open_plane() as plane:
        await plane.apply(asking(allowSelfApproval=False))
        await furnish(plane, model, policy="asking")
        run = await plane.run("say hello")
        approval = await waiting(plane, run)
        with pytest.raises(Forbidden, match="asked for the run"):
            await decide(plane, approval, "Approved")
        with pytest.raises(Invalid, match="cannot be changed"):
            await decide(plane, approval, "Approved", selfApproval=True)
        await plane.cancel(run)
        await plane.ended(run)


async def test_forged_approvals_are_none(open_plane: OpenPlane, model: OpenAIServer) -> None:
    model.script = turns(Answer("", (command("echo hello"),)), Answer("Done."))
    async with open_plane() as plane:
        await furnish(plane, model, policy="default")
        run = await plane.run("say hello")
        approval = await waiting(plane, run)
        forged = {**approval, "metadata": {"name": "forged", "namespace": "default"}}
        with pytest.raises(Forbidden, match="made by the controller alone"):
            await plane.client.create(TOOL_APPROVAL, forged)
        with pytest.raises(Forbidden, match="only the controller may write a status"):
            await plane.client.patch(
                TOOL_APPROVAL, "default", approval["metadata"]["name"], {"status": {"phase": "Approved"}}, subresource="status"
            )
        name = approval["metadata"]["name"]
        with pytest.raises(Forbidden, match="is missing"):
            await plane.client.patch(TOOL_APPROVAL, "default", name, {"spec": {"decidedBy": {"username": "root"}}})
        decided = await decide(plane, approval, "Denied", decidedBy={"username": "root"}, decidedAt="2001-01-01T00:00:00Z")
        assert decided["spec"]["decidedBy"]["username"] == run["spec"]["requestedBy"]["username"]
        assert not decided["spec"]["decidedAt"].startswith("2001")
        await plane.ended(run)


async def test_an_approval_that_is_deleted_denies(open_plane: OpenPlane, model: OpenAIServer) -> None:
    model.script = turns(Answer("", (command("echo hello"),)), Answer("Done."))
    async with open_plane() as plane:
        await furnish(plane, model, policy="default")
        run = await plane.run("say hello")
        approval = await waiting(plane, run)
        await plane.client.delete(TOOL_APPROVAL, "default", approval["metadata"]["name"])
        assert phase_of(await plane.ended(run)) == "Succeeded"
        assert "its ToolApproval was deleted" in told(model)


async def test_the_command_that_runs_it_says_how_to_decide_and_another_one_does(
    data_dir: Path, model: OpenAIServer, sandbox: str
) -> None:
    """No server: `sympozium run` holds the data directory, and is asked by whoever decides."""
    model.script = turns(Answer("", (command("echo hello"),)), Answer("It said hello."))
    async with embedded.in_process(EmbeddedSettings(data_dir, sandbox)) as plane:
        await furnish(plane, model, policy="default")
    words = (*COMMAND, "run", "say hello", "--instance", "agent", "--name", "say", "--data-dir", str(data_dir))
    running = await asyncio.create_subprocess_exec(*words, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT)
    assert running.stdout is not None
    shown = ""
    async with asyncio.timeout(30):
        while "sympozium approve" not in shown:
            line = (await running.stdout.readline()).decode()
            assert line, shown
            shown += line
    assert 'execute_command command="echo hello" waits for approval: policy default' in shown
    name = shown.rpartition("sympozium approve ")[2].partition(",")[0]
    code, said, error = await sympozium("approve", name, "--comment", "go", data_dir=data_dir)
    assert (code, said) == (0, f"toolapproval/{name} approved: execute_command of run say\n"), error
    rest, _ = await running.communicate()
    assert running.returncode == 0, rest
    assert b"(approved by " in rest
    code, _, error = await sympozium("deny", name, data_dir=data_dir)
    assert code == 5
    assert "was made already" in error


async def test_what_an_agent_writes_about_approvals_is_nothing(
    open_plane: OpenPlane, model: OpenAIServer, data_dir: Path
) -> None:
    """From where the agent stands: its volume, with answers that it makes up, and files where it hopes that somebody reads them."""
    model.script = turns(Answer("", (command("touch /workspace/ran"),)), Answer("Done."))
    async with open_plane() as plane:
        await furnish(plane, model, policy="default")
        run = await plane.run("try")
        approval = await waiting(plane, run)
        entry = await plane.entry(run, "tool.waiting")
        now = await plane.now(run)
        agent = leftovers.folder_of(now, data_dir) / "volumes/agent"
        forged = json.dumps({"outcome": "approved", "allows": True, "by": "root", "comment": ""})
        for place in (
            "input/approval.json",
            "control/approve",
            f"approvals/{entry['call']}.json",
            f"tools/shell/approvals/{entry['call']}.json",
        ):
            (agent / place).parent.mkdir(parents=True, exist_ok=True)
            (agent / place).write_text(forged)
        request = {
            "id": entry["call"],
            "tool": "execute_command",
            "arguments": {"command": "touch /workspace/other"},
            "approved": True,
        }
        (agent / "tools/shell/requests/.next").write_text(json.dumps(request))
        (agent / "tools/shell/requests/.next").rename(agent / f"tools/shell/requests/{entry['call']}.json")
        await plane.entry(run, "problem", where=lambda entry: "has been used" in entry["what"])
        assert (await plane.client.get(TOOL_APPROVAL, "default", approval["metadata"]["name"]))["spec"] == approval["spec"]
        assert not await plane.journal(run, "tool.requested")
        await decide(plane, approval, "Approved")
        assert phase_of(await plane.ended(run)) == "Succeeded"
        [ran] = await plane.journal(run, "tool.requested")
        assert ran["arguments"] == {"command": "touch /workspace/ran"}
