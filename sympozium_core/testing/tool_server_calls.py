"""Checks of `ToolServerContract` on requests: which are answered, how, and how often."""

from __future__ import annotations

import json
import os
import time

from sympozium_core.ipc import layout
from sympozium_core.ipc.protocol import TOOL_STATUSES
from sympozium_core.testing.json_schemas import faults_of_document
from sympozium_core.testing.tool_server_bench import ServerBench
from sympozium_core.testing.tool_server_probes import ServerChecks

MANY = 25
SOON = 15.0
"""Seconds for what is to happen at once, on a very busy machine; less than the 30 of a slow probe."""


class CallChecks(ServerChecks):
    def test_a_call_is_answered(self, bench: ServerBench) -> None:
        example = self.probe("example")
        bench.up()
        call = bench.ask(example.tool, example.arguments)
        result = bench.result(call)
        assert result.id == call
        assert result.status == "ok", result.content

    def test_a_result_is_of_the_protocol(self, bench: ServerBench) -> None:
        example = self.probe("example")
        bench.up()
        call = bench.ask(example.tool, example.arguments)
        bench.result(call)
        written = bench.raw_result(call)
        assert not (wrong := faults_of_document("tool-result", written)), wrong
        assert written["status"] in TOOL_STATUSES
        assert isinstance(written.get("content"), str), "a result has a content, which may be empty"

    def test_a_result_is_written_and_then_renamed(self, bench: ServerBench) -> None:
        example = self.probe("example")
        bench.up()
        with bench.writes(f"{bench.directory}/{layout.RESULTS}") as seen:
            call = bench.ask(example.tool, example.arguments)
            bench.result(call)
        assert [way for way, name in seen if name == f"{call}.json"] == ["moved"], "a reader may have seen half of the result"

    def test_requests_from_before_it_came_up_are_answered(self, bench: ServerBench) -> None:
        example = self.probe("example")
        calls = [bench.ask(example.tool, example.arguments) for _ in range(3)]
        bench.up()
        assert [bench.result(call).status for call in calls] == ["ok"] * 3

    def test_many_requests_at_once_are_all_answered(self, bench: ServerBench) -> None:
        example = self.probe("example")
        bench.up()
        calls = [bench.ask(example.tool, example.arguments) for _ in range(MANY)]
        assert {bench.result(call, 60).status for call in calls} == {"ok"}

    def test_a_request_runs_once(self, bench: ServerBench) -> None:
        count = self.probe("count")
        bench.up()
        probes = {f"word{number}": count(f"word{number}") for number in range(10)}
        for word, probe in probes.items():
            call = bench.ask(probe.tool, probe.arguments, call=word)
            bench.result(call)
        # A reader may be told of a file more than once; what is answered stays answered.
        os.utime(bench.ipc / bench.directory / layout.REQUESTS)
        probe = count("last")
        bench.call(probe.tool, probe.arguments)
        assert counted(bench) == [*sorted(probes), "last"], "a request was run more than once, or not at all"

    def test_of_two_servers_one_answers(self, bench: ServerBench) -> None:
        count = self.probe("count")
        bench.up()
        bench.root.remove(f"{bench.directory}/{layout.MANIFEST}")
        bench.up()
        words = [f"word{number}" for number in range(20)]
        for word in words:
            probe = count(word)
            bench.ask(probe.tool, probe.arguments, call=word)
        for word in words:
            bench.result(word, 60)
        bench.done()
        for process in bench.processes:
            bench.until(lambda each=process: each.poll() is not None, "a server goes on after done")  # type: ignore[misc]
        assert sorted(counted(bench)) == sorted(words), "two servers on one volume have run one request twice"

    def test_a_slow_call_does_not_hold_up_others(self, bench: ServerBench) -> None:
        slow, example = self.probe("slow"), self.probe("example")
        bench.up()
        waiting = [bench.ask(slow.tool, slow.arguments) for _ in range(2)]
        call = bench.ask(example.tool, example.arguments)
        assert bench.result(call, SOON).status == "ok"
        assert not any(bench.answered(each) for each in waiting), "the slow probe is not slow"

    def test_an_unknown_tool_is_an_error_that_says_so(self, bench: ServerBench) -> None:
        bench.up()
        result = bench.call("no_such_tool", {})
        assert result.status == "error", f"a tool that is not there was answered {result.status!r}"
        assert "no_such_tool" in result.content, "the error does not name the tool"

    def test_arguments_that_do_not_fit_are_an_error_that_says_so(self, bench: ServerBench) -> None:
        wrong = self.probe("wrong")
        bench.up()
        result = bench.call(wrong.tool, wrong.arguments)
        assert result.status == "error", f"arguments that do not fit were answered {result.status!r}"
        assert result.content.strip(), "the error has no words"

    def test_it_lives_on_after_errors(self, bench: ServerBench) -> None:
        example = self.probe("example")
        bench.up()
        for number in range(3):
            bench.call("no_such_tool", {"number": number})
        assert bench.call(example.tool, example.arguments).status == "ok"

    def test_the_deadline_of_a_call_is_kept(self, bench: ServerBench) -> None:
        slow = self.probe("slow")
        bench.up()
        call = bench.ask(slow.tool, slow.arguments, seconds=1.0)
        result = bench.result(call, SOON)
        assert result.status in ("timeout", "error"), f"a call whose deadline has passed was answered {result.status!r}"

    def test_a_call_that_comes_too_late_is_not_begun(self, bench: ServerBench) -> None:
        count = self.probe("count")
        bench.up()
        late, timely = count("late"), count("timely")
        call = bench.ask(late.tool, late.arguments, deadline=time.time() - 5)
        assert bench.result(call).status == "timeout"
        bench.call(timely.tool, timely.arguments)
        assert counted(bench) == ["timely"]

    def test_files_that_are_not_there_yet_are_left_alone(self, bench: ServerBench) -> None:
        example = self.probe("example")
        bench.up()
        data = json.dumps({"id": "c", "tool": example.tool, "arguments": dict(example.arguments)}).encode()
        hidden = (".hidden.json", "half.json.tmp", ".c.json.1234")
        for name in hidden:
            bench.ask_raw(name, data)
        assert bench.call(example.tool, example.arguments).status == "ok"
        left = os.listdir(bench.ipc / bench.directory / layout.REQUESTS)
        assert set(hidden) <= set(left), "a file that its writer has not renamed yet was taken away"
        assert not [name for name in bench.root.names(f"{bench.directory}/{layout.RESULTS}") if not name.startswith("call_")]

    def test_junk_among_the_requests_does_no_harm(self, bench: ServerBench) -> None:
        example = self.probe("example")
        bench.up()
        for name, data in {
            "broken.json": b"{",
            "list.json": b"[]",
            "empty-object.json": b"{}",
            "wrong-types.json": b'{"id": 3, "tool": [], "arguments": "x"}',
            "binary.json": bytes(range(256)),
            "no-ending": b"x",
            "a b.json": b"{}",
        }.items():
            bench.ask_raw(name, data)
        (bench.ipc / bench.directory / layout.REQUESTS / "folder.json").mkdir()
        assert bench.call(example.tool, example.arguments).status == "ok"

    def test_a_request_that_cannot_be_read_is_answered_by_its_name(self, bench: ServerBench) -> None:
        example = self.probe("example")
        bench.up()
        bench.ask_raw("broken.json", b"{")
        assert bench.result("broken").status == "error", "a request that is no JSON"
        other = {"id": "two", "tool": example.tool, "arguments": dict(example.arguments)}
        bench.ask_raw("one.json", json.dumps(other).encode())
        assert bench.result("one").status == "error", "a request whose id is another than that of its file"
        assert not bench.answered("two"), "the name of the file is the id of the call"

    def test_fields_that_it_does_not_know_are_ignored(self, bench: ServerBench) -> None:
        example = self.probe("example")
        bench.up()
        more = {"later": {"deep": [1, 2]}, "trace": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "argv": None}
        assert bench.call(example.tool, example.arguments, **more).status == "ok"


def counted(bench: ServerBench) -> list[str]:
    """The words that count probes have left."""
    file = bench.workspace / "counted"
    return file.read_text().split() if file.exists() else []
