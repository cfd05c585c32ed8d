"""Checks of `ToolServerContract` on ends: of a call that nobody waits for, of the server, and of what another server had begun."""

from __future__ import annotations

import signal

import pytest

from sympozium_core.ipc import layout
from sympozium_core.testing.tool_server_bench import ServerBench
from sympozium_core.testing.tool_server_calls import SOON, counted
from sympozium_core.testing.tool_server_probes import ServerChecks


class EndChecks(ServerChecks):
    def test_a_call_that_is_cancelled_ends(self, bench: ServerBench) -> None:
        slow = self.probe("slow")
        bench.up()
        call = bench.ask(slow.tool, slow.arguments)
        self._begun(bench, call)
        bench.cancel(call)
        assert bench.result(call, SOON).status != "timeout"

    def test_the_word_of_a_cancel_is_taken_away(self, bench: ServerBench) -> None:
        slow = self.probe("slow")
        bench.up()
        call = bench.ask(slow.tool, slow.arguments)
        self._begun(bench, call)
        bench.cancel(call)
        path = f"{bench.directory}/{layout.CANCEL}/{call}"
        bench.until(lambda: not bench.root.exists(path), f"{path} stays where it is", SOON)

    def test_a_cancel_for_nobody_does_no_harm(self, bench: ServerBench) -> None:
        example = self.probe("example")
        bench.up()
        call = bench.ask(example.tool, example.arguments)
        bench.result(call)
        for each in (call, "never-asked"):
            bench.cancel(each)
        for _ in range(2):  # one may have been begun before the cancels were seen
            assert bench.call(example.tool, example.arguments).status == "ok"

    def test_a_cancelled_call_leaves_no_process(self, bench: ServerBench) -> None:
        slow = self.probe("slow")
        bench.up()
        before = len(bench.left_running())
        call = bench.ask(slow.tool, slow.arguments)
        self._begun(bench, call)
        bench.cancel(call)
        bench.result(call, SOON)
        bench.until(lambda: len(bench.left_running()) <= before, f"these go on: {bench.left_running()}", SOON)

    def test_it_ends_when_no_more_calls_will_come(self, bench: ServerBench) -> None:
        bench.up()
        assert bench.processes[-1].poll() is None, "the server ended before it was told"
        bench.done()
        assert bench.ended("the server goes on after done") == 0

    def test_it_ends_also_when_it_was_done_before_it_came_up(self, bench: ServerBench) -> None:
        bench.done()
        bench.start()
        assert bench.ended("the server goes on, though done was there before it") == 0

    def test_it_ends_by_a_signal(self, bench: ServerBench) -> None:
        bench.up()
        bench.processes[-1].send_signal(signal.SIGTERM)
        assert bench.ended("the server goes on after SIGTERM") in (0, -signal.SIGTERM, 128 + signal.SIGTERM)

    @pytest.mark.parametrize("how", ["done", "signal"])
    def test_it_ends_while_calls_run_and_leaves_no_process(self, bench: ServerBench, how: str) -> None:
        slow = self.probe("slow")
        bench.up()
        call = bench.ask(slow.tool, slow.arguments)
        self._begun(bench, call)
        if how == "done":
            bench.done()
        else:
            bench.processes[-1].send_signal(signal.SIGTERM)
        bench.ended(f"the server goes on after {how} while a call runs")
        bench.until(lambda: not bench.left_running(), f"these have outlived the server: {bench.left_running()}", SOON)

    def test_the_next_server_answers_what_was_not_begun(self, bench: ServerBench) -> None:
        example = self.probe("example")
        bench.up()
        bench.processes[-1].kill()
        bench.ended("it was killed")
        call = bench.ask(example.tool, example.arguments)
        bench.start()
        assert bench.result(call).status == "ok"

    def test_the_next_server_does_not_run_again_what_was_begun(self, bench: ServerBench) -> None:
        slow, count = self.probe("slow"), self.probe("count")
        bench.up()
        call = bench.ask(slow.tool, slow.arguments)
        self._begun(bench, call)
        bench.processes[-1].kill()
        bench.ended("it was killed")
        bench.start()
        probe = count("next")
        assert bench.call(probe.tool, probe.arguments).status == "ok"
        if bench.answered(call):
            assert bench.result(call).status in ("unknown", "error"), "a call of which nobody knows the outcome was made again"

    def test_the_next_server_does_not_answer_twice(self, bench: ServerBench) -> None:
        count = self.probe("count")
        bench.up()
        probe = count("once")
        call = bench.ask(probe.tool, probe.arguments)
        bench.result(call)
        bench.processes[-1].kill()
        bench.ended("it was killed")
        bench.start()
        probe = count("next")
        bench.call(probe.tool, probe.arguments)
        assert counted(bench) == ["once", "next"], "a request that was answered has been run again"

    @staticmethod
    def _begun(bench: ServerBench, call: str) -> None:
        """A server that begins a call takes its request away, so that no other begins it too."""
        path = f"{bench.directory}/{layout.REQUESTS}/{call}.json"
        bench.until(lambda: not bench.root.exists(path), f"{path} stays where it is: the request is not claimed")
