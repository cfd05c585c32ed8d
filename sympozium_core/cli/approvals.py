"""``sympozium approvals``: list, show. `approve` and `deny` decide."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from typing import Any

from sympozium_core.cli import get
from sympozium_core.cli.output import add_output, print_document
from sympozium_core.cli.printable import printable, printable_lines
from sympozium_core.cli.target import Target, add_scope, place_of, reach, run_async


def configure(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="list|show")
    listing = verbs.add_parser("list", help="list approvals, decided ones included")
    get.add_list_options(listing)
    show = verbs.add_parser("show", help="show what is asked, and what came of it")
    show.add_argument("name", metavar="NAME")
    add_output(show, ("table", "json", "yaml"))
    add_scope(show)


def run(arguments: argparse.Namespace) -> int:
    from sympozium_core.resources.kinds import TOOL_APPROVAL

    if arguments.verb == "list":
        return get.show(arguments, TOOL_APPROVAL, [])
    return run_async(lambda: _show(arguments))


async def _show(arguments: argparse.Namespace) -> int:
    from sympozium_core.resources.kinds import TOOL_APPROVAL

    async with reach(place_of(arguments)) as target:
        found = await target.cluster.get(TOOL_APPROVAL, target.namespace, arguments.name)
    if arguments.output == "table":
        _print(found)
    else:
        print_document(found, arguments.output)
    return 0


def _print(approval: Mapping[str, Any]) -> None:
    """For whoever is to decide: everything that will run, nothing cut."""
    spec, status = approval["spec"], approval.get("status") or {}
    facts = {
        "Approval": f"{approval['metadata']['namespace']}/{approval['metadata']['name']}",
        "Run": spec.get("runRef"),
        "Requested by": (spec.get("requestedBy") or {}).get("username"),
        "Tool": f"{spec.get('tool')} of {spec.get('server')}" if spec.get("server") else spec.get("tool"),
        "Because": spec.get("because"),
        "Phase": status.get("phase") or "not seen by a controller yet",
        "Expires": f"{spec.get('expiresAt')}, then {spec.get('timeoutAction')}",
        "Decided by": (spec.get("decidedBy") or {}).get("username"),
        "Decided at": spec.get("decidedAt"),
        "Comment": spec.get("comment"),
    }
    for name, value in facts.items():
        if value not in (None, ""):
            print(f"{name + ':':<14}{printable_lines(str(value))}")
    print("\nArguments:")
    for name, value in (spec.get("arguments") or {}).items():
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        lines = printable_lines(text).splitlines() or [""]
        print(f"  {printable(name)}: {lines[0]}")
        for line in lines[1:]:
            print(f"    {line}")


def configure_decision(parser: argparse.ArgumentParser) -> None:
    """Of `approve` and `deny`."""
    parser.add_argument("name", metavar="NAME", help="of the ToolApproval: sympozium approvals list")
    parser.add_argument("--comment", default="", help="stays with the decision; the model is told it when the call is denied")
    add_scope(parser)


def decide(arguments: argparse.Namespace, decision: str) -> int:
    return run_async(lambda: _decide(arguments, decision))


async def _decide(arguments: argparse.Namespace, decision: str) -> int:
    from sympozium_core.resources.kinds import TOOL_APPROVAL

    name = arguments.name.rpartition("/")[2]  # as `-o name` prints it
    answer = {"decision": decision, **({"comment": arguments.comment} if arguments.comment else {})}
    async with reach(place_of(arguments)) as target:
        found = await target.cluster.patch(TOOL_APPROVAL, target.namespace, name, {"spec": answer})
    print(f"toolapproval/{name} {decision.lower()}: {_what(found)}{_later(target)}")
    return 0


def _what(approval: Mapping[str, Any]) -> str:
    return printable_lines(f"{approval['spec']['tool']} of run {approval['spec']['runRef']}")


def _later(target: Target) -> str:
    return "" if target.served else "; no server is running, the run goes on with: sympozium serve"
