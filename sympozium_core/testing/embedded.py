"""A whole embedded control plane for tests: in this process, or as `sympozium serve` in one of its own that may be killed.

    async with in_process(settings) as plane:
        await plane.apply(secret, instance)
        run = await plane.run("list the files")
        ended = await plane.ended(run)

Everything goes over the API socket, as the CLI does it, and every wait has a deadline.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from pathlib import Path
from typing import Any, Self

from sympozium_core import names
from sympozium_core.cluster.client import ClusterClient
from sympozium_core.contracts import builtin_kinds
from sympozium_core.contracts.cluster import Gone, NotFound, Object, ResourceType
from sympozium_core.planning.factory import build_run
from sympozium_core.processes.embedded import serve_embedded
from sympozium_core.resources import kinds
from sympozium_core.settings import EmbeddedSettings
from sympozium_core.testing.servers.openai import OpenAIServer

WITHIN = 20.0
"""Seconds for whatever a test waits for, unless it says otherwise: long on a busy machine, short for a person."""
COMMAND = (sys.executable, "-m", "sympozium_core.cli.main")
_KINDS = {kind.kind: kind for kind in kinds.ALL}

Condition = Callable[[Object], object]
OpenPlane = Callable[..., AbstractAsyncContextManager["Plane"]]
"""A fixture's: opens a control plane with these fields of `ControllerSettings`."""


