"""Checks of `HarnessContract` on ends: the result, its acknowledgement, being told to stop, and what is left behind."""

from __future__ import annotations

import os
import signal

from sympozium_core.ipc import layout
from sympozium_core.testing.conversations import call
from sympozium_core.testing.harness_bench import DONE, SOON, HarnessBench
from sympozium_core.testing.harness_case import ECHO, SERVER, HarnessChecks
from sympozium_core.testing.json_schemas import faults_of_document
from sympozium_core.testing.servers.script import Answer, Fault

BY_SIGNAL = (0, -signal.SIGTERM, 128 + signal.SIGTERM)
ONE_CALL = Answer(tool_calls=(call("echo", text="a"),))
SILENCE = Answer(fault=Fault("silence"))


class EndChecks(HarnessChecks):
    def test_a_result_is_of_the_protocol(self, bench: HarnessBench) -> None:
        bench.offer(SERVER, ECHO)
        bench.succeed(ONE_CALL, DONE)
        written = bench.root.read_json(layout.RESULT, layout.MAX_RESULT)
        assert not (wrong := faults_of_document("result", written)), wrong

    def test_a_result_is_written_and_then_renamed(self, bench: HarnessBench) -> None:
        with bench.writes("output") as seen:
            bench.succeed(DONE)
        assert [way for way, name in seen if name == "result.json"] == ["moved"], "a reader may have seen half of the result"

    def test_it_stays_until_its_result_is_acknowledged(self, bench: HarnessBench) -> None:
        """Before that nobody has it: when the agent ends, so does its pod."""
        bench.up()
        bench.result()
        for name in (".result.ack", "result.ack.tmp"):
            (bench.ipc / "output" / name).touch()
        process = bench.processes[-1]
        bench.never(lambda: process.poll() is not None, "it ends before its result is acknowledged")
        bench.finish()

    def test_it_ends_with_0_once_its_failure_is_acknowledged(self, bench: HarnessBench) -> None:
        """What became of the run stands in the result; another code says that there is none."""
        assert bench.run(Answer(fault=Fault("status", status=400))).status == "error"

    def test_a_run_that_asks_its_model_is_cancelled(self, bench: HarnessBench) -> None:
        bench.up(SILENCE)
        bench.until_asked()
        self._cancel(bench)

    def test_a_run_that_waits_for_a_tool_is_cancelled(self, bench: HarnessBench) -> None:
        bench.offer(SERVER, ECHO)
        bench.answers = lambda request: None
        bench.up(ONE_CALL, DONE)
        bench.until_requested()
        self._cancel(bench)

    @staticmethod
    def _cancel(bench: HarnessBench) -> None:
        bench.root.write_bytes(layout.CONTROL_CANCEL, b"")
        result = bench.finish(SOON)
        assert (result.status, result.reason) == ("error", "Cancelled"), result

    def test_a_signal_ends_it_before_it_has_a_task(self, bench: HarnessBench) -> None:
        bench.says(DONE)
        process = bench.start()
        bench.never(lambda: process.poll() is not None, "it ends before it has a task")
        process.send_signal(signal.SIGTERM)
        assert bench.ended("it goes on after SIGTERM, and has nothing to do", SOON) in BY_SIGNAL

    def test_a_signal_ends_a_run(self, bench: HarnessBench) -> None:
        """With a result or without one: who sends the signal knows that the run is over."""
        bench.up(SILENCE)
        bench.until_asked()
        process = bench.processes[-1]
        process.send_signal(signal.SIGTERM)
        bench.until(lambda: process.poll() is not None or bench.root.exists(layout.RESULT), "it goes on after SIGTERM", SOON)
        if bench.root.exists(layout.RESULT):
            assert bench.result().reason == "Cancelled"
            bench.acknowledge()
        assert bench.ended("it stays after SIGTERM", SOON) in BY_SIGNAL

    def test_a_signal_ends_the_wait_for_the_acknowledgement(self, bench: HarnessBench) -> None:
        bench.up()
        bench.result()
        bench.processes[-1].send_signal(signal.SIGTERM)
        assert bench.ended("it goes on after SIGTERM, and its result is written", SOON) in BY_SIGNAL

    def test_it_leaves_no_process(self, bench: HarnessBench) -> None:
        bench.offer(SERVER, ECHO)
        bench.succeed(ONE_CALL, DONE)
        bench.until(lambda: not bench.left_running(), lambda: f"these have outlived it: {bench.left_running()}", 2.0)

    def test_it_writes_nowhere_but_in_its_places(self, bench: HarnessBench) -> None:
        bench.offer(SERVER, ECHO)
        before = set(os.listdir(bench.path)) | {"stderr"}
        bench.succeed(ONE_CALL, DONE)
        allowed = ("input/", "output/", f"{layout.server_dir(SERVER)}/")
        strange = [name for name in bench.own_files() if not name.startswith(allowed)]
        assert not strange, f"in the volume: {', '.join(strange)}"
        assert not any(bench.home.iterdir()), f"in the home folder: {', '.join(os.listdir(bench.home))}"
        assert not any(bench.skills.iterdir()), f"among the skills: {', '.join(os.listdir(bench.skills))}"
        assert set(os.listdir(bench.path)) <= before

    def test_it_leaves_nothing_half_written(self, bench: HarnessBench) -> None:
        bench.offer(SERVER, ECHO)
        bench.succeed(ONE_CALL, DONE)
        half = [name for name in bench.own_files() if layout.is_hidden(os.path.basename(name))]
        assert not half, f"hidden files are left: {', '.join(half)}"
