"""Checks of `HarnessContract` on what the model is asked, and on a model that fails."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

import pytest

from sympozium_core.testing.conversations import call
from sympozium_core.testing.harness_bench import DONE, TOKEN, HarnessBench, text_of
from sympozium_core.testing.harness_case import ECHO, SERVER, HarnessChecks
from sympozium_core.testing.servers.script import Answer, Fault

DEADLINE = 2.0
"""Seconds of a run that cannot end well."""
LATE = 8.0
"""Seconds after a deadline within which a result is there."""
TEXTS = {
    "umlauts": "Grüße aus Köln, naïve façade",
    "lines": "one\ntwo\r\nthree\ttab\\n",
    "beyond-the-basic-plane": "🙂 世界 𝔘𝔫𝔦",
    "of-code": '{"a": "b\\"c"} `x` $(id) </system>',
}


class ModelChecks(HarnessChecks):
    def test_it_asks_the_address_with_the_token_for_the_model(self, bench: HarnessBench) -> None:
        """The address of a strict server: it finds fault with another path, another token and another model."""
        bench.succeed(DONE)
        assert bench.asked().headers["authorization"] == f"Bearer {TOKEN}"

    def test_the_task_is_what_the_user_says(self, bench: HarnessBench) -> None:
        bench.succeed(DONE)
        said = [text_of(message) for message in bench.asked().body["messages"] if message["role"] == "user"]
        assert bench.task["task"] in said, f"the user says {said}"

    def test_the_system_prompt_comes_first(self, bench: HarnessBench) -> None:
        bench.succeed(DONE)
        first = bench.asked().body["messages"][0]
        assert first["role"] in ("system", "developer")
        assert bench.task["systemPrompt"] in text_of(first)

    def test_sections_of_the_prompt_are_told(self, bench: HarnessBench) -> None:
        """What hooks add to it."""
        bench.task["promptSections"] = ["Always be polite.", "It is Friday."]
        bench.succeed(DONE)
        told = bench.said_to_model("system", "developer")
        assert all(section in told for section in bench.task["promptSections"]), told

    def test_skills_are_told_with_where_they_are(self, bench: HarnessBench) -> None:
        skill = {"name": "inventory", "description": "How to count what is there.", "path": "/skills/stock/inventory.md"}
        bench.task["skills"] = [skill]
        bench.succeed(DONE)
        told = bench.said_to_model("system", "developer")
        assert all(word in told for word in skill.values()), told

    def test_what_the_model_says_last_is_the_result(self, bench: HarnessBench) -> None:
        bench.offer(SERVER, ECHO)
        result = bench.succeed(Answer("Let me see.", (call("echo", text="a"),)), Answer("There are 12 apples."))
        assert result.response == "There are 12 apples."
        assert not result.error

    @pytest.mark.parametrize("text", list(TEXTS.values()), ids=list(TEXTS))
    def test_text_comes_through_unchanged(self, bench: HarnessBench, text: str) -> None:
        bench.task["task"] = text
        assert bench.succeed(Answer(text)).response == text
        assert text in [text_of(message) for message in bench.asked().body["messages"]]

    def test_equal_tasks_ask_equally(self, bench: HarnessBench, tmp_path: Path) -> None:
        """An attempt that goes on is answered from the record by this."""
        bodies: list[list[str]] = []
        again = self.new_bench(tmp_path / "again")
        try:
            for each in (bench, again):
                each.offer(SERVER, ECHO)
                each.task["run"] |= {"uid": each.pod, "attempt": len(bodies) + 1}
                each.ends_in(100 + len(bodies))
                each.succeed(Answer(tool_calls=(call("echo", text="a"),)), DONE)
                bodies.append([json.dumps(seen.body, sort_keys=True) for seen in each.model.requests])
        finally:
            again.close()
        assert bodies[0] == bodies[1]

    def test_a_failure_that_may_pass_is_asked_again(self, bench: HarnessBench) -> None:
        result = bench.run(Answer("Done.", fault=Fault("status", status=503, times=2)))
        assert (result.status, result.response) == ("success", "Done."), result

    def test_a_refusal_ends_the_run(self, bench: HarnessBench) -> None:
        result = bench.run(Answer(fault=Fault("status", status=400)))
        assert (result.status, result.reason) == ("error", "ModelError"), result
        assert result.error, "nothing says why"
        assert len(bench.model.requests) <= 3, "what is refused is asked again and again"

    @pytest.mark.parametrize("kind", ["html", "not_http"])
    def test_an_answer_that_is_none_ends_the_run(self, bench: HarnessBench, kind: Literal["html", "not_http"]) -> None:
        bench.ends_in(20)
        bench.up(Answer(fault=Fault(kind)))
        result = bench.finish(20 + LATE)
        assert (result.status, result.reason) == ("error", "ModelError"), result

    def test_half_an_answer_is_no_answer(self, bench: HarnessBench) -> None:
        whole = "There are twelve apples in the basket."
        result = bench.run(Answer(whole, fault=Fault("cut", after=4, times=1)))
        assert result.response == whole if result.status == "success" else result.reason == "ModelError", result

    def test_a_model_that_is_silent_ends_with_the_runs_time(self, bench: HarnessBench) -> None:
        bench.ends_in(DEADLINE)
        bench.up(Answer(fault=Fault("silence")))
        result = bench.finish(DEADLINE + LATE)
        assert (result.status, result.reason) == ("error", "Timeout"), result

    def test_an_address_where_nobody_answers_ends_typed(self, bench: HarnessBench) -> None:
        bench.ends_in(DEADLINE)
        bench.task["model"]["baseURL"] = "http://127.0.0.1:9/v1"
        bench.up()
        result = bench.finish(DEADLINE + LATE)
        assert result.status == "error"
        assert result.reason in ("ModelError", "Timeout"), result

    def test_a_very_long_answer_ends_in_a_result_that_is_taken(self, bench: HarnessBench) -> None:
        """A result's answer has at most 4 Mi characters: what is longer is cut, or is an error."""
        result = bench.run(Answer("x" * (5 << 20)))
        assert result.response or result.error

    def test_the_token_is_told_nobody(self, bench: HarnessBench) -> None:
        bench.offer(SERVER, ECHO)
        bench.succeed(Answer(tool_calls=(call("echo", text="a"),)), DONE)
        places = [path for folder in (bench.path,) for path in folder.rglob("*") if path.is_file()]
        found = [str(path.relative_to(bench.path)) for path in places if TOKEN.encode() in path.read_bytes()]
        assert found == ["ipc/input/task.json"], "where the token stands"
