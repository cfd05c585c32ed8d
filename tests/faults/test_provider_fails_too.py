"""A provider that fails while an attempt of the run dies: the next attempt gets the answer, which is recorded and counted once."""

from __future__ import annotations

import os
import signal

import pytest

from sympozium_core.testing import leftovers
from sympozium_core.testing.conversations import command, results, turns
from sympozium_core.testing.embedded import ServerProcess, phase_of, status_of
from sympozium_core.testing.servers.openai import OpenAIServer
from sympozium_core.testing.servers.script import Answer, Fault

FAULTS = {
    "refused for a while": Fault("status", status=503, times=3),
    "too many requests": Fault("status", status=429, times=1, retry_after=1.0),
    "cut in the middle": Fault("cut", after=3, times=2),
}


@pytest.mark.parametrize("killed", ["agent", "server"])
@pytest.mark.parametrize("fault", FAULTS)
async def test_two_attempts_around_a_failing_provider(
    server: ServerProcess, model: OpenAIServer, fault: str, killed: str
) -> None:
    model.script = turns(
        Answer("", (command("echo one >> lines; cat lines"),)), Answer("I have looked at it.", fault=FAULTS[fault]), Answer("")
    )
    run = await server.plane.run("count")
    await server.plane.entry(run, "tool.result")
    await model.until_requested(2, timeout=10)
    if killed == "server":
        await server.kill()
        await server.start()
    else:
        now = await server.plane.now(run)
        for process in leftovers.of_run(now, "agent"):
            os.kill(process.pid, signal.SIGKILL)
    ended = await server.plane.ended(run, within=30)
    status = status_of(ended)
    assert (phase_of(ended), status["result"], status["attempt"]) == ("Succeeded", "I have looked at it.", 2)
    assert results(model.requests[-1])[0].count("one") == 1
    answers = [entry for entry in await server.plane.journal(run, "model.answer") if not entry["replayed"]]
    assert len(answers) == 2
    assert status["tokenUsage"]["inputTokens"] == 22
    await leftovers.gone(ended, server.data_dir)
