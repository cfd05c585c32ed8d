"""A world without a controller: the embedded bus with its socket, a gateway with a scripted provider, and pods of real processes."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from sympozium_core.bridge.bridge import Pod as BridgePod
from sympozium_core.bridge.bridge import carry_run
from sympozium_core.bridge.stopping import Stopping
from sympozium_core.bus import subjects
from sympozium_core.bus.calls import CallRequest, serve
from sympozium_core.bus.journal import JournalEntry, read_entries
from sympozium_core.clock import SystemClock
from sympozium_core.contracts.plan import Limits, ModelRef, PodPlan, RunPlan, ToolServer, to_json
from sympozium_core.contracts.provider import ChatRequest, Chunk, Endpoint, Provider, ProviderError
from sympozium_core.contracts.tool_policy import ToolPolicy
from sympozium_core.embedded.bus.connect import connect
from sympozium_core.embedded.bus.local import EmbeddedBus
from sympozium_core.embedded.bus.server import BusServer
from sympozium_core.gateway.fetch import Fetches
from sympozium_core.gateway.model import Gateway
from sympozium_core.gateway.target import ModelTarget
from sympozium_core.ipc.async_watch import changes
from sympozium_core.ipc.files import Root
from sympozium_core.ipc.protocol import Manifest, ToolDefinition, ToolRequest, ToolResult, parse_tool_request
from sympozium_core.ipc.watch import Watch
from sympozium_core.names import CONTROL_SERVER

UID = "11111111-2222-3333-4444-555555555555"
Answer = list[Chunk] | Exception
Respond = Callable[[Mapping[str, Any]], "Answer"]


def text_chunks(text: str) -> list[Chunk]:
    middle = max(1, len(text) // 2)
    return [
        _chunk({"role": "assistant", "content": text[:middle]}),
        _chunk({"content": text[middle:]}),
        _chunk({}, "stop"),
        usage(),
    ]


def tool_chunks(*calls: tuple[str, str, Mapping[str, Any]]) -> list[Chunk]:
    """Each call is (id, tool, arguments)."""
    chunks = [
        _chunk({"tool_calls": [{"index": index, "id": call, "function": {"name": tool, "arguments": json.dumps(arguments)}}]})
        for index, (call, tool, arguments) in enumerate(calls)
    ]
    return [*chunks, _chunk({}, "tool_calls"), usage()]


def _chunk(delta: Mapping[str, Any], finish: str | None = None) -> Chunk:
    choice = {"index": 0, "delta": dict(delta), "finish_reason": finish}
    return {"id": "x", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}


def usage() -> Chunk:
    return {"id": "x", "choices": [], "usage": {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}}


class Scripted(Provider):
    """Streams what `respond` makes of each body; `gate` holds back what follows the first chunk."""

    def __init__(self, respond: Respond) -> None:
        self.respond = respond
        self.bodies: list[Mapping[str, Any]] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.cancelled = 0

    async def chat(self, endpoint: Endpoint, request: ChatRequest) -> AsyncIterator[Chunk]:
        self.bodies.append(request.body)
        answer = self.respond(request.body)
        if isinstance(answer, Exception):
            raise answer
        try:
            for chunk in answer:
                if isinstance(chunk, Exception):
                    raise chunk
                yield chunk
                await self.gate.wait()
        except (asyncio.CancelledError, GeneratorExit):
            self.cancelled += 1
            raise


class Providers:
    def __init__(self, provider: Provider) -> None:
        self.provider = provider

    async def get(self, name: str, private: tuple[str, ...]) -> Provider:
        return self.provider


def plan(**changes: Any) -> RunPlan:
    fields: dict[str, Any] = {
        "uid": UID,
        "namespace": "default",
        "name": "run",
        "instance": "assistant",
        "task": "do it",
        "system_prompt": "be brief",
        "model": ModelRef("scripted", "m"),
        "tools": ToolPolicy(),
        "native_tools": (),
        "servers": (ToolServer("shell"),),
        "limits": Limits(),
        "sandbox": "process",
        "pod": PodPlan(()),
    }
    return RunPlan(**{**fields, **changes})


async def until(condition: Callable[[], Any], seconds: float = 15.0) -> Any:
    """What the condition gives once it is true; fails when that takes too long."""
    end = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < end, "the condition did not come true"
        await asyncio.sleep(0.005)
    return value


class World:
    """Everything outside the pod."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.plan = plan()
        self.attempt = 1
        self.workspace = "new"
        self.deadline = time.time() + 60
        self.pods: list[Pod] = []
        self.assigned: dict[str, str] = {}
        self.provider = Scripted(lambda body: text_chunks("done"))
        self.starts = 0
        self.fetches: Fetches | None = None

    async def open(self) -> None:
        self.bus = await EmbeddedBus.open(self.path)
        self.server = BusServer(self.bus, self.path / "bus.sock", self._authenticate)
        await self.server.start()
        self.starter = await serve(self.bus, subjects.request("*", subjects.START), self._start, queue="controller")
        self.gateway = await self.new_gateway()

    async def new_gateway(self) -> Gateway:
        gateway = Gateway(
            self.bus, self._resolve, Providers(self.provider), SystemClock(), self.fetches.answer if self.fetches else None
        )
        await gateway.start()
        return gateway

    async def close(self) -> None:
        for pod in self.pods:
            await pod.kill()
        await self.starter.close()
        await self.gateway.close()
        await self.server.close()
        await self.bus.close()

    async def _authenticate(self, token: str, pod: str) -> str | None:
        return self.assigned.get(pod) if token == "secret-" + pod else None

    async def _resolve(self, uid: str, attempt: int) -> ModelTarget:
        return ModelTarget("scripted", Endpoint("m"), self.attempt, self.deadline, self.plan.limits)

    async def _start(self, request: CallRequest) -> AsyncIterator[bytes]:
        self.starts += 1
        newest = await self.bus.last(subjects.journal(UID, subjects.POD))
        told = {"plan": to_json(self.plan), "attempt": self.attempt, "deadline": self.deadline, "workspace": self.workspace}
        yield json.dumps({**told, "lastPod": newest.sequence if newest else 0}).encode()

    async def journal(self, who: str = "*") -> list[dict[str, Any]]:
        return [entry async for _, _, entry in read_entries(self.bus, UID, who=who)]

    def follow(self) -> AsyncGenerator[JournalEntry, None]:
        return read_entries(self.bus, UID, follow=True)

    async def entries(self, kind: str) -> list[dict[str, Any]]:
        return [entry for entry in await self.journal() if entry["type"] == kind]

    async def entry(self, kind: str, count: int = 1, seconds: float = 15.0) -> dict[str, Any]:
        """The newest entry of the kind, as soon as there are so many."""
        end = time.monotonic() + seconds
        while len(found := await self.entries(kind)) < count:
            assert time.monotonic() < end, f"no {kind}: {[e['type'] for e in await self.journal()]}"
            await asyncio.sleep(0.01)
        return found[-1]

    text_chunks = staticmethod(text_chunks)
    tool_chunks = staticmethod(tool_chunks)
    until = staticmethod(until)
    make_plan = staticmethod(plan)

    def pod(self, pod_id: str = "pod-1") -> Pod:
        pod = Pod(self, pod_id)
        self.pods.append(pod)
        self.assigned[pod_id] = UID
        return pod


