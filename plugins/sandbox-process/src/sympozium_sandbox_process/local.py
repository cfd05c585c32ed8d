"""What every driver for one machine has in common: the pods' folders, the launcher, and what became of each container."""

from __future__ import annotations

import asyncio
import contextlib
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar
from weakref import WeakValueDictionary

from sympozium_core import names
from sympozium_core.contracts.plan import Container, PodPlan
from sympozium_core.contracts.sandbox import ContainerStatus, Feature, PodStatus, Sandbox, SandboxContext
from sympozium_core.errors import Permanent, SympoziumError, Temporary
from sympozium_sandbox_process import podfiles, processtable
from sympozium_sandbox_process.environment import for_container
from sympozium_sandbox_process.failures import from_os_error
from sympozium_sandbox_process.launcherclient import LauncherClient
from sympozium_sandbox_process.podfiles import PodFiles
from sympozium_sandbox_process.slots import ContainerSpec

_LOST_WITH_SERVER = "ended with the server that ran it"
_LOST_WITH_LAUNCHER = "ended with the launcher of the sandbox"


@dataclass
class _Pod:
    files: PodFiles
    containers: dict[str, ContainerStatus] = field(default_factory=dict)
    restored: bool = False
    """Left by an earlier process: the launcher does not know it, its processes are found by their marker alone."""
    hooks: frozenset[str] = frozenset()
    """Names of the containers that may say something at their end."""
    lost: bool = False
    """Was running when the server or its launcher ended."""

    @property
    def status(self) -> PodStatus:
        states = {status.state for status in self.containers.values()}
        if "waiting" in states:
            return PodStatus("starting", dict(self.containers))
        return PodStatus("running" if "running" in states else "ended", dict(self.containers), self.lost)


