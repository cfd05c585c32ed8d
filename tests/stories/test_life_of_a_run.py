"""One run from a manifest on disk to its status, through everything that is real: store, bus, controller, sandbox, bridge, gateway, runner."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sympozium_core.testing import leftovers
from sympozium_core.testing.conversations import asked, call, command, results, turns
from sympozium_core.testing.embedded import OpenPlane, status_of, sympozium
from sympozium_core.testing.servers.openai import OpenAIServer
from sympozium_core.testing.servers.script import Answer

MANIFEST = """\
apiVersion: v1
kind: Secret
metadata: {{name: model-key}}
stringData: {{apiKey: {key}}}
---
apiVersion: sympozium.ai/v1alpha1
kind: SympoziumInstance
metadata: {{name: bookkeeper}}
spec:
  provider: {{name: openai, model: {model}, baseURL: "{url}", apiKeySecret: model-key}}
  systemPrompt: You keep the books.
  policy: permissive
---
apiVersion: sympozium.ai/v1alpha1
kind: AgentRun
metadata: {{name: first}}
spec:
  instanceRef: bookkeeper
  input: Count the apples and write the number down.
"""


@pytest.mark.parametrize("sandbox", ["process", "bubblewrap"])
async def test_life_of_a_run(open_plane: OpenPlane, model: OpenAIServer, data_dir: Path, tmp_path: Path, sandbox: str) -> None:
    model.script = turns(
        Answer("I look around first.", (call("list_directory", path="/workspace"),)),
        Answer(
            "", (command("echo 12 > apples.txt && cat apples.txt"), call("write_file", path="/workspace/b.txt", content="b"))
        ),
        Answer("", (call("read_file", path="/workspace/apples.txt"),), prompt_tokens=100, completion_tokens=20),
        Answer("There are 12 apples."),
    )
    manifest = tmp_path / "bookkeeper.yaml"
    manifest.write_text(MANIFEST.format(key=model.key, model=model.model, url=model.base_url))
    async with open_plane() as plane:
        # A user applies three objects from one file.
        code, out, err = await sympozium("apply", "-f", str(manifest), data_dir=data_dir)
        assert (code, err) == (0, "")
        assert [line.rsplit(" ", 1)[1] for line in out.splitlines()] == ["created", "created", "created"]
        run: dict[str, Any] = {"metadata": {"name": "first", "namespace": "default"}}

        # The run goes through its phases, forwards only, and ends well.
        phases: list[str] = []
        async for now in plane.changes(run):
            run = now
            phases += [phase for phase in [status_of(now).get("phase")] if phase and phase not in phases[-1:]]
            if status_of(now).get("cleaned"):
                break
        order = ["Pending", "Running", "Succeeded"]
        assert phases == [phase for phase in order if phase in phases]
        assert phases[-1] == "Succeeded"
        status = status_of(run)
        assert status["reason"] == "Completed"
        assert "error" not in status
        assert status["result"] == status["output"] == "There are 12 apples."
        assert status["startedAt"] == status["startTime"]
        assert status["completedAt"] == status["completionTime"]
        assert status["sandbox"] == sandbox
        assert status["effectivePolicy"]["name"] == "permissive"
        assert status["planDigest"]
        assert run["spec"]["requestedBy"]["username"]

        # What it cost is what the gateway counted, whatever the agent claims.
        usage = status["tokenUsage"]
        assert (usage["inputTokens"], usage["outputTokens"], usage["totalTokens"]) == (3 * 11 + 100, 3 * 7 + 20, 174)
        assert usage["modelCalls"] == 4
        assert usage["toolCalls"] == 1
        assert usage["durationMs"] > 0

        # The model was asked once a turn, with the key, and told what the tools found.
        assert asked(model) == {0: 1, 1: 1, 2: 1, 3: 1}
        assert not model.refusals
        assert "empty" in results(model.requests[1])[0]
        assert results(model.requests[2])[1].startswith("12")
        assert results(model.requests[2])[2] == "Wrote 1 bytes to /workspace/b.txt."
        assert "12" in results(model.requests[3])[-1]
        assert model.requests[0].body["messages"][0]["content"].startswith("You keep the books.")

        # The journal tells the story in order, and says the end once.
        journal = await plane.journal(run)
        assert [entry["sequence"] for entry in journal] == sorted({entry["sequence"] for entry in journal})
        story = [entry["type"] for entry in journal if entry["type"] not in ("progress", "model.request")]
        assert story == [
            *("attempt", "started", "model.answer", "model.answer", "tool.requested", "tool.result"),
            *("model.answer", "model.answer", "result", "ended"),
        ]
        assert next(entry for entry in journal if entry["type"] == "tool.result")["exitCode"] == 0

        # Events tell it to whoever describes the run.
        assert [event["reason"] for event in await plane.events(run) if event["type"] == "Normal"] == [
            *("Planned", "Started", "Completed")
        ]

        # Nothing is left of the pod, and nothing anywhere of the key.
        await leftovers.gone(run, data_dir)
        assert not leftovers.pods_on_disk(data_dir)
    assert not leftovers.files_with(data_dir, model.key)
