"""Decides, once per run, which tools the model is offered and which server does each. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sympozium_core.contracts.plan import RunPlan
from sympozium_core.ipc.layout import MAX_TOOLS
from sympozium_core.ipc.protocol import ToolDefinition
from sympozium_core.ipc.task import OfferedTool
from sympozium_core.names import CORE_SERVERS, MCP_SERVER, NATIVE_SERVER

MAX_SCHEMA = 32 * 1024
"""Bytes of one tool's parameters as JSON."""
MAX_DESCRIPTION = 4096
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
"""What vendors take as the name of a function."""


@dataclass(frozen=True)
class Offer:
    tools: tuple[OfferedTool, ...]
    """As `task.json` has them; a native one by its name alone, because the runner knows it."""
    served: Mapping[str, Mapping[str, ToolDefinition]]
    """By server and tool: what the gate lets through, if the policy does."""
    conflicts: tuple[Mapping[str, Any], ...]
    missing: tuple[str, ...]
    """Servers of the plan that said nothing in time."""
    problems: tuple[str, ...]
    """Tools that were refused, and why."""

    silent: tuple[str, ...] = ()
    """MCP servers of the plan of which no tool is there: they were away when the run began, or offer none."""

    def started_entry(self) -> dict[str, Any]:
        """The fields of the journal's `started`."""
        return {
            "servers": {server: list(tools) for server, tools in self.served.items()},
            "tools": [tool.definition.name for tool in self.tools],
            "conflicts": list(self.conflicts),
            "missing": list(self.missing),
        }


def decide(plan: RunPlan, manifests: Mapping[str, Sequence[ToolDefinition]]) -> Offer:
    """`manifests` has what each server said; a server of the plan that is not in it is missing and its declared tools are not offered.

    A tool of which the policy denies every call is not offered; one that waits for a person is. A name that several servers have goes to a native tool,
    else to the core's own servers, else to the first in skill order.
    """
    problems: list[str] = []
    served: dict[str, dict[str, ToolDefinition]] = {}
    for name in CORE_SERVERS:  # before the sidecars: what is the core's own is not another's to take
        if name in manifests:
            served[name] = _sound(manifests[name], name, problems)
    for server in plan.servers:
        if server.name in manifests:
            declared = [ToolDefinition(tool.name, tool.description, tool.parameters) for tool in server.declared]
            served[server.name] = _sound([*declared, *manifests[server.name]], server.name, problems)
    owners: dict[str, list[str]] = {name: [NATIVE_SERVER] for name in plan.native_tools}
    for name, tools in served.items():
        for tool in tools:
            owners.setdefault(tool, []).append(name)
    offered = [tool for tool in owners if plan.tools.decide(tool).action != "deny"]
    if len(offered) > MAX_TOOLS:
        problems.append(f"{len(offered)} tools are more than {MAX_TOOLS}; the last ones are not offered")
        offered = offered[:MAX_TOOLS]
    return Offer(
        tools=tuple(_offered(tool, owners[tool], served) for tool in offered),
        served=served,
        conflicts=tuple(
            {"tool": tool, "servers": names, "chosen": names[0]} for tool, names in owners.items() if len(names) > 1
        ),
        missing=tuple(server.name for server in plan.servers if server.name not in manifests),
        problems=tuple(problems),
        silent=_silent(plan, served),
    )


def _silent(plan: RunPlan, served: Mapping[str, Mapping[str, ToolDefinition]]) -> tuple[str, ...]:
    names = served.get(MCP_SERVER, {})
    return tuple(each.name for each in plan.mcp if not any(name.startswith(f"{each.prefix}_") for name in names))


def _offered(tool: str, servers: list[str], served: Mapping[str, Mapping[str, ToolDefinition]]) -> OfferedTool:
    first = servers[0]
    definition = ToolDefinition(tool, "", {"type": "object"}) if first == NATIVE_SERVER else served[first][tool]
    return OfferedTool(definition, first, tuple(servers) if len(servers) > 1 else ())


def _sound(tools: Sequence[ToolDefinition], server: str, problems: list[str]) -> dict[str, ToolDefinition]:
    """What may be offered at all, by name; the first of a name counts: the plan's declaration goes before the server's own words."""
    kept: dict[str, ToolDefinition] = {}
    for tool in tools:
        if tool.name in kept:
            continue
        if len(kept) >= MAX_TOOLS:
            problems.append(f"{server}: more than {MAX_TOOLS} tools")
            break
        if not _NAME.fullmatch(tool.name):
            problems.append(f"{server}: {tool.name[:80]!r} is no tool name; letters, digits, '_' and '-', at most 64")
        elif tool.parameters.get("type", "object") != "object":
            problems.append(f"{server}: parameters of {tool.name} are not of type object")
        elif len(json.dumps(dict(tool.parameters))) > MAX_SCHEMA:
            problems.append(f"{server}: parameters of {tool.name} are longer than {MAX_SCHEMA} bytes")
        else:
            parameters = {"type": "object", **tool.parameters}
            kept[tool.name] = ToolDefinition(tool.name, tool.description[:MAX_DESCRIPTION], parameters)
    return kept
