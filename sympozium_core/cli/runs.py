"""``sympozium runs``: list, show, logs, cancel."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sympozium_core.cli import get
from sympozium_core.cli.output import add_output, print_document
from sympozium_core.cli.printable import json_text, printable_lines
from sympozium_core.cli.target import Target, add_scope, place_of, reach, run_async

if TYPE_CHECKING:
    from sympozium_core.errors import SympoziumError


def configure(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="list|show|logs|cancel")
    listing = verbs.add_parser("list", help="list runs")
    listing.add_argument("--instance", default="", help="only of this instance")
    get.add_list_options(listing)
    show = verbs.add_parser("show", help="show a run and its answer")
    show.add_argument("name")
    add_output(show, ("table", "json", "yaml"))
    add_scope(show)
    logs = verbs.add_parser("logs", help="show what happened in a run")
    logs.add_argument("name")
    logs.add_argument("-f", "--follow", action="store_true", help="go on until the run ends")
    logs.add_argument("-o", "--output", choices=("text", "json"), default="text", help="json: one journal entry a line")
    add_scope(logs)
    cancel = verbs.add_parser("cancel", help="stop runs")
    cancel.add_argument("names", nargs="+", metavar="NAME")
    add_scope(cancel)


def run(arguments: argparse.Namespace) -> int:
    return int(_VERBS[arguments.verb](arguments))


def _list(arguments: argparse.Namespace) -> int:
    from sympozium_core.names import LABEL_INSTANCE
    from sympozium_core.planning.factory import label_value
    from sympozium_core.resources.kinds import AGENT_RUN

    if arguments.instance:
        own = f"{LABEL_INSTANCE}={label_value(arguments.instance)}"
        arguments.selector = f"{arguments.selector},{own}" if arguments.selector else own
    return get.show(arguments, AGENT_RUN, [])


def _show(arguments: argparse.Namespace) -> int:
    from sympozium_core.resources.kinds import AGENT_RUN

    async def show() -> int:
        async with reach(place_of(arguments)) as target:
            found = await target.cluster.get(AGENT_RUN, target.namespace, arguments.name)
        if arguments.output == "table":
            print_run(found)
        else:
            print_document(found, arguments.output)
        return 0

    return run_async(show)


def print_run(run: Mapping[str, Any]) -> None:
    """A run for a person: the facts, then the answer."""
    status, spec = run.get("status") or {}, run["spec"]
    usage = status.get("tokenUsage") or {}
    facts = {
        "Run": f"{run['metadata']['namespace']}/{run['metadata']['name']}",
        "Instance": spec.get("instanceRef"),
        "Phase": status.get("phase") or "not seen by a controller yet",
        "Reason": status.get("reason"),
        "Message": status.get("message"),
        "Position": status.get("queuePosition"),
        "Started": status.get("startedAt"),
        "Completed": status.get("completedAt"),
        "Attempts": status.get("attempt"),
        "Policy": (status.get("effectivePolicy") or {}).get("name"),
        "Sandbox": status.get("sandbox"),
        "Tokens": f"{usage['inputTokens']} in, {usage['outputTokens']} out" if usage else None,
        "Tool calls": usage.get("toolCalls") if usage else None,
    }
    for name, value in facts.items():
        if value not in (None, ""):
            print(f"{name + ':':<12}{printable_lines(str(value))}")
    for title, text in (("Task", spec.get("task") or spec.get("input")), ("Answer", status.get("result"))):
        if text:
            print(f"\n{title}:\n" + "\n".join(f"  {line}" for line in printable_lines(str(text)).splitlines()))
    if status.get("resultArtifact"):
        print(f"\nThe answer has {status['resultSize']} bytes; this is its head.")


def _logs(arguments: argparse.Namespace) -> int:
    from sympozium_core.cli.live import Live
    from sympozium_core.resources.kinds import AGENT_RUN

    async def show() -> int:
        live = Live()
        async with reach(place_of(arguments), controllers=arguments.follow) as target:
            if not target.embedded:
                raise await _no_journal(target, arguments.name)
            if arguments.follow:
                run = await target.cluster.get(AGENT_RUN, target.namespace, arguments.name)
                target.adopt(run["metadata"]["uid"])
            async for found in target.journal(target.namespace, arguments.name, follow=arguments.follow):
                if arguments.output == "json":
                    print(json_text(json.dumps(found, ensure_ascii=False)), flush=True)
                else:
                    live.show(found["entry"])
        return 0

    return run_async(show)


async def _no_journal(target: Target, name: str) -> SympoziumError:
    """Says what there is instead. Raises NotFound for a run that is not there."""
    from sympozium_core.errors import Permanent
    from sympozium_core.names import LABEL_POD
    from sympozium_core.resources.kinds import AGENT_RUN

    run = await target.cluster.get(AGENT_RUN, target.namespace, name)
    pod = (run.get("status") or {}).get("pod")
    instead = f"kubectl describe agentrun {name} -n {target.namespace}"
    if pod:
        instead += f"; kubectl logs -n {target.namespace} -l {LABEL_POD}={pod} --all-containers --prefix"
    return Permanent(
        "the journal of a run on a cluster is served by the API server of a later version, this one has it on one machine only",
        hint=f"what happened: {instead}",
    )


def _cancel(arguments: argparse.Namespace) -> int:
    from sympozium_core.resources.kinds import AGENT_RUN

    async def cancel() -> int:
        async with reach(place_of(arguments)) as target:
            for name in arguments.names:
                run = await target.cluster.get(AGENT_RUN, target.namespace, name)
                phase = (run.get("status") or {}).get("phase")
                if phase in ("Succeeded", "Failed", "Cancelled"):
                    print(f"agentrun/{name} has ended already: {phase}")
                    continue
                await target.cluster.patch(AGENT_RUN, target.namespace, name, {"spec": {"cancel": True}})
                print(f"agentrun/{name} is being cancelled" + ("" if target.served else "; it ends when the server runs again"))
        return 0

    return run_async(cancel)


_VERBS = {"list": _list, "show": _show, "logs": _logs, "cancel": _cancel}
