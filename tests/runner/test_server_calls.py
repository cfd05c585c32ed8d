"""Calls to tool servers: the runner's side of the files, with the test as the bridge."""

from __future__ import annotations

import signal
import time
from typing import Any

import pytest

from sympozium_core.ipc.protocol import ToolRequest, ToolResult, parse_tool_request

COMMAND = {
    "name": "execute_command",
    "server": "shell",
    "description": "Run.",
    "parameters": {"type": "object", "properties": {"command": {"type": "string"}}},
}


def requests(pod: Any, server: str = "shell") -> list[ToolRequest]:
    directory = f"tools/{server}/requests"
    return [parse_tool_request(pod.root.read_json(f"{directory}/{name}", 1 << 20), name) for name in pod.root.names(directory)]


def answer(pod: Any, result: ToolResult, server: str = "shell") -> None:
    pod.root.write_json(f"tools/{server}/results/{result.id}.json", result.to_json())


def test_a_call_goes_out_and_its_result_comes_back(pod: Any, model: Any, reply: Any) -> None:
    pod.offer(COMMAND)
    model.script = [reply.calls(("execute_command", {"command": "false"}), ids=("c1",)), reply.says("Done.")]
    pod.start()
    pod.until(lambda: requests(pod))
    (request,) = requests(pod)
    assert (request.id, request.tool, request.arguments) == ("c1", "execute_command", {"command": "false"})
    assert 0 < request.deadline - time.time() <= 120
    answer(pod, ToolResult("c1", "ok", "out\n", exit_code=1, truncated=True, artifacts=("c1-stdout.txt",)))
    assert pod.finish().response == "Done."
    assert model.tool_messages() == [
        "out\n[Exit code 1.]\n[The tool cut its own output.]\n[Kept whole as artifact: c1-stdout.txt.]"
    ]


def test_calls_of_one_answer_run_at_the_same_time_and_results_keep_their_order(pod: Any, model: Any, reply: Any) -> None:
    pod.offer(COMMAND)
    ids = tuple(f"c{number}" for number in range(5))
    model.script = [reply.calls(*[("execute_command", {"command": id}) for id in ids], ids=ids), reply.says("Done.")]
    pod.start()
    pod.until(lambda: len(requests(pod)) == 5)
    for id in reversed(ids):
        answer(pod, ToolResult(id, "ok", f"output of {id}"))
    pod.finish()
    assert model.tool_messages() == [f"output of {id}" for id in ids]


def test_at_most_eight_run_at_once(pod: Any, model: Any, reply: Any) -> None:
    pod.offer(COMMAND)
    ids = tuple(f"c{number:02}" for number in range(12))
    model.script = [reply.calls(*[("execute_command", {}) for _ in ids], ids=ids), reply.says("Done.")]
    pod.start()
    pod.until(lambda: len(requests(pod)) == 8)
    answered: set[str] = set()
    while len(answered) < 12:
        waiting = [request.id for request in requests(pod) if request.id not in answered]
        assert len(waiting) <= 8
        if waiting:
            answered.add(waiting[0])
            answer(pod, ToolResult(waiting[0], "ok", waiting[0]))
    pod.finish()
    assert model.tool_messages() == list(ids)


def test_target_selects_the_server_and_is_taken_out(pod: Any, model: Any, reply: Any) -> None:
    pod.offer({**COMMAND, "servers": ["shell", "k8s-ops"]})
    wanted = [
        ("execute_command", {"command": "a"}),
        ("execute_command", {"command": "b", "target": "k8s-ops"}),
        ("execute_command", {"target": "x"}),
    ]
    model.script = [reply.calls(*wanted, ids=("c1", "c2", "c3")), reply.says("Done.")]
    pod.start()
    pod.until(lambda: requests(pod) and requests(pod, "k8s-ops"))
    assert [request.id for request in requests(pod)] == ["c1"]
    assert requests(pod, "k8s-ops")[0].arguments == {"command": "b"}
    answer(pod, ToolResult("c1", "ok", "one"))
    answer(pod, ToolResult("c2", "ok", "two"), "k8s-ops")
    pod.finish()
    assert model.tool_messages() == ["one", "two", "Error: target must be one of: shell, k8s-ops"]
    tool = model.bodies()[0]["tools"][-1]["function"]
    assert tool["parameters"]["properties"]["target"]["enum"] == ["shell", "k8s-ops"]


def test_every_status_is_told(pod: Any, model: Any, reply: Any) -> None:
    pod.offer(COMMAND)
    statuses = ("error", "denied", "timeout", "unknown", "ok")
    model.script = [reply.calls(*[("execute_command", {})] * 5, ids=statuses), reply.says("Done.")]
    pod.start()
    for status in statuses:
        answer(pod, ToolResult(status, status, "because" if status != "ok" else ""))
    pod.finish()
    assert model.tool_messages() == [
        "Error: because",
        "Denied: because",
        "Timed out: because",
        "Outcome unknown: because",
        "[No output.]",
    ]


def test_a_broken_result_is_an_error_of_that_call(pod: Any, model: Any, reply: Any) -> None:
    pod.offer(COMMAND)
    model.script = [reply.calls(*[("execute_command", {})] * 3, ids=("c1", "c2", "c3")), reply.says("Done.")]
    pod.start()
    pod.root.write_bytes("tools/shell/results/c1.json", b"{")
    pod.root.write_json("tools/shell/results/c2.json", {"id": "c2", "status": "perhaps"})
    pod.root.write_json("tools/shell/results/c3.json", {"id": "c4", "status": "ok"})
    pod.finish()
    texts = model.tool_messages()
    assert "is not JSON" in texts[0]
    assert "status" in texts[1]
    assert "another call" in texts[2]


@pytest.mark.parametrize("how", ["file", "signal"])
@pytest.mark.parametrize("calls", [1, 3])
def test_cancel_ends_waiting_calls_and_says_so_to_the_bridge(pod: Any, model: Any, reply: Any, how: str, calls: int) -> None:
    pod.offer(COMMAND)
    ids = tuple(f"c{number}" for number in range(calls))
    model.script = [reply.calls(*[("execute_command", {})] * calls, ids=ids), reply.says("Done.")]
    process = pod.start()
    pod.until(lambda: len(requests(pod)) == calls)
    if how == "file":
        pod.root.write_bytes("control/cancel", b"")
    else:
        process.send_signal(signal.SIGTERM)
    assert pod.finish().reason == "Cancelled"
    assert pod.root.names("tools/shell/cancel") == list(ids)


def test_the_deadline_of_the_run_ends_a_waiting_call(pod: Any, model: Any, reply: Any) -> None:
    pod.offer(COMMAND)
    pod.task["limits"]["deadline"] = time.time() + 3.0
    model.script = [reply.calls(("execute_command", {"timeout": 60}), ids=("c1",)), reply.says("Done.")]
    pod.start()
    pod.until(lambda: requests(pod))
    assert requests(pod)[0].deadline <= pod.task["limits"]["deadline"] + 0.5
    assert pod.finish().reason == "Timeout"
