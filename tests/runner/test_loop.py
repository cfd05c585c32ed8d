"""The runner as a process, against a model server on loopback: whole runs, from task to result."""

from __future__ import annotations

import json
import signal
import time
from typing import Any

import pytest


def test_a_run_lists_writes_and_reads(pod: Any, model: Any, reply: Any) -> None:
    (pod.workspace / "a.txt").write_text("hello\n")
    model.script = [
        reply.calls(("list_directory", {})),
        reply.calls(("write_file", {"path": "b/c.txt", "content": "new"}), ("read_file", {"path": "/workspace/a.txt"})),
        reply.says("Done."),
    ]
    result = pod.finish()
    assert (result.status, result.reason, result.response) == ("success", "Completed", "Done.")
    assert (result.metrics.turns, result.metrics.tool_calls) == (3, 3)
    assert (pod.workspace / "b" / "c.txt").read_text() == "new"
    listing, wrote, read = model.tool_messages()
    assert listing == "file          6 a.txt"
    assert wrote == "Wrote 3 bytes to /workspace/b/c.txt."
    assert read == "hello\n"
    told = pod.stream()
    assert {event["turn"] for event in told} == {1, 2, 3}
    assert [event["tool"] for event in told if event.get("status") == "ok"] == ["list_directory", "write_file", "read_file"]
    assert "text" in [event["type"] for event in told]
    assert model.connections == 1, "one connection serves all turns"


def test_equal_runs_ask_byte_for_byte_the_same(new_pod: Any, model: Any, reply: Any) -> None:
    script = [
        reply.calls(("list_directory", {"path": "/workspace"}), ("read_file", {"path": "nothing"}), ("nonsense", {})),
        reply.calls(("grep_search", {"pattern": "h.llo"}), ("write_file", {"path": "/tmp/x", "content": "é"})),
        reply.says("Done."),
    ]
    seen = []
    for _ in range(2):
        model.script, model.requests = script, []
        pod = new_pod()
        (pod.workspace / "a.txt").write_text("hello\n")
        assert pod.finish().status == "success"
        seen.append(model.requests)
        assert str(pod.path).encode() not in b"".join(model.requests), "a path of this machine reached the model"
    assert seen[0] == seen[1]


def test_the_runner_waits_for_its_task(pod: Any, model: Any, reply: Any) -> None:
    model.script = [reply.says("Hi.")]
    pod.start(give_task=False)
    pod.until((pod.ipc / "input").is_dir)
    assert not model.requests
    pod.give_task()
    assert pod.finish().response == "Hi."


def test_it_leaves_only_after_the_acknowledgement(pod: Any, model: Any, reply: Any) -> None:
    model.script = [reply.says("Hi.")]
    process = pod.start()
    pod.result()
    with pytest.raises(Exception, match="timed out"):
        process.wait(0.3)
    pod.root.write_bytes("output/result.ack", b"")
    assert process.wait(5) == 0


def test_without_a_task_a_signal_ends_it_quietly(pod: Any) -> None:
    process = pod.start(give_task=False)
    pod.until((pod.ipc / "input").is_dir)
    process.send_signal(signal.SIGTERM)
    assert process.wait(5) == 0
    assert not pod.root.exists("output/result.json")


def test_a_broken_task_is_a_typed_result(pod: Any, model: Any) -> None:
    pod.task["limits"]["maxTurns"] = "many"
    result = pod.finish()
    assert result.reason == "InfrastructureError"
    assert "input/task.json: limits.maxTurns" in result.error
    assert not model.requests


def test_too_many_turns(pod: Any, model: Any, reply: Any) -> None:
    model.script = [reply.calls(("list_directory", {}), text="Looking.")]
    pod.task["limits"]["maxTurns"] = 3
    result = pod.finish()
    assert (result.reason, result.metrics.turns, len(model.requests)) == ("BudgetExceeded", 3, 3)
    assert "maxTurns" in result.error
    assert result.response == "Looking.", "what the model said last is not lost"


def test_too_many_tool_calls_are_not_made(pod: Any, model: Any, reply: Any) -> None:
    model.script = [reply.calls(*[("write_file", {"path": f"f{n}", "content": ""}) for n in range(3)])]
    pod.task["limits"]["maxToolCalls"] = 2
    result = pod.finish()
    assert (result.reason, result.metrics.tool_calls) == ("BudgetExceeded", 0)
    assert not list(pod.workspace.iterdir())


def test_the_deadline_ends_a_model_that_never_answers(pod: Any, model: Any, reply: Any) -> None:
    model.script = [lambda handler: handler.rfile.read(1)]
    pod.task["limits"]["deadline"] = time.time() + 0.8
    begin = time.monotonic()
    result = pod.finish()
    assert result.reason == "Timeout"
    assert time.monotonic() - begin < 5


