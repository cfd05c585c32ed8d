"""The runner against a model server on loopback, and `execute_command` through the shell skill. Prints one JSON row a measurement.

    python bench/bench_runner.py [--runs 15]

Milliseconds as min / p50 / p99. The model server's own time is taken off per-turn figures. The runner is started with its task in place;
"waiting" is a runner that is up already and is given its task then.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sympozium_core.ipc.files import Root
from sympozium_core.ipc.watch import Watch

NATIVE = ("read_file", "write_file", "edit_file", "list_directory", "grep_search")


def summary(values: list[float]) -> dict[str, float]:
    ordered = sorted(values)
    at = {"min": 0, "p50": len(ordered) // 2, "p99": min(len(ordered) - 1, int(len(ordered) * 0.99))}
    return {name: round(ordered[index], 2) for name, index in at.items()} | {"n": len(ordered)}


def row(what: str, **figures: Any) -> None:
    print(json.dumps({"what": what, **figures}), flush=True)


class Model(threading.Thread):
    """Answers `turns` tool calls, then a text. As little work as can be: one thread, one connection at a time, raw sockets."""

    def __init__(self, turns: int, tool: str, arguments: dict[str, Any]) -> None:
        super().__init__(daemon=True)
        self.turns, self.tool, self.arguments = turns, tool, json.dumps(arguments)
        self.spans: list[tuple[float, float]] = []
        self.sizes: list[int] = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}/v1"
        self.start()

    def run(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with connection, connection.makefile("rb") as file:
                while self.one(connection, file):
                    pass

    def one(self, connection: socket.socket, file: Any) -> bool:
        length = 0
        while (line := file.readline()) not in (b"\r\n", b""):
            if line.lower().startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        if not length:
            return False
        body = file.read(length)
        begin = time.perf_counter()
        turn = body.count(b'"tool_call_id"')
        function = {"name": self.tool, "arguments": self.arguments}
        call = {"index": 0, "id": f"c{turn}", "type": "function", "function": function}
        delta = {"tool_calls": [call]} if turn < self.turns else {"content": "All done."}
        events = [
            {"choices": [{"index": 0, "delta": delta, "finish_reason": None}]},
            {"choices": [{"delta": {}, "finish_reason": "stop"}]},
        ]
        data = b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in events) + b"data: [DONE]\n\n"
        head = f"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: {len(data)}\r\n\r\n".encode()
        self.sizes.append(length)
        # Before the send: this thread may sleep after it until the runner has asked again, and the gap would come out as nothing.
        self.spans.append((begin, time.perf_counter()))
        connection.sendall(head + data)
        return True


class Pod:
    def __init__(self, model: Model) -> None:
        self.folder = tempfile.TemporaryDirectory(prefix="bench-runner-", dir="/var/tmp")
        path = Path(self.folder.name)
        for name in ("ipc", "workspace", "tmp", "skills"):
            (path / name).mkdir()
        (path / "workspace" / "a.txt").write_text("hello " * 500)
        for number in range(20):
            (path / "workspace" / f"f{number}").touch()
        self.root = Root(path / "ipc")
        self.environment = {
            "PATH": os.environ["PATH"],
            "SYMPOZIUM_IPC": f"{path}/ipc",
            "SYMPOZIUM_WORKSPACE": f"{path}/workspace",
        }
        self.environment |= {"SYMPOZIUM_TMP": f"{path}/tmp", "SYMPOZIUM_SKILLS": f"{path}/skills"}
        command = {"type": "object", "properties": {"command": {"type": "string"}}}
        self.task = {
            "version": 1,
            "task": "Do the thing.",
            "model": {"baseURL": model.url, "name": "stub"},
            "tools": [{"name": name, "server": "native"} for name in NATIVE]
            + [{"name": "execute_command", "server": "shell", "description": "Run.", "parameters": command}],
            "limits": {"deadline": time.time() + 60, "maxTurns": 100},
        }

    def spawn(self, module: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen([sys.executable, "-m", module], env=self.environment)

    def wait_for(self, path: str) -> None:
        with Watch(self.root, [path.rpartition("/")[0]]) as watch:
            while not self.root.exists(path):
                watch.wait(1)

    def close(self) -> None:
        self.root.close()
        self.folder.cleanup()


def peak_mib(pid: int) -> float:
    text = Path(f"/proc/{pid}/status").read_text()
    return int(text.partition("VmHWM:")[2].split()[0]) / 1024


def one_run(model: Model, *, waiting: bool = False) -> dict[str, Any]:
    model.spans.clear()
    pod = Pod(model)
    process: subprocess.Popen[bytes] | None = None
    try:
        if not waiting:
            pod.root.write_json("input/task.json", pod.task)
        begin = time.perf_counter()
        process = pod.spawn("sympozium_core.runner")
        if waiting:
            while not idle(process.pid):
                time.sleep(0.01)
            begin = time.perf_counter()
            pod.root.write_json("input/task.json", pod.task)
        pod.wait_for("output/result.json")
        result = pod.root.read_json("output/result.json", 1 << 20)
        assert result["status"] == "success", result
        rss = peak_mib(process.pid)
        pod.root.write_bytes("output/result.ack", b"")
        _, _, usage = os.wait4(process.pid, 0)
        process.returncode = 0
        end = time.perf_counter()
    finally:
        if process is not None and process.returncode is None:
            process.kill()
            process.wait()
        pod.close()
    gaps = [(later[0] - earlier[1]) * 1e3 for earlier, later in zip(model.spans, model.spans[1:], strict=False)]
    first, last = (model.spans[0][0] - begin) * 1e3, (end - model.spans[-1][1]) * 1e3
    return {"first": first, "gaps": gaps, "exit": last, "rss": rss, "cpu": (usage.ru_utime + usage.ru_stime) * 1e3}


def idle(pid: int) -> bool:
    """Whether the runner is up and asleep in its wait for the task."""
    try:
        return any("inotify" in os.readlink(f"/proc/{pid}/fd/{name}") for name in os.listdir(f"/proc/{pid}/fd"))
    except OSError:
        return False


def cases(runs: int) -> None:
    """CPU per turn is the least of all runs less that of the first case, which has no turn with a tool: load does not move it much."""
    idle_cpu = 0.0
    for turns, tool, arguments in (
        (0, "", {}),
        (10, "list_directory", {"path": "/workspace"}),
        (10, "read_file", {"path": "/workspace/a.txt"}),
        (50, "list_directory", {"path": "/workspace"}),
        (50, "read_file", {"path": "/workspace/a.txt"}),
    ):
        model = Model(turns, tool, arguments)
        model.sizes.clear()
        done = [one_run(model) for _ in range(runs)]
        cpu = min(run["cpu"] for run in done)
        idle_cpu = cpu if not turns else idle_cpu
        row(
            f"{turns} turns {tool}".strip(),
            cpu_ms_per_turn=round((cpu - idle_cpu) / turns, 2) if turns else None,
            start_to_first_request_ms=summary([run["first"] for run in done]),
            per_turn_ms=summary([gap for run in done for gap in run["gaps"]]) if turns else None,
            last_answer_to_exit_ms=summary([run["exit"] for run in done]),
            cpu_ms=summary([run["cpu"] for run in done]),
            peak_rss_mib=round(max(run["rss"] for run in done), 1),
            request_bytes=[model.sizes[0], max(model.sizes)],
        )
        model.listener.close()
    model = Model(0, "", {})
    row("waiting runner, task to first request", ms=summary([one_run(model, waiting=True)["first"] for _ in range(runs)]))
    model.listener.close()


def commands(calls: int) -> None:
    """The skill's server alone, the test as its bridge; then the bare fork of the same shell, in turns, so that load hits both."""
    model = Model(0, "", {})
    pod = Pod(model)
    server = pod.spawn("sympozium_skill_shell")
    try:
        pod.wait_for("tools/shell/manifest.json")
        there: list[float] = []
        bare: list[float] = []
        with Watch(pod.root, ["tools/shell/results"]) as watch:
            for number in range(calls):
                there.append(timed(lambda number=number: round_trip(pod.root, watch, f"c{number}")))  # type: ignore[misc]
                bare.append(
                    timed(
                        lambda: subprocess.run(["bash", "-c", "true"], capture_output=True, start_new_session=True, check=True)
                    )
                )
        beyond = [a - b for a, b in zip(there, bare, strict=True)]
        row("execute_command true", round_trip_ms=summary(there), bare_fork_ms=summary(bare), beyond_ms=summary(beyond))
        row("shell server", peak_rss_mib=round(peak_mib(server.pid), 1))
    finally:
        pod.root.write_bytes("done", b"")
        server.wait(10)
        pod.close()
        model.listener.close()


def round_trip(root: Root, watch: Watch, call: str) -> None:
    root.write_json(
        f"tools/shell/requests/{call}.json", {"id": call, "tool": "execute_command", "arguments": {"command": "true"}}
    )
    while not root.exists(f"tools/shell/results/{call}.json"):
        watch.wait(5)


def timed(act: Callable[[], Any]) -> float:
    begin = time.perf_counter()
    act()
    return (time.perf_counter() - begin) * 1e3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=15)
    parser.add_argument("--calls", type=int, default=200)
    arguments = parser.parse_args()
    row("conditions", cpus=os.cpu_count(), load=os.getloadavg(), python=sys.version.split()[0])
    cases(arguments.runs)
    commands(arguments.calls)
    row("conditions", load=os.getloadavg())


if __name__ == "__main__":
    main()
