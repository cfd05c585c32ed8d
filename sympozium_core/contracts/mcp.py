"""MCP servers (Model Context Protocol) of a run: what its plan says of them, how their tools are named and chosen, and who finds out what they have.

Planning, bridge, gateway and sidecar go by the same functions, so that what is offered, what is let through and what is called are one thing.
A run's pod has neither the network nor the credentials for any of it: its sidecar speaks the protocol, and each HTTP exchange is carried out by a
gateway, which has both.
"""

from __future__ import annotations

import hashlib
import re
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from types import MappingProxyType
from typing import Any, Literal, Protocol
from urllib.parse import urlsplit, urlunsplit

Transport = Literal["http", "sse"]
"""``http``: streamable HTTP; ``sse``: the older one, with a stream of events and an address for messages."""

MAX_NAME = 64
"""Characters of a tool's name on offer: what vendors take."""
MAX_TOOLS = 512
"""Of one server; of more, the first count."""
MAX_PAGES = 64
"""On which a server may list them."""
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_-]")


@dataclass(frozen=True)
class Annotations:
    """What a server says of a tool; where it says nothing, what MCP takes for granted. A server that lies is believed: it is its owner's."""

    read_only: bool = False
    destructive: bool = True
    idempotent: bool = False
    open_world: bool = True

    def facts(self) -> dict[str, bool]:
        """As conditions of rules, and the status, name them. What only reads destroys nothing."""
        return {
            "readOnly": self.read_only,
            "destructive": self.destructive and not self.read_only,
            "idempotent": self.idempotent or self.read_only,
            "openWorld": self.open_world,
        }


@dataclass(frozen=True)
class McpHeader:
    """A header of every request to a server."""

    name: str
    value: str = ""
    """What it says; before the Secret's value, where there is one."""
    secret: str = ""
    """A Secret in the server's namespace."""
    key: str = ""
    """Of the Secret."""


def _nothing() -> Mapping[str, Annotations]:
    return MappingProxyType({})


@dataclass(frozen=True)
class McpServer:
    name: str
    transport: Transport
    url: str
    """Of one that runs beside the control plane of one machine only the path counts: the gateway knows where it is."""
    namespace: str
    """Where its Secrets are, and it itself where it is managed."""
    prefix: str
    timeout: int = 30
    """Seconds for one call."""
    managed: bool = False
    """Run by the control plane, which answers for its address."""
    headers: tuple[McpHeader, ...] = ()
    allow: tuple[tuple[str, ...], ...] = ()
    """Lists of patterns of the server's own names, each of which has to have a tool; none: all tools."""
    deny: tuple[str, ...] = ()
    annotations: Mapping[str, Annotations] = field(default_factory=_nothing)
    """By the server's own names, as they were found out before the run."""

    def lists(self, tool: str) -> bool:
        """Whether a tool, by the server's own name, may be offered at all."""
        allowed = all(any(fnmatchcase(tool, pattern) for pattern in patterns) for patterns in self.allow)
        return allowed and not any(fnmatchcase(tool, pattern) for pattern in self.deny)

    @property
    def origin(self) -> str:
        return "://".join(urlsplit(self.url)[:2])

    @property
    def path(self) -> str:
        """Without the query, which may hold what nobody but the gateway is to know."""
        return urlsplit(self.url).path or "/"


def offered_name(prefix: str, tool: str) -> str:
    """A server's tool as the model and the policies know it: ``<prefix>_<tool>``, of the characters that models' vendors take. One that is too long
    is cut and told apart by its digest."""
    name = _NOT_IN_NAMES.sub("_", f"{prefix}_{tool}")
    if len(name) <= MAX_NAME:
        return name
    return f"{name[: MAX_NAME - 9]}_{hashlib.sha256(tool.encode()).hexdigest()[:8]}"


