"""How a bridge finds its bus on a cluster: a real bridge process, a real nats-server with TLS, and the control plane that lets it in."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from sympozium_core import names
from sympozium_core.bridge.__main__ import FAILED, main
from sympozium_core.bus import subjects
from sympozium_core.bus.appending import serve_appends
from sympozium_core.bus.callout import BusUser
from sympozium_core.bus.calls import CallRequest, serve
from sympozium_core.bus.jetstream import JetStreamBus
from sympozium_core.errors import Permanent
from sympozium_core.testing.nats_installation import NatsInstallation

UID, POD = "3f1c", "run-3f1c-1"


@pytest.fixture
async def installation(tmp_path: Path) -> AsyncIterator[NatsInstallation]:
    installation = NatsInstallation(tmp_path / "nats")
    installation.start()
    yield installation
    installation.stop()


@pytest.fixture
async def controller(installation: NatsInstallation) -> AsyncIterator[JetStreamBus]:
    bus = await installation.controller()
    yield bus
    await bus.close()


@pytest.fixture
def environment(installation: NatsInstallation, tmp_path: Path) -> Mapping[str, str]:
    (tmp_path / "volumes" / "agent").mkdir(parents=True)
    return {
        names.ENV_BUS_ADDRESS: installation.url,
        names.ENV_BUS_TOKEN_FILE: str(installation.token_file(POD, "right")),
        names.ENV_BUS_CA_FILE: str(installation.ca_file),
        names.ENV_POD: POD,
        names.ENV_VOLUMES: str(tmp_path / "volumes"),
    }


async def test_it_asks_for_its_run_as_the_pod_that_its_token_proves(
    installation: NatsInstallation, controller: JetStreamBus, environment: Mapping[str, str]
) -> None:
    asked: list[tuple[str, object]] = []

    async def authenticate(token: str) -> BusUser | None:
        return BusUser(uid=UID, pod=POD, expires=time.time() + 60) if token == "right" else None

    async def start(request: CallRequest) -> AsyncIterator[bytes]:
        asked.append((request.subject, json.loads(request.data)))
        raise Permanent("the run is over")
        yield b""

    callout = await installation.callout(controller, authenticate)
    server = await serve(controller, subjects.request("*", subjects.START), start, queue="controller")
    bridge = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "sympozium_core.bridge", env={**os.environ, **environment}, stderr=asyncio.subprocess.PIPE
    )
    _, errors = await asyncio.wait_for(bridge.communicate(), 40)
    assert asked == [(subjects.request(UID, subjects.START), {"pod": POD})]
    assert bridge.returncode == FAILED
    assert b"the run is over" in errors
    assert b"right" not in errors
    await server.close()
    await callout.close()


@pytest.mark.parametrize("missing", [names.ENV_BUS_ADDRESS, names.ENV_BUS_TOKEN_FILE, names.ENV_POD])
async def test_what_is_missing_is_named(environment: Mapping[str, str], missing: str, caplog: pytest.LogCaptureFixture) -> None:
    assert await main({name: value for name, value in environment.items() if name != missing}) == FAILED
    assert f"{missing} is not set" in caplog.text


@pytest.fixture
async def on_nats(world: Any, installation: NatsInstallation, controller: JetStreamBus) -> AsyncIterator[Any]:
    """The world, with its control plane and gateway on NATS, each as the user that it is there."""

    async def authenticate(token: str) -> BusUser | None:
        pod = token.removeprefix("secret-")
        uid = world.assigned.get(pod)
        return BusUser(uid=uid, pod=pod, expires=world.deadline) if uid else None

    embedded = world.bus
    await world.starter.close()
    await world.gateway.close()
    callout = await installation.callout(controller, authenticate)
    gateway = await installation.gateway()
    appends = await serve_appends(gateway)
    world.bus = gateway
    world.gateway = await world.new_gateway()
    world.bus = controller
    world.starter = await serve(controller, subjects.request("*", subjects.START), world._start, queue="controller")
    yield world
    for pod in world.pods:
        await pod.kill()
    await world.gateway.close()
    await world.starter.close()
    await appends.close()
    await gateway.close()
    await callout.close()
    world.bus = embedded


def pod_of(world: Any, installation: NatsInstallation) -> Any:
    pod = world.pod()
    token = installation.token_file(pod.id, f"secret-{pod.id}")
    credential = {"address": installation.url, "tokenFile": str(token), "caFile": str(installation.ca_file), "pod": pod.id}
    (pod.path / "credential.json").write_text(json.dumps(credential))
    return pod


KINDS = ["started", "model.request", "model.answer", "tool.requested", "tool.result", "model.request", "model.answer", "result"]


async def test_a_run_from_its_assignment_to_its_result(on_nats: Any, installation: NatsInstallation) -> None:
    calls = iter(range(10))
    on_nats.provider.respond = lambda body: (
        on_nats.tool_chunks(("call_a", "execute_command", {"command": "echo hi"}))
        if next(calls) == 0
        else on_nats.text_chunks("all done " * 20_000)
    )
    pod = pod_of(on_nats, installation)
    pod.serve("shell", "execute_command")
    bridge, runner = await pod.bridge(), await pod.runner()
    assert await asyncio.wait_for(bridge.wait(), 40) == 0, pod.log()
    assert await asyncio.wait_for(runner.wait(), 20) == 0, pod.log("runner")
    assert [entry["type"] for entry in await on_nats.journal() if entry["type"] != "progress"] == KINDS


async def test_a_run_in_whose_middle_the_server_is_killed(on_nats: Any, installation: NatsInstallation) -> None:
    """The model has begun to answer and the tool has been asked for: neither is lost, and neither is asked for twice."""
    calls = iter(range(10))
    on_nats.provider.respond = lambda body: (
        on_nats.tool_chunks(("call_a", "execute_command", {"command": "echo hi"}))
        if next(calls) == 0
        else on_nats.text_chunks("all done")
    )
    pod = pod_of(on_nats, installation)
    tools = pod.serve("shell", "execute_command")
    on_nats.provider.gate.clear()
    bridge, runner = await pod.bridge(), await pod.runner()
    await on_nats.entry("model.request", seconds=40)
    await asyncio.to_thread(installation.restart, kill=True)
    on_nats.provider.gate.set()
    assert await asyncio.wait_for(bridge.wait(), 50) == 0, pod.log()
    assert await asyncio.wait_for(runner.wait(), 20) == 0, pod.log("runner")
    kinds = [entry["type"] for entry in await on_nats.journal() if entry["type"] != "progress"]
    assert [kind for kind in kinds if kind != "model.error"] == KINDS
    assert [request.id for request in tools.asked] == ["call_a"]
