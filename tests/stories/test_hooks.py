"""Lifecycle hooks around a run: their order, what they share, how they end it, and that they cannot change what the agent did."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from sympozium_core.contracts.cluster import ApiError
from sympozium_core.resources import kinds
from sympozium_core.testing import leftovers
from sympozium_core.testing.conversations import command, turns
from sympozium_core.testing.embedded import OpenPlane, Plane, furnish, phase_of, status_of, sympozium
from sympozium_core.testing.servers.openai import OpenAIServer
from sympozium_core.testing.servers.script import Answer, Fault

LIMITS = {"startedAt", "finishedAt"}


@pytest.fixture
def sandbox() -> str:
    return "bubblewrap"


@pytest.fixture
async def plane(open_plane: OpenPlane, model: OpenAIServer) -> AsyncIterator[Plane]:
    async with open_plane() as opened:
        await furnish(opened, model)
        yield opened


def hook(name: str, script: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "image": "example.com/hook:1", "command": ["sh", "-c", script], **more}


def told(run: dict[str, Any]) -> list[tuple[Any, ...]]:
    return [(each["phase"], each["name"], each["state"], each.get("exitCode")) for each in status_of(run).get("hooks") or ()]


def condition(run: dict[str, Any], type: str) -> dict[str, Any]:
    found = [each for each in status_of(run).get("conditions") or () if each["type"] == type]
    return found[0] if found else {}


async def test_hooks_share_the_workspace_in_their_order(plane: Plane, model: OpenAIServer, data_dir: Path) -> None:
    model.script = turns(Answer("", (command("cat story; echo agent >>story"),)), Answer("Done."))
    run = await plane.run(
        "go",
        lifecycle={
            "preRun": [hook("first", "echo first >>story"), hook("second", "cat story; echo second >>story; umask >&2")],
            "postRun": [
                hook("third", 'cat story; [ "$(cat story)" = "$(printf "first\\nsecond\\nagent")" ]'),
                hook("last", "true"),
            ],
        },
    )
    ended = await plane.ended(run)
    assert (phase_of(ended), status_of(ended)["result"]) == ("Succeeded", "Done.")
    assert told(ended) == [
        ("preRun", "first", "Succeeded", 0),
        ("preRun", "second", "Succeeded", 0),
        ("postRun", "third", "Succeeded", 0),
        ("postRun", "last", "Succeeded", 0),
    ], status_of(ended)
    assert all(each.keys() >= LIMITS for each in status_of(ended)["hooks"])
    assert "first\nsecond" in model.requests[-1].body["messages"][-1]["content"]
    assert (condition(ended, "PreRun")["status"], condition(ended, "PostRun")["status"]) == ("True", "True")
    assert "outcome" not in status_of(ended)
    journal = [
        (entry["type"], entry.get("name"), entry.get("state"))
        for entry in await plane.journal(run, "hook", "attempt", "result", "ended")
    ]
    assert journal == [
        ("hook", "first", "Starting"),
        ("hook", "first", "Succeeded"),
        ("hook", "second", "Starting"),
        ("hook", "second", "Succeeded"),
        ("attempt", None, None),
        ("result", None, None),
        ("hook", "third", "Starting"),
        ("hook", "third", "Succeeded"),
        ("hook", "last", "Starting"),
        ("hook", "last", "Succeeded"),
        ("ended", None, None),
    ]
    await leftovers.gone(ended, data_dir)


async def test_the_result_is_told_when_the_last_hook_has_ended(plane: Plane, model: OpenAIServer) -> None:
    model.script = turns(Answer("Done."))
    run = await plane.run("go", lifecycle={"postRun": [hook("wait", "until [ -e go ]; do sleep 0.05; done")]})
    now = await plane.until(run, lambda now: told(now) == [("postRun", "wait", "Running", None)])
    assert phase_of(now) == "Running"
    assert "result" not in status_of(now)
    assert condition(now, "PostRun")["message"] == "hook 'wait', 1 of 1"
    folder = next(plane.data_dir.glob("pods/*/*-post-1/workspace"))
    (folder / "go").touch()
    assert status_of(await plane.ended(run))["result"] == "Done."


async def test_what_a_hook_is_told(plane: Plane, model: OpenAIServer) -> None:
    model.script = turns(Answer("It's $HOME \u0000 done."))
    show = 'for n in AGENT_RUN_ID AGENT_RUN_NAME AGENT_NAMESPACE INSTANCE_NAME HOOK_NAME HOOK_PHASE MINE AGENT_PHASE AGENT_REASON AGENT_EXIT_CODE AGENT_RESULT; do eval "printf \'%s;\' \\"\\$$n\\"" >&2; done; exit 3'
    run = await plane.run(
        "go", name="told", lifecycle={"postRun": [hook("tell", show, env=[{"name": "MINE", "value": "$(x) y"}])]}
    )
    ended = await plane.ended(run)
    (entry,) = status_of(ended)["hooks"]
    uid = run["metadata"]["uid"]
    expected = f"{uid};told;default;agent;tell;postRun;$(x) y;Succeeded;Completed;0;It's $HOME  done.;"
    assert entry["message"] == f"ended with exit code 3: {expected}"
    # The agent's own environment has none of it.
    assert not await plane.journal(run, "problem")


async def test_a_hook_can_end_the_run_as_skipped(plane: Plane, model: OpenAIServer, data_dir: Path) -> None:
    run = await plane.run(
        "go",
        lifecycle={
            "preRun": [hook("look", 'echo "Nothing has changed." >/ipc/control/skip'), hook("never", "true")],
            "postRun": [hook("after", "true")],
        },
    )
    ended = await plane.ended(run)
    status = status_of(ended)
    assert (phase_of(ended), status["reason"]) == ("Succeeded", "Completed")
    assert status["message"] == "skipped by preRun hook 'look': Nothing has changed."
    assert "error" not in status
    assert (condition(ended, "Skipped")["status"], condition(ended, "Skipped")["message"]) == ("True", status["message"])
    assert told(ended) == [
        ("preRun", "look", "Succeeded", 0),
        ("preRun", "never", "Skipped", None),
        ("postRun", "after", "Skipped", None),
    ]
    assert not model.requests
    assert not await plane.journal(run, "attempt"), "no pod of an agent"
    await leftovers.gone(ended, data_dir)


@pytest.mark.parametrize(
    ("script", "reason", "message", "code"),
    [
        ("echo first >&2; echo 'no such host' >&2; exit 4", "ToolError", "ended with exit code 4: no such host", 4),
        ("kill -TERM $$", "ToolError", "ended with ", None),
        ("echo skip >/ipc/control/skip; exit 1", "ToolError", "ended with exit code 1", 1),
    ],
)
async def test_a_hook_that_fails_ends_the_run(
    plane: Plane, model: OpenAIServer, data_dir: Path, script: str, reason: str, message: str, code: int | None
) -> None:
    run = await plane.run(
        "go",
        lifecycle={
            "preRun": [hook("fetch", f"touch made; {script}"), hook("never", "true")],
            "postRun": [hook("tidy", '[ -e made ] && [ "$AGENT_PHASE $AGENT_EXIT_CODE" = "Failed 1" ]')],
        },
    )
    ended = await plane.ended(run)
    status = status_of(ended)
    assert (phase_of(ended), status["reason"]) == ("Failed", reason)
    assert status["message"].startswith(f"preRun hook 'fetch' {message}")
    assert not model.requests
    states = [each[2] for each in told(ended)]
    assert states == ["Failed", "Skipped", "Succeeded"], status["hooks"]
    if code is not None:
        assert status["hooks"][0]["exitCode"] == code
    assert (await plane.told(run, "HookFailed"))[0].startswith(f"preRun hook 'fetch' {message}")
    await leftovers.gone(ended, data_dir)


@pytest.mark.parametrize("sandbox", ["process", "bubblewrap"])
async def test_a_program_that_is_not_there(plane: Plane, model: OpenAIServer) -> None:
    missing = {"name": "gone", "image": "x:1", "command": ["/usr/bin/no-such-program"]}
    ended = await plane.ended(await plane.run("go", lifecycle={"preRun": [missing], "postRun": [hook("after", "true")]}))
    assert phase_of(ended) == "Failed"
    assert "no-such-program" in status_of(ended)["message"]
    assert told(ended)[1][2] == "Succeeded"
    assert not model.requests


async def test_a_hook_that_takes_too_long(plane: Plane, model: OpenAIServer, data_dir: Path) -> None:
    begun = time.monotonic()
    ended = await plane.ended(await plane.run("go", lifecycle={"preRun": [hook("slow", "sleep 60", timeout="1s")]}))
    assert 1 <= time.monotonic() - begun < 15
    assert (phase_of(ended), status_of(ended)["reason"]) == ("Failed", "Timeout")
    assert status_of(ended)["message"] == "preRun hook 'slow' did not end within its timeout of 1 s"
    assert not model.requests
    await leftovers.gone(ended, data_dir)


async def test_the_time_of_the_run_is_the_agents_own(plane: Plane, model: OpenAIServer) -> None:
    model.script = turns(Answer("Done."))
    hooks = {"preRun": [hook("long", "sleep 3")], "postRun": [hook("long", "sleep 3")]}
    ended = await plane.ended(await plane.run("go", timeout="2s", lifecycle=hooks))
    assert (phase_of(ended), status_of(ended)["result"]) == ("Succeeded", "Done."), status_of(ended)
    assert status_of(ended)["tokenUsage"]["durationMs"] < 2500


@pytest.mark.parametrize("how", ["cancel", "delete"])
@pytest.mark.parametrize("phase", ["preRun", "postRun"])
async def test_a_running_hook_ends_with_its_run(
    plane: Plane, model: OpenAIServer, data_dir: Path, phase: str, how: str
) -> None:
    model.script = turns(Answer("Done."))
    hooks = {phase: [hook("stubborn", "trap '' TERM; sleep 60"), hook("next", "true")]}
    run = await plane.run("go", lifecycle=hooks)
    now = await plane.until(run, lambda now: told(now) and told(now)[0][2] == "Running")
    begun = time.monotonic()
    if how == "delete":
        await plane.delete(run)
        await plane.deleted(run)
    else:
        await plane.cancel(run)
        ended = await plane.ended(run)
        # What the agent has done stands; what it has not begun never begins.
        assert phase_of(ended) == ("Cancelled" if phase == "preRun" else "Succeeded")
        assert [each[2] for each in told(ended)] == ["Failed", "Skipped"]
        if phase == "postRun":
            assert status_of(ended)["result"] == "Done."
    assert time.monotonic() - begun < 10
    await leftovers.gone(now, data_dir)


async def test_a_cancelled_agent_has_no_hooks_after_it(plane: Plane, model: OpenAIServer, data_dir: Path) -> None:
    model.script = turns(Answer("", (command("sleep 60", timeout=100),)))
    run = await plane.run("go", lifecycle={"postRun": [hook("after", "true")]})
    await plane.entry(run, "tool.requested")
    await plane.cancel(run)
    ended = await plane.ended(run)
    assert phase_of(ended) == "Cancelled"
    assert told(ended) == [("postRun", "after", "Skipped", None)]
    await leftovers.gone(ended, data_dir)


async def test_hooks_run_after_an_agent_that_failed(plane: Plane, model: OpenAIServer) -> None:
    model.script = turns(Answer("", fault=Fault("status", status=401)))
    script = '[ "$AGENT_PHASE $AGENT_REASON $AGENT_EXIT_CODE" = "Failed ModelError 1" ] || { env >&2; exit 9; }'
    ended = await plane.ended(await plane.run("go", lifecycle={"postRun": [hook("report", script)]}))
    assert (phase_of(ended), status_of(ended)["reason"]) == ("Failed", "ModelError")
    assert told(ended) == [("postRun", "report", "Succeeded", 0)], status_of(ended)["hooks"]


async def test_a_failed_hook_after_the_agent_changes_nothing(plane: Plane, model: OpenAIServer) -> None:
    model.script = turns(Answer("Done."))
    run = await plane.run(
        "go",
        lifecycle={
            "postRun": [
                hook("report", "echo 'no route' >&2; exit 2"),
                hook("slow", "sleep 60", timeout="1s"),
                hook("tidy", "true"),
            ]
        },
    )
    ended = await plane.ended(run)
    assert (phase_of(ended), status_of(ended)["reason"], status_of(ended)["result"]) == ("Succeeded", "Completed", "Done.")
    failed = condition(ended, "PostRunFailed")
    assert (failed["status"], failed["reason"]) == ("True", "ToolError")
    assert failed["message"] == "hook 'report' ended with exit code 2: no route"
    assert [each[2] for each in told(ended)] == ["Failed", "Failed", "Succeeded"]
    assert len(await plane.told(run, "HookFailed", 2)) == 2


async def test_a_retry_of_the_agent_repeats_no_hook(plane: Plane, model: OpenAIServer, data_dir: Path) -> None:
    model.script = turns(
        Answer("", (command("echo agent >>story; until [ -e go ]; do sleep 0.05; done"),)),
        Answer("", (command("cat story"),)),
        Answer("Done."),
    )
    run = await plane.run(
        "go", lifecycle={"preRun": [hook("once", "echo once >>story")], "postRun": [hook("count", "cat story >&2; exit 1")]}
    )
    await plane.entry(run, "tool.requested")
    now = await plane.now(run)
    runner = [each for each in leftovers.of_run(now, "agent") if each.runs_module("sympozium_core.runner")][-1]
    os.kill(runner.pid, signal.SIGKILL)
    await plane.until(run, lambda now: status_of(now).get("attempt") == 2)
    workspace = data_dir / "pods/bubblewrap" / f"run-{run['metadata']['uid']}-2" / "workspace"
    await leftovers.wait_for(workspace.is_dir, "the second attempt has the workspace")
    (workspace / "go").touch()
    ended = await plane.ended(run)
    assert phase_of(ended) == "Succeeded", status_of(ended)
    assert len(await plane.journal(run, "hook")) == 4
    await leftovers.gone(ended, data_dir)


async def test_the_instances_hooks_and_the_runs_own(plane: Plane, model: OpenAIServer) -> None:
    model.script = turns(Answer("Done."))
    lifecycle = {"preRun": [{"name": "image", "image": "example.com/hook:1"}]}
    patch = {"spec": {"agents": {"default": {"lifecycle": lifecycle}}}}
    await plane.client.patch(kinds.SYMPOZIUM_INSTANCE, plane.namespace, "agent", patch)
    assert any(
        "the instance's agents.default.lifecycle.preRun[0].command" in each and "runs are refused" in each
        for each in plane.warnings
    )
    with pytest.raises(ApiError, match=r"agents.default.lifecycle.preRun\[0\].command: hook 'image' is only an image"):
        await plane.run("go")
    ended = await plane.ended(await plane.run("go", lifecycle={"preRun": [hook("own", "true")]}))
    assert told(ended) == [("preRun", "own", "Succeeded", 0)]
    assert any("their images are not used: example.com/hook:1" in each for each in await plane.told(ended, "NotProvided", 2))


async def test_what_cannot_be_is_refused_at_once(plane: Plane) -> None:
    rule = {"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}
    with pytest.raises(ApiError, match=r"spec.lifecycle.rbac: sandbox 'bubblewrap' has no Kubernetes identities"):
        await plane.run("go", lifecycle={"preRun": [hook("a", "true")], "rbac": [rule]})
    with pytest.raises(ApiError, match=r"spec.lifecycle.preRun\[0\].env\[0\].name: AGENT_RESULT is Sympozium's own"):
        await plane.run("go", lifecycle={"preRun": [hook("a", "true", env=[{"name": "AGENT_RESULT", "value": "x"}])]})


async def test_a_hook_is_as_walled_as_an_agent(plane: Plane, model: OpenAIServer, data_dir: Path) -> None:
    """No network, no credential, no other volume than its own and the workspace; the root cannot be written."""
    script = (
        "touch /usr/x 2>/dev/null && exit 11; [ -e /ipc/input ] && exit 12; [ -e /skills ] && exit 13; "
        "python3 -c \"import socket; socket.create_connection(('127.0.0.1', 9), 1)\" 2>/dev/null && exit 14; "
        f'[ -e "{data_dir}" ] && exit 15; [ "$(id -u)" = 1000 ] || exit 16; env | grep -i token && exit 17; exit 0'
    )
    model.script = turns(Answer("Done."))
    ended = await plane.ended(await plane.run("go", lifecycle={"preRun": [hook("peek", script)]}))
    assert phase_of(ended) == "Succeeded", status_of(ended)


async def test_sympozium_run_shows_hooks(plane: Plane, model: OpenAIServer, data_dir: Path, tmp_path: Path) -> None:
    model.script = turns(Answer("Done."))
    patch = {
        "spec": {
            "agents": {
                "default": {
                    "lifecycle": {"preRun": [hook("fetch", "true")], "postRun": [hook("report", "echo no >&2; exit 1")]}
                }
            }
        }
    }
    await plane.client.patch(kinds.SYMPOZIUM_INSTANCE, plane.namespace, "agent", patch)
    code, out, _ = await sympozium("run", "go", "--instance", "agent", "--name", "shown", data_dir=data_dir)
    assert code == 0
    assert "hook   preRun fetch succeeded" in out, out
    assert "hook   postRun report failed: ended with exit code 1: no" in out
    await plane.told(await plane.client.get(kinds.AGENT_RUN, plane.namespace, "shown"), "HookFailed")
    code, out, _ = await sympozium("describe", "run", "shown", data_dir=data_dir)
    assert code == 0
    for text in ("hooks:", "name: report", "state: Failed", "PostRunFailed", "HookFailed"):
        assert text in out, out
