"""Writes the reference pages that come from the code: ``python docs/generate``; with ``--check`` only says which are out of date."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from cli_page import cli
from contract_pages import contract_page, suites_page
from name_pages import exit_codes, hook_page, phases_and_reasons, settings_page
from resource_page import resources
from rights_page import rights

FOLDER = Path(__file__).parents[1] / "reference"
PAGES: dict[str, Callable[[], str]] = {
    "cli.md": cli,
    "conformance.md": suites_page,
    "provider.md": lambda: contract_page(
        "Contract of a provider",
        "sympozium_core.contracts.provider",
        "Provider",
        ("ProviderContext", "Endpoint", "ChatRequest", "ProviderError"),
    ),
    "channel.md": lambda: contract_page(
        "Contract of a channel",
        "sympozium_core.contracts.channel",
        "Channel",
        (
            "ChannelContext",
            "Abilities",
            "InboundMessage",
            "OutboundMessage",
            "Reaction",
            "Health",
            "WebRequest",
            "WebAnswer",
            "ChannelError",
        ),
    ),
    "sandbox.md": lambda: contract_page(
        "Contract of a sandbox",
        "sympozium_core.contracts.sandbox",
        "Sandbox",
        ("SandboxContext", "Availability", "PodStatus", "ContainerStatus"),
    ),
    "harness.md": lambda: contract_page("Contract of a harness", "sympozium_core.contracts.harness", "Harness", ()),
    "memory.md": lambda: contract_page(
        "Contract of a memory backend", "sympozium_core.contracts.memory", "Memory", ("Place", "Note", "Full", "Unavailable")
    ),
    "mcp-client.md": lambda: contract_page(
        "Contract of an MCP client",
        "sympozium_core.contracts.mcp",
        "McpClient",
        ("Exchange", "ExchangeAnswer", "McpServer", "McpHeader", "Discovered", "DiscoveredTool", "Annotations"),
    ),
    "skill.md": lambda: contract_page("Contract of a skill package", "sympozium_core.contracts.skill", "Skill", ()),
    "exit-codes.md": exit_codes,
    "hooks.md": hook_page,
    "phases-and-reasons.md": phases_and_reasons,
    "resources.md": resources,
    "rights.md": rights,
    "settings.md": settings_page,
}


def main() -> int:
    stale = []
    for name, make in PAGES.items():
        file, text = FOLDER / name, make()
        if not file.exists() or file.read_text(encoding="utf-8") != text:
            stale.append(name)
            if "--check" not in sys.argv:
                file.write_text(text, encoding="utf-8")
    if stale:
        print(("out of date: " if "--check" in sys.argv else "wrote ") + ", ".join(stale))
    return int(bool(stale) and "--check" in sys.argv)


if __name__ == "__main__":
    sys.exit(main())
