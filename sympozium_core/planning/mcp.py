"""The MCP servers of a run: its instance's bindings joined with the MCPServers that they name, and why one of them is not there."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from sympozium_core.address_guard import url_refusal
from sympozium_core.contracts.mcp import Annotations, McpHeader, McpServer, Transport, missing_section, told
from sympozium_core.contracts.plan import PodPlan, digest
from sympozium_core.names import ENV_MCP_SERVERS, MCP_SERVER, SYSTEM_NAMESPACE
from sympozium_core.planning.fetching import server_guard
from sympozium_core.planning.inputs import McpSource, RunInputs
from sympozium_core.planning.sidecars import container_name

TOKEN = "token"
"""The key of a binding's Secret where it names none."""
MAX_SERVERS = 32
MAX_SERVICE = 63
SHOWN = 300


class NotThere(Exception):
    """Why a run goes without one of its servers. `brief` is for the model, the whole for people: a server's own words are for nobody's prompt."""

    def __init__(self, brief: str, more: str = "") -> None:
        super().__init__(brief + (f": {more[:SHOWN]}" if more else ""))
        self.brief = brief


def mcp_servers(inputs: RunInputs) -> tuple[McpServer, ...]:
    """Those that the run has."""
    return tuple(found for _, found in _each(inputs) if isinstance(found, McpServer))


def mcp_notes(inputs: RunInputs) -> list[str]:
    """Why it has not the others, for people."""
    return [
        f"MCP server {name} is not there for this run: {found}" for name, found in _each(inputs) if isinstance(found, NotThere)
    ]


def mcp_section(inputs: RunInputs) -> str:
    """The same for the model; empty where nothing is missing."""
    return missing_section({name: found.brief for name, found in _each(inputs) if isinstance(found, NotThere)})


def server_of(obj: Mapping[str, Any]) -> McpServer:
    """An MCPServer in normal form, by itself. Its url is empty where the control plane runs it."""
    spec, managed = obj["spec"], obj["spec"].get("deployment") is not None
    return McpServer(
        name=obj["metadata"]["name"],
        transport=_transport(spec),
        url=spec.get("url") or "",
        namespace=obj["metadata"]["namespace"],
        prefix=spec["toolsPrefix"],
        timeout=spec.get("timeout") or 30,
        managed=managed,
        headers=tuple(_header(header) for header in spec.get("headers") or []),
        allow=_lists(spec),
        deny=tuple(spec.get("toolsDeny") or ()),
        annotations=_annotations(obj.get("status") or {}),
    )


def service_name(server: str) -> str:
    """Of the Deployment and the Service of a server that is run on a cluster; a name that is too long for one is cut."""
    name = f"mcp-{server}".replace(".", "-")
    if len(name) <= MAX_SERVICE:
        return name
    return f"{name[: MAX_SERVICE - 9].rstrip('-')}-{digest(server)[:8]}"


def service_url(obj: Mapping[str, Any]) -> str:
    """Where the gateway of a cluster finds a server that is run there."""
    namespace, port = obj["metadata"]["namespace"], (obj["spec"].get("deployment") or {}).get("port") or 8080
    return f"http://{service_name(obj['metadata']['name'])}.{namespace}.svc:{port}{path_of(obj['spec'])}"


def path_of(spec: Mapping[str, Any]) -> str:
    """Of the address of a server that is run here."""
    if spec["transportType"] == "stdio":
        return "/mcp"
    return (spec.get("deployment") or {}).get("path") or ("/sse" if spec["transportType"] == "sse" else "/mcp")


def with_servers(pod: PodPlan, servers: Sequence[McpServer]) -> PodPlan:
    """The pod whose sidecar for MCP knows its servers: how they speak, nothing that lets it speak to them by itself."""
    told_of = json.dumps([told(server) for server in servers], ensure_ascii=True, separators=(",", ":"))
    return replace(
        pod,
        containers=tuple(
            replace(each, env={**each.env, ENV_MCP_SERVERS: told_of}) if each.name == container_name(MCP_SERVER) else each
            for each in pod.containers
        ),
    )


