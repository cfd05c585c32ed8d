"""Who reaches whom in the control plane's own namespace."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sympozium_core.installation import render
from tests.installation.conftest import USUAL, of_kind, pod_templates


def test_every_pod_has_a_policy_that_denies_what_it_does_not_list(objects: Sequence[dict[str, Any]]) -> None:
    policies = of_kind(objects, "NetworkPolicy").values()
    assert all(set(policy["spec"]["policyTypes"]) == {"Ingress", "Egress"} for policy in policies)
    for obj in objects:
        if isinstance(obj.get("spec"), dict) and "template" in obj["spec"]:
            labels = obj["spec"]["template"]["metadata"]["labels"].items()
            assert [p for p in policies if p["spec"]["podSelector"]["matchLabels"].items() <= labels], obj["metadata"]["name"]
    assert len(policies) == len(pod_templates(objects)) or "sympozium-nats" not in pod_templates(objects)


def test_the_bus_is_reached_by_its_clients_alone_and_reaches_nobody() -> None:
    policy = of_kind(render.everything(USUAL), "NetworkPolicy")["sympozium-nats"]["spec"]
    assert "egress" not in policy
    (rule,) = policy["ingress"]
    assert [port["port"] for port in rule["ports"]] == [4222]
    own, runs = rule["from"][:-1], rule["from"][-1]
    assert {peer["podSelector"]["matchLabels"]["app.kubernetes.io/component"] for peer in own} == {"controller", "gateway"}
    assert runs == {"namespaceSelector": {}, "podSelector": {"matchLabels": {"sympozium.ai/component": "agent-run"}}}


def test_only_the_webhook_is_reached_from_elsewhere() -> None:
    policies = of_kind(render.everything(USUAL), "NetworkPolicy")
    assert {name for name, policy in policies.items() if "ingress" in policy["spec"]} == {"sympozium-nats", "sympozium-webhook"}


def test_only_the_gateway_reaches_everywhere_and_not_the_metadata_address() -> None:
    policies = of_kind(render.everything(USUAL), "NetworkPolicy")
    wide = {name for name, policy in policies.items() for rule in policy["spec"].get("egress", ()) if "0.0.0.0/0" in str(rule)}
    assert wide == {"sympozium-gateway"}
    assert "169.254.169.254/32" in str(policies["sympozium-gateway"])
