"""What the bridge hands to containers from the plan: Kubernetes tokens for sidecars, instructions for the model. Real processes and bus."""

from __future__ import annotations

import asyncio
import json
import stat
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from sympozium_core.bridge.credentials import Credentials, Wanted
from sympozium_core.bus import subjects
from sympozium_core.bus.calls import CallRequest, serve
from sympozium_core.contracts.plan import AccessRule, Container, Identity, Limits, PodPlan, SkillText, ToolServer
from sympozium_core.errors import Permanent, Temporary
from sympozium_core.ipc.files import Root

TOKEN = "eyJ-a-token-that-nobody-else-may-see"


class Issuer:
    """The controller's side: gives tokens that are numbered, or raises what `failure` says."""

    def __init__(self, containers: tuple[str, ...] = ("skill-k8s-ops",), lifetime: float = 3600.0) -> None:
        self.containers, self.lifetime = containers, lifetime
        self.asked: list[Any] = []
        self.open = asyncio.Event()
        self.open.set()
        self.failure: Callable[[int], Exception | None] = lambda count: None

    async def handle(self, request: CallRequest) -> AsyncIterator[bytes]:
        self.asked.append(json.loads(request.data))
        if error := self.failure(len(self.asked)):
            raise error
        await self.open.wait()
        given = {
            "token": f"{TOKEN}-{len(self.asked)}",
            "expires": time.time() + self.lifetime,
            "namespace": "team",
            "ca": "-----BEGIN CERTIFICATE-----\n",
        }
        yield json.dumps(dict.fromkeys(self.containers, given)).encode()


@pytest.fixture
async def issuer(world: Any) -> AsyncIterator[Issuer]:
    issuer = Issuer()
    server = await serve(world.bus, subjects.request("*", subjects.CREDENTIALS), issuer.handle, queue="controller")
    yield issuer
    await server.close()


@pytest.fixture
def rights(world: Any) -> None:
    """The plan has a skill with rights, and a shell without."""
    world.plan = world.make_plan(
        servers=(ToolServer("shell"), ToolServer("k8s-ops")),
        identities=(Identity("k8s-ops", (AccessRule(("",), ("pods",), ("get",)),), namespaces=("team",)),),
        pod=PodPlan(
            (
                Container("bridge", "bridge"),
                Container("agent", "agent"),
                Container("skill-shell", "skill"),
                Container("skill-k8s-ops", "skill", kubernetes=True),
            )
        ),
    )


async def started(world: Any, **environment: str) -> tuple[Any, Path]:
    pod = world.pod()
    folder = pod.path / "credentials"
    folder.mkdir()
    for server in world.plan.servers:
        pod.serve(server.name, "execute_command")
    await pod.bridge(SYMPOZIUM_CREDENTIALS=str(folder), **environment)
    return pod, folder


async def test_each_sidecar_with_rights_gets_its_token_before_the_agent_starts(
    world: Any, issuer: Issuer, rights: None
) -> None:
    issuer.open.clear()
    pod, folder = await started(world)
    await world.entry("started")
    assert not (pod.agent / "input/task.json").exists()
    issuer.open.set()
    await pod.task()
    assert issuer.asked == [{"pod": pod.id}]
    given = folder / "skill-k8s-ops"
    assert {path.name: path.read_text() for path in given.iterdir()} == {
        "token": f"{TOKEN}-1",
        "namespace": "team",
        "ca.crt": "-----BEGIN CERTIFICATE-----\n",
    }
    assert {stat.S_IMODE(path.stat().st_mode) for path in given.iterdir()} == {0o640}
    assert [path.name for path in folder.iterdir()] == ["skill-k8s-ops"]
    pod.finish()
    await world.entry("result")
    assert TOKEN not in json.dumps(await world.journal()) + pod.log()


async def test_a_token_is_renewed_in_time_and_stays_whole(world: Any, issuer: Issuer, rights: None) -> None:
    issuer.lifetime = 1.5
    pod, folder = await started(world)
    await pod.task()
    token = folder / "skill-k8s-ops/token"
    await world.until(lambda: len(issuer.asked) >= 2 and token.read_text() == f"{TOKEN}-2")
    assert TOKEN not in pod.log()


async def test_a_token_that_outlives_the_run_is_not_asked_again(world: Any, issuer: Issuer, tmp_path: Path) -> None:
    wanted = Wanted("pod-1", frozenset({"skill-k8s-ops"}), until=time.time() + 3000)
    credentials = Credentials(world.bus, world.plan.uid, wanted, tmp_path)
    await credentials.fetch()
    await asyncio.wait_for(credentials.keep(), 5)
    assert len(issuer.asked) == 1


async def test_a_controller_that_is_away_for_a_moment_is_waited_for(world: Any, issuer: Issuer, rights: None) -> None:
    issuer.failure = lambda count: Temporary("the API server is away", after=0.05) if count < 3 else None
    pod, folder = await started(world)
    await pod.task()
    assert (folder / "skill-k8s-ops/token").read_text() == f"{TOKEN}-3"


