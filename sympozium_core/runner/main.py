"""The program in the agent's container: waits for its task, does it, writes the result, and leaves when that is safe."""

from __future__ import annotations

import signal
import sys
import time
from types import FrameType

from sympozium_core.errors import Permanent
from sympozium_core.ipc.files import FileRefused, Root
from sympozium_core.ipc.layout import MAX_RESULT, MAX_TASK, MODEL_SOCKET, RESULT, RESULT_ACK, STREAM_PREFIX, TASK
from sympozium_core.ipc.protocol import RunResult
from sympozium_core.ipc.task import Task, parse_task
from sympozium_core.ipc.watch import Watch
from sympozium_core.names import NATIVE_SERVER
from sympozium_core.runner.loop import Loop, Parts
from sympozium_core.runner.model import Model, ModelFailed
from sympozium_core.runner.places import Places, places_from
from sympozium_core.runner.progress import Progress
from sympozium_core.runner.server_calls import ServerCalls
from sympozium_core.runner.stop import Stop
from sympozium_core.runner.toolbox import Toolbox
from sympozium_core.runner.tools.roots import Roots

ACK_GRACE = 10.0
"""Seconds beyond the deadline (or after a cancel) for the result's acknowledgement."""
ACK_LONGEST = 3600.0


class Signals:
    """SIGTERM and SIGINT cancel the run; once its result is written, they end the wait for the acknowledgement."""

    def __init__(self, stop: Stop) -> None:
        self._stop = stop
        self.leaving = False
        stop.wake.by_signals()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._caught)

    def _caught(self, number: int, frame: FrameType | None) -> None:
        if self.leaving:
            raise SystemExit(0)
        self._stop.cancel(f"signal {signal.Signals(number).name}")


def main() -> int:
    """Exit code 0 once a result is written, whatever it says, and when the process is ended before it has a task."""
    places = places_from()
    try:
        root = Root(places.ipc)
    except OSError as error:
        print(
            f"the runner finds no volume at {places.ipc!r}: {error.strerror}; SYMPOZIUM_IPC says where it is", file=sys.stderr
        )
        return 1
    with root:
        stop = Stop()
        signals = Signals(stop)
        if not wait_for(root, TASK, stop):
            return 0
        deadline, result = run(root, places, stop)
        if not write_result(root, result):
            return 1
        signals.leaving = True
        wait_for_ack(root, deadline, cancelled=stop.cancelled)
        return 0


def wait_for(root: Root, path: str, stop: Stop) -> bool:
    """Whether the file came; False when the process is to end."""
    directory = path.rpartition("/")[0]
    with Watch(root, [directory]) as watch:
        while not stop.cancelled:
            if root.exists(path):
                return True
            watch.wait(wake=stop.descriptor)
    return False


def run(root: Root, places: Places, stop: Stop) -> tuple[float, RunResult]:
    """The task's deadline in epoch seconds (0: none), and the result."""
    deadline = 0.0
    try:
        task = parse_task(root.read_json(TASK, MAX_TASK), TASK)
        deadline = task.limits.deadline
        if deadline:
            stop.expire_at(deadline)
        return deadline, _execute(root, places, stop, task)
    except ModelFailed as error:
        return deadline, RunResult("error", "ModelError", error=str(error))
    except Permanent as error:
        return deadline, RunResult("error", "InfrastructureError", error=str(error))
    except Exception as error:
        # A defect of the runner. The trace goes to the container's log; values are not in it.
        import traceback  # 7 ms that a run without a defect does not pay

        traceback.print_exc()
        detail = error.strerror if isinstance(error, OSError) and error.strerror else type(error).__name__
        return deadline, RunResult("error", "InfrastructureError", error=f"the runner failed: {detail}")


def _execute(root: Root, places: Places, stop: Stop, task: Task) -> RunResult:
    progress = Progress(root)
    roots = Roots(places, task.limits.tool_result_bytes)
    servers = {name for tool in task.tools for name in (tool.server, *tool.servers)} - {NATIVE_SERVER}
    calls = ServerCalls(root, sorted(servers), stop, patience=task.limits.approval_seconds)
    try:
        toolbox = Toolbox(task.tools, roots, calls, progress)
        model = Model(task.model, stop, unix=f"{places.ipc}/{MODEL_SOCKET}", on_text=progress.text)
        try:
            return Loop(task, Parts(model, toolbox, progress, stop)).execute()
        finally:
            model.close()
    finally:
        progress.close()
        calls.close()
        roots.close()


def write_result(root: Root, result: RunResult) -> bool:
    """Writes it whole; where the disk is full, makes room by dropping what was only progress. Says whether it is written."""
    data = result.to_json()
    for _ in range(3):
        try:
            root.write_json(RESULT, data, sync=True)
            if len(root.read_bytes(RESULT, MAX_RESULT)) <= MAX_RESULT:
                return True
        except FileRefused:
            # Escapes have made it too long for its reader.
            data["response"] = data["response"][: len(data["response"]) // 6]
        except OSError as error:
            print(f"the result cannot be written: {error.strerror}", file=sys.stderr)
            for name in root.names("output"):
                if f"output/{name}".startswith(STREAM_PREFIX):
                    root.remove(f"output/{name}")
    return False


def wait_for_ack(root: Root, deadline: float, *, cancelled: bool) -> None:
    """Returns when the bus has the result, or when nobody will say so any more."""
    left = ACK_LONGEST if not deadline else max(0.0, deadline - time.time()) + ACK_GRACE
    end = time.monotonic() + (ACK_GRACE if cancelled else min(left, ACK_LONGEST))
    with Watch(root, [RESULT_ACK.rpartition("/")[0]]) as watch:
        while not root.exists(RESULT_ACK) and (remaining := end - time.monotonic()) > 0:
            watch.wait(remaining)