class LocalSandbox(Sandbox):
    """A driver says how a container is run (`container_spec`); starting, following and ending it are the same for all."""

    features: ClassVar[frozenset[Feature]] = frozenset(("secrets", "memory"))

    def __init__(self) -> None:
        self._context: SandboxContext | None = None
        self._pods: dict[str, _Pod] = {}
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._launcher: LauncherClient | None = None
        self._opening = asyncio.Lock()
        self._closing = False
        self._preparing: asyncio.Task[None] | None = None
        self._recovery: asyncio.Task[None] | None = None

    @abstractmethod
    def container_spec(self, files: PodFiles, pod_id: str, container: Container) -> ContainerSpec:
        """How to run the container. Its folders exist. May write files below `files.root`; raises OSError or SympoziumError."""

    async def open(self, context: SandboxContext) -> None:
        try:
            await asyncio.to_thread(self._take_over, context.data_dir)
        except OSError as error:
            raise from_os_error(f"use the sandbox's data directory {context.data_dir}", error) from error
        self._context = replace(context, data_dir=context.data_dir.resolve())
        self._closing = False
        self._launcher = await self._open_launcher()

    def _take_over(self, data_dir: Path) -> None:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        podfiles.sweep(data_dir)
        left = podfiles.listed(data_dir)
        processtable.end_marked(names.ENV_POD, left)
        for pod_id in left:
            files = PodFiles(data_dir.resolve(), pod_id)
            containers = files.read_state(_LOST_WITH_SERVER)
            if containers is not None:
                lost = any(container.message == _LOST_WITH_SERVER for container in containers.values())
                self._pods[pod_id] = _Pod(files, containers, restored=True, lost=lost)

    async def start(self, pod_id: str, plan: PodPlan, *, workspace_of: str = "") -> None:
        context = self._opened()
        files = PodFiles(context.data_dir, pod_id)
        earlier = PodFiles(context.data_dir, workspace_of) if workspace_of else None
        async with self._lock(pod_id):
            if pod_id in self._pods:
                return
            if workspace_of and workspace_of != pod_id:
                await self.stop(workspace_of, grace=0.0)
            podfiles.check_names(plan)
            hooks = frozenset(container.name for container in plan.containers if container.role == "hook")
            waiting = {container.name: ContainerStatus("waiting") for container in plan.containers}
            self._pods[pod_id] = _Pod(files, waiting, hooks=hooks)
            try:
                await self._start(pod_id, files, plan, earlier)
            except BaseException:
                await asyncio.shield(self._abandon(pod_id, files, keep_workspace=bool(workspace_of)))
                raise
        context.changed(pod_id)

    async def _start(self, pod_id: str, files: PodFiles, plan: PodPlan, earlier: PodFiles | None) -> None:
        context, pod = self._opened(), self._pods[pod_id]
        with_bridge = any(container.role == "bridge" for container in plan.containers)
        token = context.bridge_credential(pod_id) if with_bridge else ""
        secrets = {each.name: await self._secret(plan.namespace, each.secret) for each in plan.containers if each.secret}
        variables = {each.name: await self._variables(plan.namespace, each) for each in plan.containers if each.secret_env}

        def make() -> list[ContainerSpec]:
            files.make(plan, earlier)
            files.egress = bool(plan.egress)
            if any(each.memory for each in plan.containers):
                files.memory = self._memory_folder(plan)
                files.memory.mkdir(mode=0o700, parents=True, exist_ok=True)
            for name, values in secrets.items():
                files.write_secret(name, values)
            if with_bridge:
                files.write_credential(context.bus_address, token, pod_id)
            specs = [self.container_spec(files, pod_id, each) for each in plan.containers]
            for spec in specs:
                spec["env"] = {**variables.get(spec["name"], {}), **spec["env"]}
            files.write_state(pod.containers)
            # The bridge first: nobody else is of use before it listens.
            return sorted(specs, key=lambda spec: not spec["trusted"])

        try:
            specs = await asyncio.to_thread(make)
        except OSError as error:
            raise from_os_error(f"make the folder of pod {pod_id}", error) from error
        launcher = await self._ready()
        await launcher.start(pod_id, specs)
        for name, status in pod.containers.items():
            if status.state == "waiting":
                pod.containers[name] = ContainerStatus("running")

    def _memory_folder(self, plan: PodPlan) -> Path:
        """Raises Permanent where there is none."""
        folder = self._opened().memory_dir
        if folder is None or not podfiles.is_label(plan.memory):
            raise Permanent("there is no place for the memory of an instance", hint="use an instance without spec.memory")
        return folder / plan.memory

    async def _secret(self, namespace: str, name: str) -> Mapping[str, bytes]:
        read = self._opened().secret
        if read is None:
            raise Permanent(f"there is nobody to ask for Secret {name!r}", hint="use a skill without sidecar.secretRef")
        return await read(namespace, name)

    async def _variables(self, namespace: str, container: Container) -> Mapping[str, str]:
        found = {}
        for variable, wanted in container.secret_env.items():
            values = await self._secret(namespace, wanted.secret)
            if wanted.key not in values:
                known = ", ".join(sorted(values)) or "none"
                raise Permanent(f"Secret {wanted.secret!r} has no key {wanted.key!r}", hint=f"its keys: {known}")
            found[variable] = values[wanted.key].decode("utf-8", "replace")
        return found

    async def _abandon(self, pod_id: str, files: PodFiles, *, keep_workspace: bool) -> None:
        """After a failed start: as if it had never been tried, but for a workspace that has moved already."""
        with contextlib.suppress(SympoziumError):
            await (await self._ready()).stop(pod_id, 0.0)
        with contextlib.suppress(OSError):
            await asyncio.to_thread(files.delete, keep_workspace=keep_workspace)
        self._pods.pop(pod_id, None)

    async def observe(self, pod_id: str) -> PodStatus:
        pod = self._pods.get(pod_id)
        return PodStatus("absent") if pod is None else pod.status

    async def stop(self, pod_id: str, *, grace: float) -> None:
        async with self._lock(pod_id):
            pod = self._pods.get(pod_id)  # A start that is under way has reached the launcher now.
        if pod is not None:
            await self._end(pod_id, pod, grace)

    async def _end(self, pod_id: str, pod: _Pod, grace: float) -> None:
        if pod.restored:
            await asyncio.to_thread(processtable.end_marked, names.ENV_POD, [pod_id])
            return
        try:
            await (await self._ready()).stop(pod_id, max(0.0, grace))
        except Temporary:
            await self._ready()  # The launcher died: its recovery ends every pod.

    async def remove(self, pod_id: str, *, keep_workspace: bool = False) -> None:
        files = PodFiles(self._opened().data_dir, pod_id)
        async with self._lock(pod_id):
            pod = self._pods.get(pod_id)
            if pod is not None:
                await self._end(pod_id, pod, 0.0)
            try:
                await asyncio.to_thread(files.delete, keep_workspace=keep_workspace)
            except OSError as error:
                raise from_os_error(f"delete the folder of pod {pod_id}", error) from error
            self._pods.pop(pod_id, None)

    async def pods(self) -> list[str]:
        found = await asyncio.to_thread(podfiles.listed, self._opened().data_dir)
        return sorted({*found, *self._pods})

    async def close(self) -> None:
        if self._context is None:
            return
        self._closing = True
        if self._recovery is not None:
            await asyncio.wait([self._recovery])
        if self._preparing is not None:
            await self._preparing
        if self._launcher is not None:
            await self._launcher.close()
        self._launcher = None
        self._pods.clear()
        self._context = None

    # The launcher

    async def _open_launcher(self) -> LauncherClient:
        context = self._opened()
        launcher = LauncherClient(context.data_dir, self._container_ended, self._launcher_died)
        await launcher.open()
        if context.bridge_command:
            self._preparing = asyncio.create_task(_prepare(launcher, context.bridge_command), name="sandbox prepares bridges")
        return launcher

    async def _ready(self) -> LauncherClient:
        """The launcher, started again if it has died, with what it left cleared away."""
        if self._recovery is not None:
            await asyncio.wait([self._recovery])
        async with self._opening:
            if self._launcher is None:
                self._launcher = await self._open_launcher()
        return self._launcher

    def _container_ended(self, event: Mapping[str, Any]) -> None:
        if self._closing:
            return  # It ends with us: what is recorded of it stays that it was running.
        pod_id, name = event["pod"], event["container"]
        pod = self._pods.get(pod_id)
        if pod is None or name not in pod.containers:
            return
        said = pod.files.said(name) if name in pod.hooks and event["exitCode"] == 0 else ""
        pod.containers[name] = ContainerStatus("ended", event["exitCode"], event["outOfMemory"], event["message"], said)
        self._record(pod_id, pod)

    def _record(self, pod_id: str, pod: _Pod) -> None:
        with contextlib.suppress(OSError):  # A full disk costs the record of a crash to come, not the pod.
            pod.files.write_state(pod.containers)
        self._opened().changed(pod_id)

    def _launcher_died(self) -> None:
        self._launcher = None
        self._recovery = asyncio.create_task(self._recover(), name="sandbox recovery")

    async def _recover(self) -> None:
        try:
            known = {pod_id: pod for pod_id, pod in self._pods.items() if not pod.restored}
            await asyncio.to_thread(processtable.end_marked, names.ENV_POD, known)
            for pod_id, pod in known.items():
                pod.restored = True
                lost = [name for name, status in pod.containers.items() if status.state != "ended"]
                pod.containers.update(dict.fromkeys(lost, ContainerStatus("ended", -9, message=_LOST_WITH_LAUNCHER)))
                if lost:
                    pod.lost = True
                    self._record(pod_id, pod)
        finally:
            self._recovery = None

    # For the drivers

    def plain_spec(
        self, files: PodFiles, pod_id: str, container: Container, own: dict[str, str], *, cwd: Path
    ) -> ContainerSpec:
        """The container as a process of this machine, with nothing around it."""
        resources = container.resources
        return {
            "name": container.name,
            "argv": [*container.command, *container.args],
            "env": for_container(pod_id, container, own),
            "cwd": str(cwd),
            "log": str(files.log(container.name)),
            "limits": {
                "memory": resources.memory,
                "processes": resources.processes,
                "file_size": resources.file_size,
                "cpu": resources.cpu,
            },
            "trusted": container.role == "bridge",
            "wrapped": False,
            "files": {},
        }

    def bridge_spec(self, files: PodFiles, pod_id: str, container: Container, *, listen: str) -> ContainerSpec:
        """The bridge is trusted and never sandboxed: it has a credential, and needs the bus."""
        own = {
            names.ENV_VOLUMES: str(files.volumes),
            names.ENV_BUS_CREDENTIAL: str(files.credential),
            names.ENV_MODEL_LISTEN: listen,
            names.ENV_TMP: str(files.tmp / container.name),
            "TMPDIR": str(files.tmp / container.name),
            "HOME": str(files.tmp / container.name),
        }
        return self.plain_spec(files, pod_id, container, own, cwd=files.volumes)

    def _opened(self) -> SandboxContext:
        if self._context is None:
            raise Temporary("the sandbox is not open", hint="it is opened when the controller starts")
        return self._context

    def _lock(self, pod_id: str) -> asyncio.Lock:
        return self._locks.setdefault(pod_id, asyncio.Lock())


async def _prepare(launcher: LauncherClient, command: tuple[str, ...]) -> None:
    with contextlib.suppress(Temporary):  # The launcher died: its successor prepares anew.
        await launcher.prepare(command)
