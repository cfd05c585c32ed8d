"""Runs one command of a call: in a process group of its own, with a time, an end on cancel, bounded output, and nothing left behind."""

from __future__ import annotations

import contextlib
import os
import select
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sympozium_core.sidecar.calls import MAX_SAID, Call
from sympozium_core.sidecar.descendants import ENV_CALL, end_group, end_strays, start

OUTPUT = 50 * 1024
"""Bytes of each stream that are kept in the result: half from the head, half from the tail."""
MAX_ARTIFACT = 64 * 1024 * 1024
"""Bytes of each stream that are kept as an artifact."""
DRAIN = 2.0
"""Seconds for the pipes to end after all processes are dead."""
_TICK = 0.05


@dataclass(frozen=True)
class Command:
    words: Sequence[str]
    directory: str
    environment: Mapping[str, str]
    timeout: float
    """Seconds; the call's own deadline counts too."""
    stdin: str = ""
    keep: int = OUTPUT
    """Bytes of each stream that the caller gets; it makes them shorter itself where they are more than `OUTPUT`."""


@dataclass(frozen=True)
class Finished:
    exit_code: int
    """As a shell says it: 128 plus the signal's number for a command that was killed."""
    stdout: str
    stderr: str
    timed_out: bool = False
    cancelled: bool = False
    truncated: bool = False
    artifacts: tuple[str, ...] = ()


class Capture:
    """One output stream: kept whole while it is short, else its head and tail, and the whole as an artifact."""

    def __init__(self, name: str, call: Call, limit: int = OUTPUT) -> None:
        self._name = name
        self._call = call
        self._limit = limit
        self._head = bytearray()
        self._tail = b""
        self._size = 0
        self._file = -1
        self.artifact = ""

    @property
    def truncated(self) -> bool:
        return self._size > self._limit

    def take(self, data: bytes) -> None:
        self._call.say(data[-MAX_SAID:].decode("utf-8", "replace"))
        if self._size <= self._limit < self._size + len(data):
            self._spill()
        self._keep(data)
        self._size += len(data)
        room = max(0, self._limit - len(self._head))
        self._head += data[:room]
        if len(data) > room:
            self._tail = (self._tail + data[room:])[-self._limit :]

    def text(self) -> str:
        if not self.truncated:
            return self._head.decode("utf-8", "replace")
        half = self._limit // 2
        tail = (bytes(self._head) + self._tail)[-half:] if len(self._tail) < half else self._tail[-half:]
        missing = self._size - 2 * half
        first, last = self._head[:half].decode("utf-8", "replace"), tail.decode("utf-8", "replace")
        return f"{first}\n[… {missing} bytes are left out here …]\n{last}"

    def close(self) -> None:
        if self._file >= 0:
            self.artifact = self._call.close_artifact(f"{self._name}.txt", self._file)
            self._file = -1

    def _spill(self) -> None:
        with contextlib.suppress(OSError):  # a full disk costs the artifact, not the result
            self._file = self._call.open_artifact(f"{self._name}.txt")
            self._write(bytes(self._head))

    def _keep(self, data: bytes) -> None:
        if self._file >= 0 and self._size < MAX_ARTIFACT:
            with contextlib.suppress(OSError):
                self._write(data[: MAX_ARTIFACT - self._size])

    def _write(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[os.write(self._file, view) :]


def run_command(command: Command, call: Call) -> Finished:
    """Runs it to its end, its timeout, or the call's cancel. Raises OSError where it cannot be started.

    Whatever it has started ends with it, in the background or not.
    """
    end = time.monotonic() + min(command.timeout, call.remaining)
    process = start(
        lambda: subprocess.Popen(
            list(command.words),
            cwd=command.directory,
            env={**command.environment, ENV_CALL: call.id},
            stdin=subprocess.PIPE if command.stdin else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            bufsize=0,
        )
    )
    out, err = Capture("stdout", call, command.keep), Capture("stderr", call, command.keep)
    with _Pump(process, out, err, command.stdin.encode("utf-8", "replace"), call) as pump:
        try:
            ended = pump.until_dead(end)
        finally:
            end_group(process.pid)
            code = process.wait()
            end_strays(call.id, process.pid)
        pump.drain(time.monotonic() + DRAIN)
    out.close()
    err.close()
    return Finished(
        exit_code=code if code >= 0 else 128 - code,
        stdout=out.text(),
        stderr=err.text(),
        timed_out=not ended and not call.cancelled,
        cancelled=not ended and call.cancelled,
        truncated=out.truncated or err.truncated,
        artifacts=tuple(name for name in (out.artifact, err.artifact) if name),
    )


class _Pump:
    """Moves bytes between a process and its captures with one poll loop, and sees its death and the call's cancel."""

    def __init__(self, process: subprocess.Popen[bytes], out: Capture, err: Capture, data: bytes, call: Call) -> None:
        assert process.stdout is not None
        assert process.stderr is not None
        self._process = process
        self._call = call
        self._sinks = {process.stdout.fileno(): out, process.stderr.fileno(): err}
        self._data = memoryview(data)
        self._poller = select.poll()
        for descriptor in self._sinks:
            self._poller.register(descriptor, select.POLLIN)
        self._stdin = -1
        if process.stdin is not None:
            self._stdin = process.stdin.fileno()
            os.set_blocking(self._stdin, False)
            self._poller.register(self._stdin, select.POLLOUT)
        self._poller.register(call.descriptor, select.POLLIN)
        try:
            self._death = os.pidfd_open(process.pid)
            self._poller.register(self._death, select.POLLIN)
        except (OSError, AttributeError):
            self._death = -1  # an old kernel, or gVisor: then look now and then

    def __enter__(self) -> _Pump:
        return self

    def __exit__(self, *exc: object) -> None:
        if self._death >= 0:
            os.close(self._death)
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            if pipe is not None and not pipe.closed:
                with contextlib.suppress(OSError):
                    pipe.close()

    def until_dead(self, end: float) -> bool:
        """Whether the process has ended by itself before `end` and without a cancel. It is not reaped yet."""
        while True:
            left = end - time.monotonic()
            if left <= 0 or self._call.cancelled:
                return self._dead()
            unsaid = self._call.unsaid
            self._step(min(left, _TICK if self._death < 0 else left, left if unsaid is None else unsaid))
            self._call.speak()
            if self._dead():
                return True

    def drain(self, end: float) -> None:
        """Reads what is still in the pipes."""
        self._close_stdin()
        self._poller.unregister(self._call.descriptor)
        if self._death >= 0:
            self._poller.unregister(self._death)
        while self._sinks and (left := end - time.monotonic()) > 0:
            self._step(left)

    def _dead(self) -> bool:
        return os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    def _step(self, seconds: float) -> None:
        for descriptor, _ in self._poller.poll(int(seconds * 1000) + 1):
            if descriptor == self._stdin:
                self._feed()
            elif descriptor in self._sinks:
                data = os.read(descriptor, 65_536)
                if data:
                    self._sinks[descriptor].take(data)
                else:
                    self._poller.unregister(descriptor)
                    del self._sinks[descriptor]

    def _feed(self) -> None:
        try:
            self._data = self._data[os.write(self._stdin, self._data[:65_536]) :]
        except BlockingIOError:
            return
        except OSError:
            self._data = self._data[:0]  # the command does not read it
        if not self._data:
            self._close_stdin()

    def _close_stdin(self) -> None:
        if self._stdin >= 0 and self._process.stdin is not None:
            self._poller.unregister(self._stdin)
            self._process.stdin.close()
            self._stdin = -1