class Plane:
    """What a user does with a control plane, through its socket."""

    def __init__(self, data_dir: Path, namespace: str = names.DEFAULT_NAMESPACE) -> None:
        self.data_dir, self.namespace = data_dir, namespace
        self.warnings: list[str] = []
        self.client = ClusterClient.over_socket(EmbeddedSettings(data_dir).api_socket, warn=self.warnings.append)

    async def close(self) -> None:
        await self.client.close()

    async def apply(self, *objects: Object) -> None:
        """Creates each object. Raises ApiError."""
        for obj in objects:
            metadata = {"namespace": self.namespace, **obj["metadata"]}
            await self.client.create(_KINDS[obj["kind"]], {**obj, "metadata": metadata})

    async def run(self, task: str, *, instance: str = "agent", name: str = "", **spec: Any) -> Object:
        """Creates a run through the one factory; `spec` overrides what it inherits."""
        wanted = build_run(instance, task, namespace=self.namespace, source="test", name=name, spec=spec)
        return await self.client.create(kinds.AGENT_RUN, wanted)

    async def now(self, run: Object) -> Object:
        return await self.client.get(kinds.AGENT_RUN, self.namespace, run["metadata"]["name"])

    async def cancel(self, run: Object) -> None:
        await self.client.patch(kinds.AGENT_RUN, self.namespace, run["metadata"]["name"], {"spec": {"cancel": True}})

    async def delete(self, run: Object) -> None:
        await self.client.delete(kinds.AGENT_RUN, self.namespace, run["metadata"]["name"])

    async def until(self, run: Object, condition: Condition, *, within: float = WITHIN) -> Object:
        """The run as it is when `condition` holds, by watch. Raises AssertionError with its status after `within` seconds."""
        current = run
        try:
            async with asyncio.timeout(within):
                async for current in self.changes(run):
                    if condition(current):
                        return current
        except TimeoutError:
            journal = "\n".join(_brief(found) for found in await self.journal(run))
            raise AssertionError(f"not within {within:g} s; status: {current.get('status')}\n{journal}") from None
        raise AssertionError(f"the watch ended; status: {current.get('status')}")

    async def changes(self, run: Object) -> AsyncIterator[Object]:
        """The run now, and at every change. Raises NotFound when it is deleted."""
        while True:
            current = await self.now(run)
            yield current
            watch = self.client.watch(
                kinds.AGENT_RUN,
                self.namespace,
                resource_version=current["metadata"]["resourceVersion"],
                fields=f"metadata.name={run['metadata']['name']}",
            )
            with contextlib.suppress(Gone):
                async with aclosing(watch) as events:
                    async for event in events:
                        if event.type == "DELETED":
                            raise NotFound(f"{run['metadata']['name']} was deleted")
                        if event.type != "BOOKMARK":
                            yield event.object

    async def phase(self, run: Object, phase: str, *, within: float = WITHIN) -> Object:
        return await self.until(run, lambda now: phase_of(now) == phase, within=within)

    async def until_object(self, kind: ResourceType, name: str, condition: Condition, *, within: float = WITHIN) -> Object:
        """As `until`, of an object of any kind."""
        found: Object = {}
        try:
            async with asyncio.timeout(within):
                while True:
                    found = await self.client.get(kind, self.namespace, name)
                    if condition(found):
                        return found
                    version, only = found["metadata"]["resourceVersion"], f"metadata.name={name}"
                    watch = self.client.watch(kind, self.namespace, resource_version=version, fields=only)
                    with contextlib.suppress(Gone):
                        async with aclosing(watch) as events:
                            await anext(events, None)
        except TimeoutError:
            raise AssertionError(f"{kind.kind} {name} not within {within:g} s; status: {found.get('status')}") from None

    async def ended(self, run: Object, *, within: float = WITHIN) -> Object:
        """The run in a terminal phase, its pod cleaned up."""
        return await self.until(run, lambda now: status_of(now).get("cleaned"), within=within)

    async def deleted(self, run: Object, *, within: float = WITHIN) -> None:
        """Returns when the object is gone."""
        with contextlib.suppress(NotFound):
            await self.until(run, lambda now: False, within=within)

    async def follow(self, run: Object, *, follow: bool = True) -> AsyncIterator[dict[str, Any]]:
        """``{"sequence", "source", "entry"}`` of the run's journal, to its end when followed."""
        path = f"/apis/{names.API_VERSION}/namespaces/{self.namespace}/agentruns/{run['metadata']['name']}/journal"
        async with aclosing(self.client.stream_lines(path, {"follow": "true" if follow else "false"})) as lines:
            async for line in lines:
                yield json.loads(line)

    async def journal(self, run: Object, *types: str) -> list[dict[str, Any]]:
        """What is on record now, of these types or of all; each entry with its ``sequence`` and ``source``."""
        return [
            {**found["entry"], "sequence": found["sequence"], "source": found["source"]}
            async for found in self.follow(run, follow=False)
            if not types or found["entry"]["type"] in types
        ]

    async def entry(
        self, run: Object, kind: str, *, where: Condition = lambda entry: True, within: float = WITHIN
    ) -> dict[str, Any]:
        """The first entry of this type for which `where` holds, waited for. Raises AssertionError."""
        seen: list[str] = []
        try:
            async with asyncio.timeout(within), aclosing(self.follow(run)) as entries:  # type: ignore[type-var]
                async for found in entries:
                    entry: dict[str, Any] = found["entry"]
                    seen.append(_brief(entry))
                    if entry["type"] == kind and where(entry):
                        return entry
        except TimeoutError:
            pass
        raise AssertionError(f"no {kind} within {within:g} s:\n" + "\n".join(seen))

    async def events(self, run: Object, *reasons: str) -> list[Object]:
        """Events about the run, of these reasons or of all, oldest first."""
        page = await self.client.list(builtin_kinds.EVENT, self.namespace)
        uid = run["metadata"]["uid"]
        found = [
            event
            for event in page.items
            if event["involvedObject"].get("uid") == uid and (not reasons or event["reason"] in reasons)
        ]
        # Their times are whole seconds; the embedded store numbers what it writes.
        return sorted(found, key=lambda event: int(event["metadata"]["resourceVersion"]))

    async def told(self, run: Object, reason: str, number: int = 1, *, within: float = WITHIN) -> list[str]:
        """Messages of the Events of this reason, of which there are to be so many: they are written behind what they tell of."""
        async with asyncio.timeout(within):
            while len(found := await self.events(run, reason)) < number:  # noqa: ASYNC110 - only a list can tell
                await asyncio.sleep(0.02)
        return [event["message"] for event in found]


@asynccontextmanager
async def in_process(settings: EmbeddedSettings) -> AsyncIterator[Plane]:
    """The control plane in this event loop. Nothing of it is left when this returns."""
    async with serve_embedded(settings, controllers=True):
        plane = Plane(settings.data_dir)
        try:
            yield plane
        finally:
            await plane.close()


