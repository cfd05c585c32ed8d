"""A pod in the launcher: which processes belong to which container, and the way from running to nothing left."""

from __future__ import annotations

import os
import signal
import time

from sympozium_sandbox_process import processtable
from sympozium_sandbox_process.containers import Container
from sympozium_sandbox_process.processtable import Table

ENV_POD = b"SYMPOZIUM_POD"
ENV_CONTAINER = b"SYMPOZIUM_CONTAINER"


class LaunchedPod:
    def __init__(self, name: str) -> None:
        self.name = name
        self.containers: dict[str, Container] = {}
        self.waiting: list[int] = []
        """Requests to be answered when nothing of the pod is left."""
        self.forgotten = False
        """Its start failed: nobody is to hear of it."""
        self._deadline: float | None = None
        self._bridge_asked_at = 0.0

    @property
    def busy(self) -> bool:
        """Something of it is being ended, so its processes have to be looked at again."""
        return self._deadline is not None or any(c.state == "ending" for c in self.containers.values())

    @property
    def done(self) -> bool:
        """A pod that ended by itself stays known until it is stopped: a late `start` must not start it twice."""
        return self._deadline is not None and all(c.state == "ended" for c in self.containers.values())

    def stop(self, grace: float) -> None:
        """Asks now and kills in `grace` seconds; asked again, the earlier time holds. The bridge is asked when the others have ended, but
        no later than half-way: it has their results to hand on."""
        now = time.monotonic()
        if self._deadline is None or now + grace < self._deadline:
            self._deadline = now + grace
            self._bridge_asked_at = now + grace / 2

    def advance(self, table: Table) -> list[Container]:
        """One step; returns the containers of which nothing is left since the last."""
        below = processtable.children(table)
        ended = []
        for container in self.containers.values():
            if container.state == "running" and self._deadline is not None:
                self._press(container, below)
            elif container.state == "ending":
                members = self._members(container, table, below)
                if members:
                    processtable.kill(members)
                elif container.group is None or not container.group.members():
                    ended.append(container)
        return ended

    def _press(self, container: Container, below: dict[int, list[int]]) -> None:
        now = time.monotonic()
        if self._deadline is not None and now >= self._deadline:
            container.killed = True
            processtable.kill(processtable.subtree(below, [container.pid]))
            return
        others = any(c.state != "ended" and not c.trusted for c in self.containers.values())
        if container.asked or (container.trusted and others and now < self._bridge_asked_at):
            return
        targets = _payload(container.pid, below) if container.wrapped else [container.pid]
        processtable.kill(targets, signal.SIGTERM)
        container.asked = bool(targets)

    def _members(self, container: Container, table: Table, below: dict[int, list[int]]) -> set[int]:
        """What is left of a container whose main process has been reaped: its orphans, which are the launcher's own children now."""
        live = {c.pid for c in self.containers.values() if c.state == "running"}
        orphans = [pid for pid in below.get(os.getpid(), ()) if pid not in live and self.owns(container, table, pid)]
        found = processtable.subtree(below, orphans)
        if container.group is not None:
            found |= container.group.members()
        return {pid for pid in found if pid not in table or table[pid].state != "Z"}

    def owns(self, container: Container, table: Table, pid: int) -> bool:
        """By its session, or by the environment that it was started with."""
        if table[pid].session == container.pid:
            return True
        environment = processtable.environment(pid)
        return environment.get(ENV_POD) == self.name.encode() and environment.get(ENV_CONTAINER) == container.name.encode()


def _payload(sandbox: int, below: dict[int, list[int]]) -> list[int]:
    """What runs in the sandbox: the children of its init, which itself hears no signal. Empty as long as nothing does."""
    return [pid for init in below.get(sandbox, ()) for pid in below.get(init, ())]


def fugitives(table: Table, pods: list[LaunchedPod], waiting: set[int]) -> set[int]:
    """Orphans that no container owns: they took a session and an environment of their own to get away. `waiting` are slots."""
    below = processtable.children(table)
    containers = [(pod, c) for pod in pods for c in pod.containers.values() if c.state != "ended"]
    mains = {c.pid for _, c in containers if c.state == "running"} | waiting
    lost = [
        pid
        for pid in below.get(os.getpid(), ())
        if pid not in mains and table[pid].state != "Z" and not any(pod.owns(c, table, pid) for pod, c in containers)
    ]
    return processtable.subtree(below, lost)
