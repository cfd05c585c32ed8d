"""MCP servers that Sympozium runs on a real cluster: Deployments that Pod Security admits, reached by gateways alone, whose tools a run's pod calls
without a network or a credential."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from sympozium_core.testing.servers.script import from_data
from tests.kubernetes import images, runs
from tests.kubernetes.kubectl import Kubectl, eventually
from tests.kubernetes.runs import Model

TOKEN = "tok-cluster-7d1e-never-in-clear"
SERVER = """
import os, sys
from mcp.server.mcpserver import MCPServer
from mcp.server.transport_security import TransportSecuritySettings
from mcp_types import ToolAnnotations

server = MCPServer("little")

@server.tool(annotations=ToolAnnotations(read_only_hint=True))
def add(a: int, b: int) -> int:
    return a + b

@server.tool()
def word() -> str:
    return os.environ["WORD"]

if sys.argv[1] == "stdio":
    server.run("stdio")
else:
    server.run("streamable-http", host="0.0.0.0", port=8080, transport_security=TransportSecuritySettings(enable_dns_rebinding_protection=False))
"""
CALLS = [
    {"name": f"{server}_{tool}", "arguments": arguments}
    for server in ("web", "pipes")
    for tool, arguments in (("add", {"a": 2, "b": 3}), ("word", {}))
]
CONVERSATIONS = {"conversations": [{"turns": [{"text": "I ask.", "tools": CALLS}, {"text": "Done."}]}]}


@pytest.fixture(scope="module")
def model() -> Iterator[Model]:
    with runs.serve_model(from_data(CONVERSATIONS)) as served:
        yield served


def mcp_server(name: str, transport: str, **spec: Any) -> dict[str, Any]:
    deployment = {
        "image": images.image("skill"),
        "cmd": "python3",
        "args": ["-c", SERVER, transport],
        "secretRefs": [{"name": "word"}],
    }
    return {
        "apiVersion": "sympozium.ai/v1alpha1",
        "kind": "MCPServer",
        "metadata": {"name": name},
        "spec": {"transportType": transport, "toolsPrefix": name, "deployment": deployment, **spec},
    }


def status(here: Kubectl, name: str) -> dict[str, Any]:
    found: dict[str, Any] = here.get("mcpserver", name).get("status") or {}
    return found


def until_ready(here: Kubectl, name: str, within: float = 120) -> dict[str, Any]:
    try:
        eventually(lambda: bool(status(here, name).get("ready")), f"MCP server {name} is ready", within)
    except AssertionError as late:
        said = [here.call("describe", what).stdout for what in (f"mcpserver/{name}", "deployments", "pods")]
        said.append(here.call("logs", "-l", "sympozium.ai/component=mcp-server", "--all-containers", "--prefix").stdout)
        raise AssertionError("\n".join((str(late), *said))) from None
    return status(here, name)


def test_a_run_uses_servers_that_are_run_beside_it(sympozium: object, here: Kubectl, model: Model) -> None:
    here("create", "secret", "generic", "word", f"--from-literal=WORD={TOKEN[:8]}")
    here("label", "namespace", here.namespace, "pod-security.kubernetes.io/enforce=restricted")
    here.apply(mcp_server("web", "http"), mcp_server("pipes", "stdio"))
    for name in ("web", "pipes"):
        found = until_ready(here, name)
        assert found["url"] == f"http://mcp-{name}.{here.namespace}.svc:8080/mcp"
        assert found["tools"] == ["add", "word"]
        assert found["toolDetails"][0]["annotations"]["readOnly"] is True
        assert {each["type"]: each["status"] for each in found["conditions"]} == {
            "Suspended": "False",
            "Deployed": "True",
            "Ready": "True",
        }
    runs.furnish(here, model, mcpServers=[{"name": name, "toolsPrefix": name} for name in ("web", "pipes")])
    here.apply(runs.run("work", "add"))
    ended = runs.until_cleaned(here, "work", 150)
    assert (ended["phase"], ended.get("result")) == ("Succeeded", "Done."), ended
    told = [str(message["content"]) for message in model.server.requests[-1].body["messages"] if message["role"] == "tool"]
    assert told == ["5", TOKEN[:8], "5", TOKEN[:8]]
    columns = here("get", "mcpservers").splitlines()
    assert columns[0].split() == ["NAME", "TRANSPORT", "READY", "URL", "TOOLS", "AGE"]


def test_nobody_but_a_gateway_gets_in(sympozium: object, here: Kubectl) -> None:
    here("create", "secret", "generic", "word", "--from-literal=WORD=x")
    here.apply(mcp_server("web", "http"))
    until_ready(here, "web")
    address = here.get("service", "mcp-web")["spec"]["clusterIP"]
    code = f"import socket; socket.create_connection(({address!r}, 8080), 5)"
    image = f"--image={images.image('skill')}"
    pod = {
        "spec": {
            "containers": [
                {
                    "name": "curious",
                    "image": images.image("skill"),
                    "imagePullPolicy": "Never",
                    "command": ["python3", "-c", code],
                }
            ]
        }
    }
    overrides = f"--overrides={json.dumps(pod)}"
    here("run", "curious", image, "--restart=Never", overrides)
    eventually(
        lambda: here.get("pod", "curious")["status"]["phase"] in ("Failed", "Succeeded"), "the curious pod has ended", 60
    )
    assert here.get("pod", "curious")["status"]["phase"] == "Failed"
    assert "timed out" in here("logs", "curious")
    before = here.get("networkpolicy", "mcp-web")["metadata"]["uid"]
    here("delete", "networkpolicy", "mcp-web")
    eventually(lambda: here.exists("networkpolicy", "mcp-web"), "what keeps others out is there again")
    assert here.get("networkpolicy", "mcp-web")["metadata"]["uid"] != before
    open_to_all = '{"spec": {"ingress": [{}]}}'
    here("patch", "networkpolicy", "mcp-web", "--type=merge", "-p", open_to_all)
    eventually(lambda: here.get("networkpolicy", "mcp-web")["spec"]["ingress"] != [{}], "what it says is what it said")


def test_suspended_it_has_no_pods_and_deleted_it_leaves_nothing(sympozium: object, here: Kubectl) -> None:
    here("create", "secret", "generic", "word", "--from-literal=WORD=x")
    here.apply(mcp_server("pipes", "stdio"))
    until_ready(here, "pipes")
    here("patch", "mcpserver", "pipes", "--type=merge", "-p", '{"spec": {"suspended": true}}')
    selector = "sympozium.ai/mcp-server=pipes"
    eventually(lambda: not here.get("pods", "-l", selector)["items"], "no pod of it is left", 90)
    eventually(lambda: status(here, "pipes").get("ready") is False, "it says that it is not ready")
    here("patch", "mcpserver", "pipes", "--type=merge", "-p", '{"spec": {"suspended": false}}')
    until_ready(here, "pipes")
    pod = here.get("pods", "-l", selector)["items"][0]["metadata"]["name"]
    here("delete", "pod", pod, "--wait=false")
    here("delete", "mcpserver", "pipes")
    kinds = "deployments,services,networkpolicies,pods"
    eventually(lambda: not here.get(kinds, "-l", selector)["items"], "nothing of it is left", 90)


def test_who_may_not_read_a_secret_sends_it_nowhere(sympozium: object, here: Kubectl) -> None:
    here("create", "secret", "generic", "token", f"--from-literal=token={TOKEN}")
    here("create", "role", "writer", "--verb=create,get,patch", "--resource=mcpservers.sympozium.ai")
    here("create", "rolebinding", "mallory", "--role=writer", "--user=mallory@example.com")
    header = {"name": "Authorization", "valueFrom": {"secretKeyRef": {"name": "token", "key": "token"}}}
    spec = {"transportType": "http", "toolsPrefix": "x", "url": "https://mallory.example.com/mcp", "headers": [header]}
    obj = {"apiVersion": "sympozium.ai/v1alpha1", "kind": "MCPServer", "metadata": {"name": "x"}, "spec": spec}
    refused = here.call("create", "--as=mallory@example.com", "-f", "-", stdin=json.dumps(obj))
    assert refused.returncode != 0
    assert "may not get Secret 'token'" in refused.stderr
