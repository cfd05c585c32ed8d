"""The launcher: a small single-threaded process that starts containers and ends everything that comes of them.

One runs beside each driver, as containerd runs beside a kubelet. It is the reaper of all its descendants (PR_SET_CHILD_SUBREAPER), so a
process that detaches itself from its container comes back to the launcher and is still found. When the driver's process dies, in whatever
way, the launcher sees the end of their socket, kills everything and exits. When the launcher dies, the kernel kills the main process of each
container, and the driver sweeps what those left.

Driver and launcher speak JSON lines over a socket pair. Requests: ``{"id", "op": "start", "pod", "containers": [ContainerSpec…]}``,
``{"id", "op": "stop", "pod", "grace": seconds}``, ``{"id", "op": "prepare", "argv"}``. Answers: ``{"id", "error"?: {"errno", "text", "what"}}``, to `stop` when nothing of the
pod is left. Events: ``{"event": "ended", "pod", "container", "exitCode", "outOfMemory", "message"}``.

Run as ``python -S -E -s -c "…launcher.main()" <descriptor> <name>``; standard library only.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import json
import os
import selectors
import signal
import socket
import sys
import time
from typing import Any

from sympozium_sandbox_process import cgroups, limits, prepared, processtable
from sympozium_sandbox_process.containers import Container
from sympozium_sandbox_process.pod import LaunchedPod, fugitives
from sympozium_sandbox_process.slots import ContainerSpec, Slot, parent_death_signal

PR_SET_CHILD_SUBREAPER = 36
TICK = 0.01
"""Seconds between two looks while something is being ended."""
_READY_SLOTS = 2
"""An agent and a skill."""
_IDLE = 0.1
"""Seconds without anything to do after which slots are made ready."""
_COUNTED_FOR = 10.0
"""Seconds for which the number of the user's tasks is taken as known; `limits.SLACK` covers the difference."""


