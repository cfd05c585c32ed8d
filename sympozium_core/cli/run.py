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
from sympozium_core.cli.target import Target, add_scope, place_of, reach, run_async

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
    async with reach(place_of(arguments), controllers=arguments.watch) as target:
        wanted = build_run(arguments.instance, task, namespace=target.namespace, source="cli", name=arguments.name, spec=spec)
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

    live = None if quiet else Live(where=_where(created))
    work = asyncio.ensure_future(_show(target, created, live))
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        print("\ncancelling the run; once more to leave it to the server", file=sys.stderr)
        await _cancel(target, created)
        await work
        raise


def _where(created: Mapping[str, Any]) -> str:
    from sympozium_core.names import DEFAULT_NAMESPACE

    namespace = created["metadata"]["namespace"]
    return "" if namespace == DEFAULT_NAMESPACE else f" -n {namespace}"


async def _cancel(target: Target, created: Mapping[str, Any]) -> None:
    from sympozium_core.resources.kinds import AGENT_RUN

    metadata = created["metadata"]
    await target.cluster.patch(AGENT_RUN, metadata["namespace"], metadata["name"], {"spec": {"cancel": True}})


async def _show(target: Target, created: Mapping[str, Any], live: Live | None) -> Mapping[str, Any]:
    from sympozium_core.cli.story import tell, until_ended

    metadata = created["metadata"]
    namespace, name = metadata["namespace"], metadata["name"]
    if live is not None:
        live.phase(f"agentrun/{name} admitted", time.time())
    if live is not None and not target.embedded:
        await tell(target.cluster, created, live)
    elif live is not None:
        async for found in target.journal(namespace, name, follow=True):
            entry = found["entry"]
            if entry.get("attempt") == 1 and entry.get("type") == "attempt":
                live.phase(await _planned(target, namespace, name), float(entry.get("at") or 0))
            live.show(entry)
            if entry.get("attempt") == 1 and entry.get("type") == "started":
                for note in await _notes(target, namespace, metadata["uid"]):
                    live.note(note, float(entry.get("at") or 0))
    ended = await until_ended(target.cluster, namespace, name)
    if live is not None:
        _print_end(live, ended)
    return ended


async def _planned(target: Target, namespace: str, name: str) -> str:
    """What was decided before the pod was made: the status has it by then."""
    from sympozium_core.resources.kinds import AGENT_RUN

    status = (await target.cluster.get(AGENT_RUN, namespace, name)).get("status") or {}
    return f"planned: policy {(status.get('effectivePolicy') or {}).get('name')}, sandbox {status.get('sandbox')}"


async def _notes(target: Target, namespace: str, uid: str) -> list[str]:
    """What this run does without, such as walls that its sandbox does not have: each use says so."""
    from sympozium_core.cli.get import list_all
    from sympozium_core.contracts.builtin_kinds import EVENT

    return [
        str(event.get("message"))
        for event in await list_all(target.cluster, EVENT, namespace, fields=f"involvedObject.uid={uid}")
        if event.get("reason") == "NotProvided"
    ]


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
