"""``sympozium demo``: an agent at work, from nothing, in a data directory of its own that is gone afterwards.

With a key in the environment, or a provider by option, a live model does the task; without, a recorded conversation is played through the same
gateway, bridge and runner. Either way every tool call is really carried out, in the sandbox.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from contextlib import ExitStack
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

from sympozium_core import names
from sympozium_core.cli.run import PHASE_CODES, follow
from sympozium_core.cli.target import Embedded, reach, run_async
from sympozium_core.settings import EmbeddedSettings

INSTANCE = "demo"
SECRET_NAME = "demo-key"
TASK = (
    "See what is in /workspace. Write an inventory of five items with quantity and price to inventory.csv, let a command add up what it is "
    "worth, read the file back, write a short report to summary.md, check it with a command, and tell me the total."
)
PROMPT = "You are a careful assistant with a workspace and a shell. Use your tools; do not guess what a command would print."
LIVE_MODEL = "gpt-4o-mini"


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--provider",
        default="",
        help="a live model's provider, such as openai or ollama (default: openai with a key, else replay)",
    )
    parser.add_argument("--model", default="", help=f"the provider's model (default: {LIVE_MODEL} for openai)")
    parser.add_argument("--base-url", default="", help="the provider's address, such as http://127.0.0.1:11434")
    parser.add_argument("--sandbox", default="", help="sandbox (default: the one that isolates most)")
    parser.add_argument("--task", default=TASK, help="another task (live models only)")


def run(arguments: argparse.Namespace) -> int:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="sympozium-demo-")))
        cassette = stack.enter_context(as_file(files(__package__) / "demo_cassette.yaml"))
        instance, key = _instance(arguments, cassette)
        settings = EmbeddedSettings(data_dir=folder, sandbox=arguments.sandbox)
        return run_async(lambda: _demo(settings, instance, key, arguments.task))


def _instance(arguments: argparse.Namespace, cassette: Path) -> tuple[dict[str, Any], str]:
    """The demo's SympoziumInstance, and the key for its Secret where it has one."""
    from sympozium_core.contracts.cluster import BadRequest

    key = os.environ.get("OPENAI_API_KEY", "")
    live = arguments.provider or arguments.model or arguments.base_url or key
    if not live:
        if arguments.task != TASK:
            raise BadRequest(
                "another task needs a live model", hint="set OPENAI_API_KEY, or give --provider, --model and --base-url"
            )
        print("No model key in the environment: this demo plays a recorded conversation (provider replay).")
        print("The model's words are from the recording; planning, sandbox, tool calls and journal are real.")
        print("For a live model set OPENAI_API_KEY, or see: sympozium demo --help\n")
        return manifest({"name": "replay", "model": "demo", "baseURL": cassette.as_uri()}), ""
    provider = arguments.provider or "openai"
    model = arguments.model or (LIVE_MODEL if provider == "openai" else "")
    if not model:
        raise BadRequest(f"which model of {provider}?", hint="--model NAME")
    described: dict[str, Any] = {"name": provider, "model": model}
    if arguments.base_url:
        described["baseURL"] = arguments.base_url
    if provider == "openai" and key:
        described["apiKeySecret"] = SECRET_NAME
    print(f"Using the live model {provider}/{model}.\n")
    return manifest(described), key if "apiKeySecret" in described else ""


def manifest(provider: dict[str, Any]) -> dict[str, Any]:
    return {
        "apiVersion": names.API_VERSION,
        "kind": "SympoziumInstance",
        "metadata": {"name": INSTANCE, "namespace": names.DEFAULT_NAMESPACE},
        "spec": {"provider": provider, "systemPrompt": PROMPT, "policy": "permissive"},
    }


async def _demo(settings: EmbeddedSettings, instance: dict[str, Any], key: str, task: str) -> int:
    from sympozium_core.contracts.builtin_kinds import SECRET
    from sympozium_core.planning.factory import build_run
    from sympozium_core.resources.kinds import AGENT_RUN, SYMPOZIUM_INSTANCE

    async with reach(Embedded(settings), controllers=True) as target:
        if key:
            secret = {
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": {"name": SECRET_NAME, "namespace": names.DEFAULT_NAMESPACE},
            }
            await target.cluster.create(SECRET, {**secret, "stringData": {"apiKey": key}})
        await target.cluster.create(SYMPOZIUM_INSTANCE, instance)
        created = await target.cluster.create(
            AGENT_RUN, build_run(INSTANCE, task, namespace=names.DEFAULT_NAMESPACE, source="demo", name="demo")
        )
        ended = await follow(target, created)
    return PHASE_CODES[ended["status"]["phase"]]