async def sympozium(
    *words: str, data_dir: Path, text: str = "", environment: Mapping[str, str] | None = None, within: float = WITHIN
) -> tuple[int, str, str]:
    """Runs the CLI on a data directory; exit code, standard output, standard error. `text` is its standard input."""
    process = await asyncio.create_subprocess_exec(
        *COMMAND,
        *words,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, **(environment or {}), names.ENV_DATA_DIR: str(data_dir)},
    )
    try:
        async with asyncio.timeout(within):
            out, err = await process.communicate(text.encode())
    except BaseException:
        process.kill()
        await process.wait()
        raise
    return process.returncode or 0, out.decode(), err.decode()


class ServerProcess:
    """`sympozium serve` on a data directory; may be killed and started again."""

    def __init__(
        self, data_dir: Path, *, sandbox: str, options: Sequence[str] = (), environment: Mapping[str, str] | None = None
    ) -> None:
        self.data_dir = data_dir
        self._words = [*COMMAND, "serve", "--data-dir", str(data_dir), "--sandbox", sandbox, "-v", *options]
        self.environment = dict(environment or {})
        self.log = data_dir.with_name(data_dir.name + "-server.log")
        """Standard output and error of every start, one after the other."""
        self._process: asyncio.subprocess.Process | None = None
        self.plane = Plane(data_dir)

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    async def start(self) -> Plane:
        """Returns when it serves. Raises AssertionError with its log when it does not."""
        before = self.log.stat().st_size if self.log.exists() else 0
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *self._words, stdout=log, stderr=log, env={**os.environ, **self.environment}, start_new_session=True
            )
        ended = asyncio.ensure_future(self._process.wait())
        try:
            async with asyncio.timeout(WITHIN):
                while f"serving {self.data_dir}\n".encode() not in self.log.read_bytes()[before:]:
                    if ended.done():
                        raise AssertionError(f"sympozium serve ended with {ended.result()}:\n{self.log.read_text()}")
                    await asyncio.sleep(0.01)
        finally:
            ended.cancel()
        return self.plane

    async def kill(self) -> None:
        """SIGKILL; returns when the process is gone."""
        await self._end(signal.SIGKILL)

    async def died(self, *, within: float = WITHIN) -> int:
        """Waits for a server that ends by itself; its exit code."""
        assert self._process is not None
        async with asyncio.timeout(within):
            code = await self._process.wait()
        await self.plane.close()
        self.plane = Plane(self.data_dir)
        return code

    async def stop(self) -> None:
        """SIGTERM, as a service manager ends it."""
        await self._end(signal.SIGTERM)

    async def _end(self, number: int) -> None:
        assert self._process is not None
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._process.pid, number)
        await self.died()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *error: object) -> None:
        try:
            await self.stop()
        finally:
            await self.plane.close()


def status_of(run: Object) -> dict[str, Any]:
    status: dict[str, Any] = run.get("status") or {}
    return status


def phase_of(run: Object) -> str:
    return str(status_of(run).get("phase") or "")


def secret(name: str, value: str, key: str = "apiKey") -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": {key: value}}


def instance(
    name: str, base_url: str, *, model: str, key_from: str = "", policy: str = "permissive", **spec: Any
) -> dict[str, Any]:
    """A SympoziumInstance with an OpenAI-compatible model; `key_from` names its Secret."""
    provider = {"name": "openai", "model": model, "baseURL": base_url, **({"apiKeySecret": key_from} if key_from else {})}
    spec = {"provider": provider, "systemPrompt": "You are a careful assistant.", "policy": policy, **spec}
    return {"apiVersion": names.API_VERSION, "kind": "SympoziumInstance", "metadata": {"name": name}, "spec": spec}


async def furnish(plane: Plane, model: OpenAIServer, *, policy: str = "permissive", **spec: Any) -> None:
    """An instance `agent` on this model server, its key in the Secret `model-key`."""
    await plane.apply(
        secret("model-key", model.key),
        instance("agent", model.base_url, model=model.model, key_from="model-key", policy=policy, **spec),
    )


def _brief(entry: Mapping[str, Any]) -> str:
    return " ".join(f"{key}={value}" for key, value in entry.items() if key not in ("at", "messages"))[:300]