class Pod:
    """Volumes on this disk, and the processes that the test starts."""

    def __init__(self, world: World, pod_id: str) -> None:
        self.id = pod_id
        self.world = world
        self.path = world.path / pod_id
        self.volumes = self.path / "volumes"
        for name in ("agent", *(f"skill-{server.name}" for server in world.plan.servers)):
            (self.volumes / name).mkdir(parents=True)
        for name in ("workspace", "tmp", "skills"):
            (self.path / name).mkdir()
        credential = {"address": world.server.address, "token": f"secret-{pod_id}", "pod": pod_id}
        (self.path / "credential.json").write_text(json.dumps(credential))
        self.agent = self.volumes / "agent"
        self.processes: list[asyncio.subprocess.Process] = []
        self.tasks: list[asyncio.Task[Any]] = []

    async def start(self, module: str, **environment: str) -> asyncio.subprocess.Process:
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "PYTHONPATH", "VIRTUAL_ENV") if name in os.environ}
        log = (self.path / f"{module.rpartition('.')[2]}.log").open("ab")
        with log:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", module, env={**kept, **environment, "SYMPOZIUM_POD": self.id}, stdout=log, stderr=log
            )
        self.processes.append(process)
        return process

    async def bridge(self, listen: str = "127.0.0.1:0", **environment: str) -> asyncio.subprocess.Process:
        return await self.start(
            "sympozium_core.bridge",
            SYMPOZIUM_VOLUMES=str(self.volumes),
            SYMPOZIUM_BUS_CREDENTIAL=str(self.path / "credential.json"),
            SYMPOZIUM_MODEL_LISTEN=listen,
            **environment,
        )

    async def carry(self, manifest_seconds: float = 10.0, listen: str = "unix") -> asyncio.Task[bool]:
        """The bridge in this process, over the same socket; returns once the agent has its task."""
        task = asyncio.create_task(self._carry(manifest_seconds, listen))
        self.tasks.append(task)
        await until(lambda: task.done() or (self.agent / "input/task.json").exists())
        if task.done():
            task.result()
        return task

    async def _carry(self, manifest_seconds: float, listen: str) -> bool:
        bus = await connect(json.loads((self.path / "credential.json").read_text()))
        self.stopping = Stopping()
        place = BridgePod(self.id, self.volumes, listen, manifest_seconds)
        try:
            return await carry_run(bus, UID, place, self.stopping)
        finally:
            await bus.close()

    async def runner(self) -> asyncio.subprocess.Process:
        return await self.start("sympozium_core.runner", SYMPOZIUM_IPC=str(self.agent), **self._places())

    async def sidecar(self, server: str, module: str) -> asyncio.subprocess.Process:
        return await self.start(module, SYMPOZIUM_IPC=str(self.volumes / f"skill-{server}"), **self._places())

    def _places(self) -> dict[str, str]:
        return {f"SYMPOZIUM_{name.upper()}": str(self.path / name) for name in ("workspace", "skills", "tmp")}

    def serve(
        self,
        server: str,
        *tools: str,
        run: Callable[[ToolRequest], ToolResult | None] | None = None,
        parameters: Mapping[str, Any] | None = None,
    ) -> ToolFiles:
        files = ToolFiles(
            self.volumes / f"skill-{server}", server, run or (lambda request: ToolResult(request.id, "ok", "ran"))
        )
        files.write_manifest(tools, parameters or {"type": "object", "properties": {"command": {"type": "string"}}})
        self.tasks.append(asyncio.create_task(files.serve()))
        return files

    def log(self, module: str = "bridge") -> str:
        return (self.path / f"{module}.log").read_text()

    async def task(self) -> dict[str, Any]:
        """What the bridge tells the agent, once it does."""
        path = self.agent / "input/task.json"
        await until(path.exists)
        return dict(json.loads(path.read_bytes()))

    async def offered(self) -> list[dict[str, Any]]:
        """The tools that the agent is told of, but for those of the core's own that each has."""
        return [tool for tool in (await self.task())["tools"] if tool["server"] != CONTROL_SERVER]

    def request(self, server: str, call: str, tool: str = "execute_command", arguments: Any = None, **more: Any) -> None:
        body = {"id": call, "tool": tool, "arguments": arguments if arguments is not None else {"command": "true"}, **more}
        self.put(f"tools/{server}/requests/{call}.json", json.dumps(body))

    def put(self, path: str, text: str) -> None:
        """As a well-behaved writer does it."""
        target = self.agent / path
        target.parent.mkdir(parents=True, exist_ok=True)
        hidden = target.with_name(f".{target.name}")
        hidden.write_text(text)
        hidden.rename(target)

    async def result(self, server: str, call: str) -> dict[str, Any]:
        path = self.agent / f"tools/{server}/results/{call}.json"
        await until(path.exists)
        return dict(json.loads(path.read_bytes()))

    def finish(self, response: str = "bye", **fields: Any) -> None:
        metrics = {"turns": 1, "toolCalls": 0, "durationMs": 1}
        body = {"version": 1, "status": "success", "reason": "Completed", "response": response, "error": "", "metrics": metrics}
        self.put("output/result.json", json.dumps({**body, **fields}))

    async def kill(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        for process in self.processes:
            if process.returncode is None:
                process.kill()
            await process.wait()


class ToolFiles:
    """A tool server written by hand: what is asked, and what `run` answers; None writes no result."""

    def __init__(self, volume: Path, server: str, run: Callable[[ToolRequest], ToolResult | None]) -> None:
        self.volume = volume
        self.server = server
        self.run = run
        self.asked: list[ToolRequest] = []

    def write_manifest(self, tools: Sequence[str], parameters: Mapping[str, Any]) -> None:
        manifest = Manifest(tuple(ToolDefinition(tool, f"does {tool}", parameters) for tool in tools))
        with Root(self.volume) as root:
            root.make_directory(f"tools/{self.server}")
            root.write_json(f"tools/{self.server}/manifest.json", manifest.to_json())

    def answer(self, result: ToolResult) -> None:
        with Root(self.volume) as root:
            root.make_directory(f"tools/{self.server}/results")
            root.write_json(f"tools/{self.server}/results/{result.id}.json", result.to_json())

    async def serve(self) -> None:
        directory = f"tools/{self.server}/requests"
        with Root(self.volume) as root, Watch(root, [directory]) as watch:
            async for batch in changes(watch):
                for found in batch:
                    try:
                        request = parse_tool_request(root.read_json(found.path, 1 << 20), found.path)
                    except FileNotFoundError:
                        continue
                    self.asked.append(request)
                    result = self.run(request)
                    if result is not None:
                        root.write_json(f"tools/{self.server}/results/{result.id}.json", result.to_json())


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    world = World(tmp_path)
    await world.open()
    yield world
    await world.close()


__all__ = ["Pod", "ProviderError", "World", "plan", "text_chunks", "tool_chunks", "until"]
