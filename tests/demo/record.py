"""Records the demo's cassette anew: ``python tests/demo/record.py``, after a change of the runner's prompts or tools.

The model is the strict local server of the test kit, which speaks OpenAI's protocol and says what ``script.yaml`` says; the conversation goes
through the real provider, gateway, bridge, runner and sandbox. To record from a live model instead, see docs/replay.md.
"""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

from sympozium_core.cli import demo
from sympozium_core.cli.run import follow
from sympozium_core.cli.target import Embedded, reach
from sympozium_core.contracts.builtin_kinds import SECRET
from sympozium_core.planning.factory import build_run
from sympozium_core.resources.kinds import AGENT_RUN, SYMPOZIUM_INSTANCE
from sympozium_core.settings import EmbeddedSettings
from sympozium_core.testing.servers.openai import OpenAIServer
from sympozium_core.testing.servers.script import load

CASSETTE = Path(demo.__file__).with_name("demo_cassette.yaml")
SCRIPT = Path(__file__).with_name("script.yaml")
KEY = "sk-for-the-local-server"


async def record(target_file: Path) -> None:
    async with OpenAIServer(model="scripted", key=KEY, script=load(SCRIPT)) as server:
        target_file.write_text(f"cassette: 1\nrecord:\n  provider: openai\n  model: scripted\n  baseURL: {server.base_url}\n")
        with tempfile.TemporaryDirectory() as folder:
            async with reach(Embedded(EmbeddedSettings(data_dir=Path(folder))), controllers=True) as target:
                secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "key", "namespace": "default"}}
                await target.cluster.create(SECRET, {**secret, "stringData": {"apiKey": KEY}})
                provider = {"name": "replay", "model": "demo", "baseURL": target_file.as_uri(), "apiKeySecret": "key"}
                await target.cluster.create(SYMPOZIUM_INSTANCE, demo.manifest(provider))
                run = build_run(demo.INSTANCE, demo.TASK, namespace="default", source="demo", name="demo")
                ended = await follow(target, await target.cluster.create(AGENT_RUN, run))
    assert ended["status"]["phase"] == "Succeeded", ended["status"]


def without_source(text: str) -> str:
    """A finished cassette without its `record` section: it only plays."""
    lines = text.splitlines(keepends=True)
    start = next(number for number, line in enumerate(lines) if line.startswith("record:"))
    end = next(number for number in range(start + 1, len(lines)) if not lines[number].startswith(" "))
    return "".join(lines[:start] + lines[end:])


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        recorded = Path(folder, "cassette.yaml")
        asyncio.run(record(recorded))
        CASSETTE.write_text(without_source(recorded.read_text()))
    print(f"wrote {CASSETTE.name}")


if __name__ == "__main__":
    main()