def told(server: McpServer) -> dict[str, Any]:
    """What the sidecar is told: how the server speaks and which tools are wanted. The address is there for what servers say of themselves, without
    its query; it leads nowhere from there."""
    return {
        "name": server.name,
        "transport": server.transport,
        "url": urlunsplit((*urlsplit(server.url)[:3], "", "")),
        "prefix": server.prefix,
        "timeout": server.timeout,
        "allow": [list(patterns) for patterns in server.allow],
        "deny": list(server.deny),
    }


def server_from_told(data: Mapping[str, Any]) -> McpServer:
    """The inverse of `told`. KeyError or TypeError on anything else."""
    allow = tuple(tuple(patterns) for patterns in data["allow"])
    return McpServer(**{**data, "namespace": "", "allow": allow, "deny": tuple(data["deny"])})


def server_from_json(data: Mapping[str, Any]) -> McpServer:
    """The inverse of `plan.to_json`."""
    return McpServer(
        **{
            **data,
            "headers": tuple(McpHeader(**header) for header in data["headers"]),
            "allow": tuple(tuple(patterns) for patterns in data["allow"]),
            "deny": tuple(data["deny"]),
            "annotations": {tool: Annotations(**found) for tool, found in data["annotations"].items()},
        }
    )


def annotations_of(servers: Sequence[McpServer], tool: str) -> Annotations:
    """Of a tool on offer by that name; what nobody has found out is what MCP takes for granted."""
    for server in servers:
        for name, found in server.annotations.items():
            if offered_name(server.prefix, name) == tool:
                return found
    return Annotations()


def missing_section(why: Mapping[str, str]) -> str:
    """Of the system prompt: which servers' tools are not there. Our own words alone: a server's are for nobody's prompt."""
    lines = [f"- {name}: {because}" for name, because in why.items()]
    return "\n".join(["# Missing tools", "", "The tools of these servers are not there in this run:", *lines]) if lines else ""


class ExchangeAnswer(Protocol):
    """What came back of one HTTP request."""

    status: int
    headers: Mapping[str, str]

    def pieces(self) -> AsyncIterator[bytes]:
        """The body as it comes. Raises SympoziumError."""


class Exchange(Protocol):
    """Carries out one HTTP request to a server, with its headers, its credentials and the query of its own address added:
    ``async with exchange(method, path, headers, body) as answer``. Redirects that may be followed it has followed.
    """

    def __call__(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes
    ) -> AbstractAsyncContextManager[ExchangeAnswer]:
        """`path` with its query, of the server's origin. Raises SympoziumError."""


@dataclass(frozen=True)
class DiscoveredTool:
    name: str
    """The server's own."""
    description: str = ""
    annotations: Annotations = Annotations()


@dataclass(frozen=True)
class Discovered:
    tools: tuple[DiscoveredTool, ...]
    protocol: str = ""
    """Version of MCP that was agreed on."""
    software: str = ""
    """What the server calls itself, with its version."""


class McpClient(ABC):
    """Speaks MCP for the control plane, which wants to know whether a server is there and what it has. Loaded by gateways and the controller."""

    @property
    @abstractmethod
    def adapter(self) -> str:
        """A Python module that serves over streamable HTTP, at ``/mcp``, what a program speaks on its standard streams:
        ``--listen WHERE -- COMMAND…``, or ``--listen WHERE --input FIFO --output FIFO`` for one that runs in another container: what it says and what it hears, made where they are missing. WHERE is a port, or the
        path of a Unix socket to make. It begins to listen before the program has said anything.
        """

    @abstractmethod
    async def discover(self, server: McpServer, exchange: Exchange) -> Discovered:
        """Opens a session, lists all tools, and ends the session, whatever came of it. The caller bounds the time of it all, and may cancel it: no
        exchange outlives the call. A request that is not answered within `server.timeout` has failed.

        Names, descriptions and annotations are the server's own; `prefix`, `allow` and `deny` are for whoever offers the tools. Of more than 512 (MAX_TOOLS)
        the first are told, and no more than 64 pages (MAX_PAGES) are asked for. Raises SympoziumError that names the server and says what it said, and shows nothing
        of `server.headers` nor of the query of its address.
        """