@pytest.mark.parametrize("how", ["file", "signal"])
def test_cancel_ends_a_waiting_run(pod: Any, model: Any, how: str) -> None:
    model.script = [lambda handler: handler.rfile.read(1)]
    process = pod.start()
    pod.until(lambda: model.requests)
    begin = time.monotonic()
    if how == "file":
        pod.root.write_bytes("control/cancel", b"")
    else:
        process.send_signal(signal.SIGTERM)
    result = pod.finish()
    assert result.reason == "Cancelled"
    assert time.monotonic() - begin < 2


def test_old_results_are_removed_when_the_context_is_full(pod: Any, model: Any, reply: Any) -> None:
    for number in range(12):
        (pod.workspace / f"f{number}").write_text(chr(ord("a") + number) * 3000)
    model.script = [*(reply.calls(("read_file", {"path": f"f{number}"})) for number in range(12)), reply.says("Done.")]
    pod.task["limits"]["contextBytes"] = 20_000
    assert pod.finish().status == "success"
    sizes = [len(body) for body in model.requests]
    # Beside the messages a request holds the offer of tools.
    assert max(sizes) < 20_000 + 5_000
    last = model.tool_messages()
    assert last[0].startswith("[This result of 3000 bytes was removed")
    assert [len(text) for text in last[-3:]] == [3000, 3000, 3000]
    assert [event for event in pod.stream() if event["type"] == "compacted"]
    # A prefix changes only where a batch was removed, so that the provider's cache is of use in between.
    changes = sum(
        not json.dumps(later["messages"]).startswith(json.dumps(earlier["messages"])[:-1])
        for earlier, later in zip(model.bodies(), model.bodies()[1:], strict=False)
    )
    assert 1 <= changes <= 4


def test_a_long_result_keeps_head_and_tail(pod: Any, model: Any, reply: Any) -> None:
    pod.task["limits"]["toolResultBytes"] = 300
    for number in range(100):
        (pod.workspace / f"file-{number:03}").touch()
    model.script = [reply.calls(("list_directory", {})), reply.says("Done.")]
    pod.finish()
    (text,) = model.tool_messages()
    assert len(text.encode()) < 400
    assert "file-000" in text
    assert "file-099" in text
    assert "bytes are left out here" in text


def test_resume_asks_nothing_again(pod: Any, model: Any, reply: Any) -> None:
    def call(id: str, name: str, **arguments: Any) -> dict[str, Any]:
        return {"id": id, "type": "function", "function": {"name": name, "arguments": json.dumps(arguments)}}

    (pod.workspace / "a.txt").write_text("content")
    messages = [
        {"role": "system", "content": "S"},
        {"role": "user", "content": "U"},
        {"role": "assistant", "content": None, "tool_calls": [call("one", "list_directory")]},
        {"role": "tool", "tool_call_id": "one", "content": "old listing"},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                call("known", "execute_command", command="a"),
                call("lost", "execute_command", command="b"),
                call("write", "write_file", path="x", content="y"),
                call("read", "read_file", path="a.txt"),
            ],
        },
    ]
    pod.offer({"name": "execute_command", "server": "shell", "description": "Run.", "parameters": {"type": "object"}})
    pod.task["resume"] = {
        "messages": messages,
        "toolResults": {"known": {"status": "ok", "content": "on record", "exitCode": 0}},
        "unknown": ["lost"],
    }
    model.script = [reply.says("Done.")]
    result = pod.finish()
    assert result.response == "Done."
    assert (result.metrics.turns, result.metrics.tool_calls) == (3, 5)
    (body,) = model.bodies()
    assert body["messages"][: len(messages)] == messages
    assert [m["tool_call_id"] for m in body["messages"][len(messages) :]] == ["known", "lost", "write", "read"]
    _, known, lost, write, read = model.tool_messages()
    assert known == "on record"
    assert lost.startswith("Outcome unknown: ")
    assert write.startswith("Outcome unknown: ")
    assert read == "content"
    assert not (pod.workspace / "x").exists()
    assert not pod.root.names("tools/shell/requests")


def test_resume_of_a_finished_answer_asks_nothing_at_all(pod: Any, model: Any) -> None:
    pod.task["resume"] = {
        "messages": [{"role": "user", "content": "U"}, {"role": "assistant", "content": "It was 42."}],
        "toolResults": {},
        "unknown": [],
    }
    assert pod.finish().response == "It was 42."
    assert not model.requests
