"""Checks of `HarnessContract` on how a program begins: with its task, and with nothing else."""

from __future__ import annotations

import json

from sympozium_core.ipc import layout
from sympozium_core.ipc.watch import ENV_POLLING
from sympozium_core.testing.conversations import call
from sympozium_core.testing.harness_bench import DONE, HarnessBench
from sympozium_core.testing.harness_case import ECHO, SERVER, HarnessChecks
from sympozium_core.testing.servers.script import Answer


class StartChecks(HarnessChecks):
    def test_it_waits_for_its_task(self, bench: HarnessBench) -> None:
        """A pod may be started before its run is known."""
        bench.says(DONE)
        process = bench.start()
        bench.never(lambda: process.poll() is not None or bench.model.requests, "it does something before it has a task")
        bench.give()
        assert bench.finish().status == "success"

    def test_a_task_from_before_it_came_up_is_found(self, bench: HarnessBench) -> None:
        bench.says(DONE)
        bench.give()
        bench.start()
        assert bench.finish().status == "success"

    def test_a_task_that_is_not_there_yet_is_left_alone(self, bench: HarnessBench) -> None:
        """Whoever writes a file writes it under a name that begins with a dot or ends in ``.tmp``, and renames it."""
        bench.says(DONE)
        decoy = json.dumps({**bench.task, "task": "the decoy"}).encode()
        (bench.ipc / "input").mkdir()
        for name in (".task.json", "task.json.tmp", ".task.json.tmp"):
            (bench.ipc / "input" / name).write_bytes(decoy)
        bench.start()
        bench.never(lambda: bench.model.requests, "it has read a file that is not there yet")
        bench.give()
        bench.finish()
        assert "the decoy" not in bench.said_to_model("user")

    def test_what_the_environment_says_of_models_does_not_count(self, bench: HarnessBench) -> None:
        bench.says(DONE)
        bench.give()
        wrong = {"OPENAI_BASE_URL": "http://127.0.0.1:9/v1", "OPENAI_API_KEY": "wrong", "OPENAI_MODEL": "wrong"}
        bench.start(**wrong, http_proxy="http://127.0.0.1:9", HTTP_PROXY="http://127.0.0.1:9", ALL_PROXY="http://127.0.0.1:9")
        assert bench.finish().status == "success"
        assert not bench.model.refusals

    def test_fields_that_it_does_not_know_are_ignored(self, bench: HarnessBench) -> None:
        bench.task |= {"later": {"deep": [1, 2]}, "run": {**bench.task["run"], "later": True}}
        bench.task["limits"]["later"] = None
        bench.succeed(DONE)

    def test_fields_that_may_be_left_out_are_not_needed(self, bench: HarnessBench) -> None:
        bench.task = {
            "version": 1,
            "task": "Say that it is done.",
            "model": bench.task["model"],
            "skills": None,
            "limits": None,
        }
        bench.succeed(DONE)

    def test_a_task_that_cannot_be_read_has_a_result_that_says_so(self, bench: HarnessBench) -> None:
        bench.root.write_bytes(layout.TASK, b'{"version": 1, "task": 3}')
        bench.start()
        result = bench.finish()
        assert (result.status, result.reason) == ("error", "InfrastructureError"), result
        assert result.error, "nothing says what is wrong"

    def test_it_works_where_nobody_tells_of_files(self, bench: HarnessBench) -> None:
        """`SYMPOZIUM_IPC_POLLING` is set in sandboxes whose inotify is silent."""
        bench.environment[ENV_POLLING] = "1"
        bench.offer(SERVER, ECHO)
        bench.succeed(Answer(tool_calls=(call("echo", text="a"),)), DONE)
