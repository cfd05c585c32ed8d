"""Addresses in URLs, judged when they are written: what nobody is ever asked at is no URL of a model or a tool server.

A name is judged each time that it is asked, and so is a private address, by the policy that then holds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sympozium_core.address_guard import Guard, url_refusal
from sympozium_core.contracts.cluster import ResourceType
from sympozium_core.errors import Cause
from sympozium_core.resources.kinds import MCP_SERVER, PERSONA_PACK, SYMPOZIUM_INSTANCE
from sympozium_core.resources.load import Loaded
from sympozium_core.resources.paths import Path

EVERYTHING = ("0.0.0.0/0", "::/0")


def url_causes(kind: ResourceType, loaded: Loaded[Any], *, on_this_machine: bool) -> list[Cause]:
    """What stands against the URLs of an object, whatever a policy may list."""
    guard = Guard(EVERYTHING, "open" if on_this_machine else "never")
    return [
        Cause(
            loaded.as_written(path), f"{url[:200]!r} {because}", "use the address of a server, such as https://api.example.com"
        )
        for path, url in _urls(kind, loaded.normal["spec"])
        if (because := url_refusal(url, guard))
    ]


def _urls(kind: ResourceType, spec: Mapping[str, Any]) -> Iterator[tuple[Path, str]]:
    """A run's own model is judged with its policy (`planning.review`)."""
    if kind == SYMPOZIUM_INSTANCE:
        yield ("spec", "agents", "default", "baseURL"), spec["agents"]["default"].get("baseURL") or ""
        for index, server in enumerate(spec.get("mcpServers") or []):
            yield ("spec", "mcpServers", index, "url"), server.get("url") or ""
    elif kind == PERSONA_PACK:
        yield ("spec", "baseURL"), spec.get("baseURL") or ""
    elif kind == MCP_SERVER:
        yield ("spec", "url"), spec.get("url") or ""