@pytest.mark.parametrize(
    ("failure", "containers", "said"),
    [
        (Permanent("the run's identities are not there"), (), "identities are not there"),
        (None, ("skill-other",), "no token for skill-k8s-ops"),
    ],
)
async def test_without_its_token_no_agent_starts(
    world: Any, issuer: Issuer, rights: None, failure: Exception | None, containers: tuple[str, ...], said: str
) -> None:
    issuer.failure, issuer.containers = lambda count: failure, containers
    pod, _ = await started(world)
    assert await asyncio.wait_for(pod.processes[0].wait(), 20) == 1
    assert said in pod.log()
    assert not (pod.agent / "input/task.json").exists()


async def test_a_runtime_that_hands_over_no_tokens_says_so(world: Any, rights: None) -> None:
    pod = world.pod()
    for server in world.plan.servers:
        pod.serve(server.name, "execute_command")
    bridge = await pod.bridge()
    assert await asyncio.wait_for(bridge.wait(), 20) == 1
    assert "hands over no tokens" in pod.log()


async def test_instructions_are_there_before_the_agent_starts(world: Any) -> None:
    texts = (SkillText("k8s-ops", "overview", "d", "# Überblick\n"), SkillText("k8s-ops", "pods", "d", "# Pods"))
    world.plan = world.make_plan(servers=(), pod=PodPlan((), skills=texts))
    pod = world.pod()
    await pod.bridge(SYMPOZIUM_SKILLS=str(pod.path / "skills"))
    task = await pod.task()
    for skill, content in zip(task["skills"], ("# Überblick\n", "# Pods"), strict=True):
        assert (pod.path / skill["path"].removeprefix("/")).read_text("utf-8") == content


@pytest.mark.parametrize("name", ["../escape", "a/b", "..", ""])
async def test_no_instruction_leaves_its_folder(world: Any, name: str) -> None:
    world.plan = world.make_plan(servers=(), pod=PodPlan((), skills=(SkillText(name, "x", "d", "c"),)))
    pod = world.pod()
    bridge = await pod.bridge(SYMPOZIUM_SKILLS=str(pod.path / "skills"))
    expected = 0 if name == "a/b" else 1
    if expected:
        assert await asyncio.wait_for(bridge.wait(), 20) == expected
        assert not (pod.agent / "input/task.json").exists()
    else:  # a folder within the folder is no way out
        await pod.task()
    with Root(pod.path) as root:
        assert set(root.names()) <= {"credential.json", "volumes", "workspace", "tmp", "skills", "bridge.log"}


@pytest.mark.parametrize(("workspace", "lost"), [("kept", False), ("lost", True)])
async def test_a_later_attempt_learns_what_became_of_its_workspace(world: Any, workspace: str, lost: bool) -> None:
    first = world.pod("pod-1")
    world.provider.respond = lambda body: world.tool_chunks(("call_a", "execute_command", {"command": "make"}))
    first.serve("shell", "execute_command", run=lambda request: None)
    await first.bridge()
    await first.runner()
    await world.entry("tool.requested")
    await first.kill()
    world.attempt, world.workspace = 2, workspace
    seen: list[Any] = []

    def respond(body: Any) -> Any:
        seen.append(body["messages"])
        return world.text_chunks("done")

    world.provider.respond = respond
    second = world.pod("pod-2")
    second.serve("shell", "execute_command")
    await second.bridge()
    await second.runner()
    assert (await second.task())["resume"]["workspaceLost"] is lost
    assert (await world.entry("result"))["status"] == "success"
    told = [message for message in seen[0] if message["role"] == "user" and "/workspace is empty" in message["content"]]
    assert len(told) == lost
    assert [message["role"] for message in seen[0]][-2 if lost else -1] == "tool"


async def test_a_program_that_begins_again_is_not_told_of_earlier_attempts(world: Any) -> None:
    """It asks what it asked before, and what is on record is neither asked nor counted again."""
    world.plan = world.make_plan(resumes=False, limits=Limits(max_turns=2))
    asked: list[Any] = []

    def respond(body: Any) -> Any:
        asked.append(body["messages"])
        call = ("call_a", "execute_command", {"command": "make"})
        return world.tool_chunks(call) if len(asked) == 1 else world.text_chunks("done")

    world.provider.respond = respond
    first = world.pod("pod-1")
    first.serve("shell", "execute_command", run=lambda request: None)
    await first.bridge()
    await first.runner()
    await world.entry("tool.requested")
    await first.kill()
    world.attempt = 2
    second = world.pod("pod-2")
    second.serve("shell", "execute_command")
    await second.bridge()
    await second.runner()
    assert (await second.task())["resume"] is None
    assert (await world.entry("result"))["status"] == "success"
    assert len(asked) == 2
    assert asked[1][-1]["content"].startswith("Outcome unknown")
    assert len(await world.entries("tool.requested")) == 1
