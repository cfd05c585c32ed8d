"""``sympozium run "task" --instance NAME``: creates a run through the one factory and, unless told otherwise, watches it to its end."""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sympozium_core.cli.failures import Exit
from sympozium_core.cli.output import print_document
from sympozium_core.cli.printable import printable_lines
from sympozium_core.cli.target import Target, add_scope, reach, run_async, settings_of

if TYPE_CHECKING:
    from sympozium_core.cli.live import Live

PHASE_CODES = {"Succeeded": Exit.OK, "Failed": Exit.RUN_FAILED, "Cancelled": Exit.RUN_CANCELLED}


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("task", help="what the agent is to do; - reads it from standard input")
    parser.add_argument("--instance", required=True, metavar="NAME", help="the SympoziumInstance that does it")
    parser.add_argument("--name", default="", help="name of the run (default: made from the instance's)")
    parser.add_argument("--model", default="", help="another model of the instance's provider, for this run")
    parser.add_argument("--timeout", default="", metavar="DURATION", help="such as 90s or 10m")
    parser.add_argument("--watch", action=argparse.BooleanOptionalAction, default=True, help="watch it to its end (default)")
    parser.add_argument("-o", "--output", choices=("text", "json"), default="text", help="json: the whole run, at its end")
    add_scope(parser)


def run(arguments: argparse.Namespace) -> int:
    task = sys.stdin.read() if arguments.task == "-" else arguments.task
    return run_async(lambda: _run(arguments, task))


async def _run(arguments: argparse.Namespace, task: str) -> int:
    from sympozium_core.planning.factory import build_run
    from sympozium_core.resources.kinds import AGENT_RUN

    spec: dict[str, Any] = {}
    if arguments.model:
        spec["model"] = {"model": arguments.model}
    if arguments.timeout:
        spec["timeout"] = arguments.timeout
    wanted = build_run(arguments.instance, task, namespace=arguments.namespace, source="cli", name=arguments.name, spec=spec)
    async with reach(settings_of(arguments), controllers=arguments.watch) as target:
        created = await target.cluster.create(AGENT_RUN, wanted)
        if not arguments.watch:
            return _leave(arguments, target, created)
        ended = await follow(target, created, quiet=arguments.output == "json")
    if arguments.output == "json":
        print_document(ended, "json")
    return PHASE_CODES[ended["status"]["phase"]]


def _leave(arguments: argparse.Namespace, target: Target, created: Mapping[str, Any]) -> int:
    if arguments.output == "json":
        print_document(created, "json")
    else:
        print(f"agentrun/{created['metadata']['name']} created")
    if not target.served:
        print("no server is running on this data directory; the run starts with: sympozium serve", file=sys.stderr)
    return Exit.OK


async def follow(target: Target, created: Mapping[str, Any], *, quiet: bool = False) -> Mapping[str, Any]:
    """Shows a run until it has ended and returns it. Ctrl-C cancels the run, and waits until it is."""
    from sympozium_core.cli.live import Live

    live = None if quiet else Live()
    work = asyncio.ensure_future(_show(target, created, live))
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        print("\ncancelling the run; once more to leave it to the server", file=sys.stderr)
        await _cancel(target, created)
        await work
        raise


async def _cancel(target: Target, created: Mapping[str, Any]) -> None:
    from sympozium_core.resources.kinds import AGENT_RUN

    metadata = created["metadata"]
    await target.cluster.patch(AGENT_RUN, metadata["namespace"], metadata["name"], {"spec": {"cancel": True}})


async def _show(target: Target, created: Mapping[str, Any], live: Live | None) -> Mapping[str, Any]:
    metadata = created["metadata"]
    namespace, name = metadata["namespace"], metadata["name"]
    if live is not None:
        live.phase(f"agentrun/{name} admitted", time.time())
        planned = False
        async for found in target.journal(namespace, name, follow=True):
            entry = found["entry"]
            if not planned and entry.get("type") in ("attempt", "ended"):
                planned = True
                await _show_plan(target, namespace, name, live, float(entry.get("at") or 0))
            live.show(entry)
    ended = await _until_ended(target, namespace, name)
    if live is not None:
        _print_end(live, ended)
    return ended


async def _show_plan(target: Target, namespace: str, name: str, live: Live, at: float) -> None:
    """What was decided before the pod was made: the status has it by then. What the sandbox does not promise is said here."""
    from sympozium_core.resources.kinds import AGENT_RUN

    run = await target.cluster.get(AGENT_RUN, namespace, name)
    status = run.get("status") or {}
    policy, sandbox = status.get("effectivePolicy") or {}, status.get("sandbox")
    if sandbox:
        live.phase(f"planned: policy {policy.get('name')}, sandbox {sandbox}", at)
    for note in status.get("notes") or []:
        live.note(str(note), at)


async def _until_ended(target: Target, namespace: str, name: str) -> Mapping[str, Any]:
    """The run at its end: the journal may be a moment ahead of the status."""
    from sympozium_core.contracts.cluster import NotFound
    from sympozium_core.resources.kinds import AGENT_RUN

    current: Mapping[str, Any] = await target.cluster.get(AGENT_RUN, namespace, name)
    while (current.get("status") or {}).get("phase") not in PHASE_CODES:
        version = current["metadata"]["resourceVersion"]
        async for event in target.cluster.watch(AGENT_RUN, namespace, resource_version=version, fields=f"metadata.name={name}"):
            current = event.object if event.type != "BOOKMARK" else current
            if event.type == "DELETED":
                raise NotFound(f"agentrun {name} was deleted while it ran")
            if (current.get("status") or {}).get("phase") in PHASE_CODES:
                break
    return current


def _print_end(live: Live, ended: Mapping[str, Any]) -> None:
    status = ended["status"]
    usage = status.get("tokenUsage") or {}
    if status.get("result"):
        live.answer(status["result"])
    print(
        f"{status['phase']} ({status.get('reason')}): {usage.get('inputTokens', 0)} tokens in, {usage.get('outputTokens', 0)} out, "
        f"{usage.get('toolCalls', 0)} tool calls, {usage.get('durationMs', 0) / 1000:.2f} s"
    )
    if status.get("message"):
        print(printable_lines(status["message"]), file=sys.stderr)