class Launcher:
    def __init__(self, connection: socket.socket, groups: cgroups.Groups | None) -> None:
        self._connection = connection
        self._groups = groups
        self._selector = selectors.DefaultSelector()
        self._pods: dict[str, LaunchedPod] = {}
        self._slots: list[Slot] = []
        self._old_groups: list[cgroups.Group] = []
        """Of ended containers; the kernel lets go of some only later."""
        self._received = b""
        self._paused: dict[int, tuple[float, Container]] = {}
        self._running = (float("-inf"), 0)
        self._wake, wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        self._selector.register(connection, selectors.EVENT_READ)
        self._selector.register(self._wake, selectors.EVENT_READ)

    def run(self) -> None:
        """Serves until the driver is gone; then ends every pod."""
        while True:
            timeout = self._timeout()
            ready = self._selector.select(timeout)
            if not ready and timeout == _IDLE:
                with contextlib.suppress(OSError):  # No room for one more process: whoever starts a pod hears of it.
                    self._slots.append(Slot(self._groups))
            for key, _ in ready:
                if key.fileobj is self._connection:
                    if not self._receive():
                        return self._end_all()
                elif key.fd == self._wake:
                    with contextlib.suppress(BlockingIOError):
                        os.read(self._wake, 4096)
                else:
                    self._read_output(key.fd, key.data)
            self._resume_outputs()
            self._reap()
            self._advance()

    def _timeout(self) -> float | None:
        if any(pod.busy for pod in self._pods.values()):
            return TICK
        if self._paused:
            return max(0.0, min(when for when, _ in self._paused.values()) - time.monotonic())
        return _IDLE if self._groups is not None and len(self._slots) < _READY_SLOTS else None

    # Requests

    def _receive(self) -> bool:
        try:
            data = self._connection.recv(1 << 20)
        except ConnectionError:
            return False
        *lines, self._received = (self._received + data).split(b"\n")
        for line in lines:
            request = json.loads(line)
            answer: dict[str, Any] = {"id": request["id"]}
            try:
                if request["op"] == "start":
                    self._start(request["pod"], request["containers"])
                elif request["op"] == "prepare":
                    prepared.prepare(request["argv"])
                else:
                    self._stop(request["pod"], request["id"], request["grace"])
                    continue
            except OSError as error:
                answer["error"] = {"errno": error.errno or errno.EIO, "text": error.strerror, "what": error.filename or ""}
            self._send(answer)
        return bool(data)

    def _send(self, message: dict[str, Any]) -> None:
        with contextlib.suppress(OSError):  # The driver has gone: the next read says so.
            self._connection.sendall(json.dumps(message).encode() + b"\n")

    def _start(self, name: str, specs: list[ContainerSpec]) -> None:
        if name in self._pods:
            return
        pod = self._pods[name] = LaunchedPod(name)
        try:
            for spec in specs:
                self._start_container(pod, spec)
        except OSError:
            pod.forgotten = True
            pod.stop(0.0)
            raise

    def _start_container(self, pod: LaunchedPod, spec: ContainerSpec) -> None:
        now = time.monotonic()
        if now - self._running[0] > _COUNTED_FOR:
            self._running = (now, limits.tasks_of_user())
        slot = (
            Slot(None) if spec["trusted"] or self._groups is None else self._slots.pop() if self._slots else Slot(self._groups)
        )
        container = Container(spec, slot, self._running[1])
        pod.containers[spec["name"]] = container
        for descriptor in container.outputs:
            self._selector.register(descriptor, selectors.EVENT_READ, container)

    def _stop(self, name: str, request: int, grace: float) -> None:
        pod = self._pods.get(name)
        if pod is None:
            self._send({"id": request})
            return
        pod.waiting.append(request)
        pod.stop(grace)

    # Output

    def _read_output(self, descriptor: int, container: Container) -> None:
        if descriptor not in container.outputs:
            return
        if not container.read(descriptor):
            self._selector.unregister(descriptor)
            container.drop(descriptor)
        elif pause := container.log.wait():
            self._selector.unregister(descriptor)
            self._paused[descriptor] = (time.monotonic() + pause, container)

    def _resume_outputs(self) -> None:
        now = time.monotonic()
        for descriptor in [each for each, (when, _) in self._paused.items() if when <= now]:
            _, container = self._paused.pop(descriptor)
            self._selector.register(descriptor, selectors.EVENT_READ, container)

    # Ends

    def _reap(self) -> None:
        mains = {c.pid: c for pod in self._pods.values() for c in pod.containers.values() if c.state == "running"}
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if pid in mains:
                mains[pid].exited(status)
            else:
                for slot in [each for each in self._slots if each.pid == pid]:
                    self._slots.remove(slot)
                    slot.release()

    def _advance(self) -> None:
        busy = [pod for pod in self._pods.values() if pod.busy]
        if not busy:
            return
        table = processtable.snapshot()
        processtable.kill(fugitives(table, list(self._pods.values()), {slot.pid for slot in self._slots}))
        for pod in busy:
            for container in pod.advance(table):
                self._finish(pod, container)
            if pod.done:
                del self._pods[pod.name]
                for request in pod.waiting:
                    self._send({"id": request})

    def _finish(self, pod: LaunchedPod, container: Container) -> None:
        for descriptor in container.outputs:
            if self._paused.pop(descriptor, None) is None:
                self._selector.unregister(descriptor)
        container.finish()
        if not pod.forgotten:
            self._send(
                {
                    "event": "ended",
                    "pod": pod.name,
                    "container": container.name,
                    "exitCode": container.exit_code,
                    "outOfMemory": container.out_of_memory(),
                    "message": container.log.tail.decode("utf-8", "replace"),
                }
            )
        if container.group is not None and not container.group.remove():
            self._old_groups.append(container.group)
        self._old_groups = [group for group in self._old_groups if not group.remove()]

    def _end_all(self) -> None:
        """The driver is gone: nobody is left to be asked for grace."""
        for pod in self._pods.values():
            pod.stop(0.0)
        while self._slots:
            self._slots.pop().discard()
        while self._pods:
            self._reap()
            self._advance()
            time.sleep(TICK / 4)


def _watch_parent(parent: int) -> None:
    """Beside the end of the socket, which a process that inherited the driver's end could keep open. The signal comes when the *thread*
    that started this process ends, so it only counts when the process is gone too."""

    def check(*_: object) -> None:
        if os.getppid() != parent:
            os.kill(os.getpid(), signal.SIGTERM)

    signal.signal(signal.SIGUSR1, check)
    parent_death_signal(signal.SIGUSR1)


def main() -> None:
    descriptor, name = int(sys.argv[1]), sys.argv[2]
    parent = os.getppid()
    connection = socket.socket(fileno=descriptor)
    os.set_inheritable(descriptor, False)
    if ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError("prctl(PR_SET_CHILD_SUBREAPER)")
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # Ctrl-C is the driver's business.
    groups = cgroups.find(name)
    if groups is not None:
        groups.sweep()
    launcher = Launcher(connection, groups)
    signal.signal(signal.SIGTERM, lambda *_: connection.shutdown(socket.SHUT_RD))
    _watch_parent(parent)
    if os.getppid() != parent:
        return
    launcher.run()
