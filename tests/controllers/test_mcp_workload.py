"""The objects of an MCPServer that is run on a cluster: what Pod Security admits, and nobody but a gateway let in."""

from __future__ import annotations

from typing import Any

import pytest

from sympozium_core.contracts.cluster import Object
from sympozium_core.controllers.mcpserver.workload import Adapter, labels, workload
from sympozium_core.resources import load
from sympozium_core.testing.pod_security import restricted_violations

ADAPTER = Adapter("registry.example/skill:1", "an.adapter", "Never")


def server(transport: str = "http", **spec: Any) -> dict[str, Any]:
    deployment = {"image": "ghcr.io/acme/server:1", "cmd": "serve", "args": ["--fast", "$HOME"], **spec.pop("deployment", {})}
    return load.normalise(
        {
            "apiVersion": "sympozium.ai/v1alpha1",
            "kind": "MCPServer",
            "metadata": {"name": "github", "namespace": "tools", "uid": "u1"},
            "spec": {"transportType": transport, "toolsPrefix": "gh", "deployment": deployment, **spec},
        }
    )


def made(obj: dict[str, Any]) -> tuple[Object, Object, Object]:
    policy, service, deployment = (found for _, found in workload(obj, ADAPTER, "sympozium-system"))
    return policy, service, deployment


@pytest.mark.parametrize("transport", ["stdio", "http", "sse"])
def test_its_pod_is_one_that_pod_security_admits(transport: str) -> None:
    *_, deployment = made(server(transport))
    pod = deployment["spec"]["template"]["spec"]
    assert restricted_violations(pod) == []
    assert pod["automountServiceAccountToken"] is False


def test_all_of_it_is_the_servers_and_goes_with_it() -> None:
    for obj in made(server()):
        meta = obj["metadata"]
        assert (meta["name"], meta["namespace"]) == ("mcp-github", "tools")
        (owner,) = meta["ownerReferences"]
        assert (owner["kind"], owner["name"], owner["uid"]) == ("MCPServer", "github", "u1")


def test_gateways_alone_are_let_in() -> None:
    policy, service, deployment = made(server(deployment={"port": 9000}))
    spec = policy["spec"]
    assert spec["podSelector"]["matchLabels"] == deployment["spec"]["template"]["metadata"]["labels"] == labels(server())
    assert spec["policyTypes"] == ["Ingress"]
    (rule,) = spec["ingress"]
    (who,) = rule["from"]
    assert who["namespaceSelector"]["matchLabels"] == {"kubernetes.io/metadata.name": "sympozium-system"}
    assert who["podSelector"]["matchLabels"]["app.kubernetes.io/component"] == "gateway"
    assert rule["ports"] == [{"port": 9000, "protocol": "TCP"}]
    assert service["spec"]["ports"][0]["targetPort"] == 9000


def test_http_runs_as_it_says() -> None:
    secret = {"env": {"LEVEL": "debug"}, "secretRefs": [{"name": "token"}], "serviceAccountName": "reader"}
    *_, deployment = made(server(deployment=secret, replicas=3))
    pod = deployment["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert (container["command"], container["args"]) == (["serve"], ["--fast", "$$HOME"])
    assert {"name": "LEVEL", "value": "debug"} in container["env"]
    assert container["envFrom"] == [{"secretRef": {"name": "token"}}]
    assert (pod["serviceAccountName"], pod["automountServiceAccountToken"]) == ("reader", True)
    assert deployment["spec"]["replicas"] == 3


def test_the_images_own_program_is_left_alone() -> None:
    *_, deployment = made(server(deployment={"cmd": None, "args": []}))
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert not {"command", "args"} & container.keys()


def test_stdio_has_an_adapter_and_two_pipes() -> None:
    *_, deployment = made(server("stdio", deployment={"port": 9000}))
    pod = deployment["spec"]["template"]["spec"]
    (container,), (adapter,) = pod["containers"], pod["initContainers"]
    assert container["command"][:2] == ["/bin/sh", "-c"]
    assert container["command"][3:] == ["sh", "serve", "--fast", "$$HOME"]
    assert '"$$@" </pipes/in >/pipes/out' in container["command"][2]
    assert "ports" not in container
    assert adapter["restartPolicy"] == "Always"
    assert (adapter["image"], adapter["imagePullPolicy"]) == ("registry.example/skill:1", "Never")
    assert adapter["command"] == [
        *("python3", "-P", "-m", "an.adapter", "--listen", "9000"),
        *("--input", "/pipes/out", "--output", "/pipes/in"),
    ]
    shared = [{mount["mountPath"] for mount in each["volumeMounts"]} for each in (container, adapter)]
    assert shared[0] & shared[1] == {"/tmp", "/pipes"}
    tmp = [
        next(mount["name"] for mount in each["volumeMounts"] if mount["mountPath"] == "/tmp") for each in (container, adapter)
    ]
    assert len(set(tmp)) == 2, "neither writes where the other works"


def test_a_suspended_one_has_no_pods() -> None:
    assert made(server(suspended=True))[2]["spec"]["replicas"] == 0
    assert made(server(replicas=0))[2]["spec"]["replicas"] == 0


def test_what_it_is_made_of_is_noted_and_changes_with_it() -> None:
    def noted(obj: Object) -> str:
        return str(obj["metadata"]["annotations"]["sympozium.ai/made-of"])

    one, same, other = (made(server(replicas=n))[2] for n in (1, 1, 2))
    assert noted(one) == noted(same) != noted(other)
