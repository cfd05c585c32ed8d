"""What must be true of a run whatever was killed while it went on: told from its journal, its status and the model's own record."""

from __future__ import annotations

from typing import Any

from sympozium_core.contracts.cluster import Object
from sympozium_core.testing import leftovers
from sympozium_core.testing.conversations import asked
from sympozium_core.testing.embedded import Plane, phase_of, status_of
from sympozium_core.testing.servers.openai import OpenAIServer


async def check(plane: Plane, run: Object, model: OpenAIServer, *, tokens_a_call: int = 11) -> Object:
    """For a run whose model talks to this run alone. Returns it as it is at its end; raises AssertionError with its journal."""
    ended = await plane.now(run)
    journal = await plane.journal(run)
    story = "\n".join(str({key: entry[key] for key in entry if key != "messages"})[:240] for entry in journal)
    status = status_of(ended)

    def sound(condition: object, what: str) -> None:
        assert condition, f"{what}\nstatus: {status}\n{story}"

    sound(len(of_type(journal, "ended")) == 1, "a run ends once")
    results = of_type(journal, "result")
    sound(len(results) <= 1, "a result is accepted once")
    if phase_of(ended) == "Succeeded":
        sound(results and status["result"] == results[0]["response"], "the result in the status is the one on record")
    answers = [entry for entry in of_type(journal, "model.answer") if not entry["replayed"]]
    sound(len({entry["call"] for entry in answers}) == len(answers), "an answer is recorded once")
    for turn, count in asked(model).items():
        # An attempt that was killed within a call makes it again in the next; an answer on record is not asked for again.
        most = answers[turn]["attempt"] if turn < len(answers) else status["attempt"]
        sound(count <= most, f"turn {turn} was asked {count} times, and answered in attempt {most}")
    usage = status["tokenUsage"]
    sound(usage["inputTokens"] == tokens_a_call * len(answers), "every answer is counted, and none twice")
    calls = [entry["call"] for entry in of_type(journal, "tool.requested")]
    sound(len(set(calls)) == len(calls), "a tool call is carried out once")
    await leftovers.gone(ended, plane.data_dir)
    return ended


def of_type(journal: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [entry for entry in journal if entry["type"] == kind]