def _each(inputs: RunInputs) -> Iterator[tuple[str, McpServer | NotThere]]:
    for number, source in enumerate(inputs.mcp):
        name = source.binding["name"]
        try:
            if number >= MAX_SERVERS:
                raise NotThere(f"an instance has at most {MAX_SERVERS}")
            yield name, _found(source, inputs)
        except NotThere as error:
            yield name, error


def _found(source: McpSource, inputs: RunInputs) -> McpServer:
    if inputs.mcp_skill is None:
        raise NotThere("nothing is installed here that speaks MCP", f"pip install the package of skill {MCP_SERVER}")
    found = _inline(source, inputs) if source.binding.get("url") else _named(source, inputs)
    guard = server_guard(inputs.policy.mcp_private or (), on_this_machine=inputs.sandbox.on_this_machine)
    if not found.managed and (because := url_refusal(found.url, guard)):
        more = f"its address {because}; list its range in mcpPolicy.allowedPrivate of policy {inputs.policy.name}"
        raise NotThere("its address may not be asked", more)
    return found


def _inline(source: McpSource, inputs: RunInputs) -> McpServer:
    binding = source.binding
    headers = [McpHeader(name, value) for name, value in (binding.get("headers") or {}).items()]
    if secret := binding.get("authSecret"):
        headers.append(McpHeader("Authorization", "Bearer ", secret, binding.get("authKey") or TOKEN))
    return McpServer(
        name=binding["name"],
        transport="http",
        url=binding["url"],
        namespace=inputs.run["metadata"]["namespace"],
        prefix=binding["toolsPrefix"],
        timeout=binding.get("timeout") or 30,
        headers=tuple(headers),
        allow=_lists(binding),
        deny=tuple(binding.get("toolsDeny") or ()),
    )


def _named(source: McpSource, inputs: RunInputs) -> McpServer:
    binding, server = source.binding, source.server
    if server is None:
        places = " or ".join(dict.fromkeys((inputs.run["metadata"]["namespace"], SYSTEM_NAMESPACE)))
        raise NotThere(f"there is no MCPServer of that name in namespace {places}")
    if server["spec"].get("suspended"):
        raise NotThere("it is suspended")
    status = server.get("status") or {}
    if not status.get("ready"):
        raise NotThere("it is not ready", _why(status))
    found = server_of(server)
    return McpServer(
        name=binding["name"],
        transport=found.transport,
        url=(status.get("url") or f"http://{binding['name']}.invalid{path_of(server['spec'])}") if found.managed else found.url,
        namespace=found.namespace,
        prefix=binding["toolsPrefix"],
        timeout=min(found.timeout, binding.get("timeout") or found.timeout),
        managed=found.managed,
        headers=found.headers,
        allow=(*found.allow, *_lists(binding)),
        deny=(*found.deny, *(binding.get("toolsDeny") or ())),
        annotations=found.annotations,
    )


def _transport(spec: Mapping[str, Any]) -> Transport:
    """What runs on stdio is spoken to over HTTP by way of an adapter."""
    return "sse" if spec["transportType"] == "sse" else "http"


def _header(header: Mapping[str, Any]) -> McpHeader:
    source = ((header.get("valueFrom") or {}).get("secretKeyRef")) or {}
    return McpHeader(header["name"], header.get("value") or "", source.get("name") or "", source.get("key") or "")


def _lists(spec: Mapping[str, Any]) -> tuple[tuple[str, ...], ...]:
    return (tuple(spec["toolsAllow"]),) if spec.get("toolsAllow") else ()


def _annotations(status: Mapping[str, Any]) -> dict[str, Annotations]:
    usual = Annotations()
    found = {}
    for tool in status.get("toolDetails") or []:
        said = tool.get("annotations") or {}
        found[tool["name"]] = Annotations(
            read_only=said.get("readOnly", usual.read_only),
            destructive=said.get("destructive", usual.destructive),
            idempotent=said.get("idempotent", usual.idempotent),
            open_world=said.get("openWorld", usual.open_world),
        )
    return found


def _why(status: Mapping[str, Any]) -> str:
    ready: Mapping[str, Any] = next((found for found in status.get("conditions") or [] if found.get("type") == "Ready"), {})
    return str(ready.get("message") or "") or ("nobody has looked at it yet" if not ready else "")
