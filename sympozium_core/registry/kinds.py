"""The kinds of plugin: what each is called, its entry point group, and the class that its plugins implement."""

from __future__ import annotations

from dataclasses import dataclass

from sympozium_core import names
from sympozium_core.errors import Permanent


@dataclass(frozen=True)
class PluginKind:
    name: str
    """What a person calls it; the word in `sympozium plugins list`."""
    group: str
    contract: str = ""
    """``module:Class`` that a driver must subclass; empty for hooks."""
    hook: bool = False


KINDS: tuple[PluginKind, ...] = (
    PluginKind("provider", names.GROUP_PROVIDERS, "sympozium_core.contracts.provider:Provider"),
    PluginKind("channel", names.GROUP_CHANNELS, "sympozium_core.contracts.channel:Channel"),
    PluginKind("sandbox", names.GROUP_SANDBOXES, "sympozium_core.contracts.sandbox:Sandbox"),
    PluginKind("memory", names.GROUP_MEMORIES, "sympozium_core.contracts.memory:Memory"),
    PluginKind("MCP client", names.GROUP_MCP_CLIENTS, "sympozium_core.contracts.mcp:McpClient"),
    PluginKind("skill", names.GROUP_SKILLS, "sympozium_core.contracts.skill:Skill"),
    PluginKind("harness", names.GROUP_HARNESSES, "sympozium_core.contracts.harness:Harness"),
    PluginKind("hook", names.GROUP_HOOKS, hook=True),
    PluginKind("bridge hook", names.GROUP_BRIDGE_HOOKS, hook=True),
)
BY_GROUP = {kind.group: kind for kind in KINDS}


def kind_of(group: str) -> PluginKind:
    """The kind of an entry point group; raises Permanent that lists the groups there are."""
    if group not in BY_GROUP:
        raise Permanent(f"{group!r} is no entry point group of this core", hint=f"groups: {', '.join(BY_GROUP)}")
    return BY_GROUP[group]
