from __future__ import annotations

import json
from typing import Any

import pytest

from sympozium_core.contracts.network import network_digest
from sympozium_core.contracts.plan import EgressRule, PodPlan
from sympozium_core.controllers.network_policies import (
    ApiServer,
    BusPlace,
    Profile,
    api_servers,
    base_policy,
    is_as_wanted,
    profile_of,
    profile_policy,
)

BUS = BusPlace(4222, "sympozium-system")
API = (ApiServer(("10.0.0.1/32", "10.0.0.2/32"), (6443,)),)
WEB = EgressRule("example.com", ("93.184.216.34/32",), 443)
EVERYWHERE = EgressRule("0.0.0.0/0", ("0.0.0.0/0",), None)

TO_THE_BUS = {
    "to": [
        {
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "sympozium-system"}},
            "podSelector": {"matchLabels": {"app.kubernetes.io/name": "sympozium", "app.kubernetes.io/component": "nats"}},
        }
    ],
    "ports": [{"protocol": "TCP", "port": 4222}],
}
TO_THE_API = {
    "to": [{"ipBlock": {"cidr": "10.0.0.1/32"}}, {"ipBlock": {"cidr": "10.0.0.2/32"}}],
    "ports": [{"protocol": "TCP", "port": 6443}],
}
TO_THE_WEB = {"to": [{"ipBlock": {"cidr": "93.184.216.34/32"}}], "ports": [{"protocol": "TCP", "port": 443}]}


def test_every_pod_of_a_run_is_denied_everything_both_ways() -> None:
    assert base_policy("team")["spec"] == {
        "podSelector": {"matchLabels": {"sympozium.ai/component": "agent-run"}},
        "policyTypes": ["Ingress", "Egress"],
    }


@pytest.mark.parametrize(
    ("profile", "opened"),
    [
        (Profile(), [TO_THE_BUS]),
        (Profile("api"), [TO_THE_BUS, TO_THE_API]),
        (Profile("bus", (WEB,)), [TO_THE_BUS, TO_THE_WEB]),
        (Profile("api", (WEB,)), [TO_THE_BUS, TO_THE_API, TO_THE_WEB]),
        (Profile("api-only"), [TO_THE_API]),
    ],
)
def test_a_profile_opens_what_it_names_and_nothing_else(profile: Profile, opened: list[Any]) -> None:
    policy = profile_policy("team", profile, BUS, API)
    assert policy["spec"]["egress"] == opened
    assert "ingress" not in policy["spec"]
    assert policy["spec"]["policyTypes"] == ["Ingress", "Egress"]
    labels = policy["spec"]["podSelector"]["matchLabels"]
    assert labels == {"sympozium.ai/component": "agent-run", "sympozium.ai/network": profile.digest}
    pod = PodPlan((), network=profile.network, egress=profile.egress)
    assert policy["metadata"]["name"] == f"sympozium-{network_digest(pod)}" == Profile.of(pod).policy


def test_a_hook_without_rights_reaches_nothing() -> None:
    policy = profile_policy("team", Profile("none"), BUS, API)
    assert "egress" not in policy["spec"]
    assert policy["spec"]["policyTypes"] == ["Ingress", "Egress"]


def test_a_wide_range_leaves_out_what_is_never_open() -> None:
    rule = profile_policy("team", Profile("bus", (EVERYWHERE,)), BUS, ())["spec"]["egress"][-1]
    assert "ports" not in rule, "every port"
    block = rule["to"][0]["ipBlock"]
    assert block["cidr"] == "0.0.0.0/0"
    assert "169.254.0.0/16" in block["except"]
    assert all("." in each for each in block["except"]), "of the same family"


@pytest.mark.parametrize(
    ("bus", "to"),
    [
        (BusPlace(4223, cidrs=("192.0.2.1/32",)), [{"ipBlock": {"cidr": "192.0.2.1/32"}}]),
        (
            BusPlace(4223, "messaging", labels=()),
            [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "messaging"}}}],
        ),
    ],
)
def test_a_bus_of_the_users_own(bus: BusPlace, to: list[Any]) -> None:
    (rule,) = profile_policy("team", Profile(), bus, API)["spec"]["egress"]
    assert rule == {"to": to, "ports": [{"protocol": "TCP", "port": 4223}]}


@pytest.mark.parametrize("profile", [Profile(), Profile("api"), Profile("none"), Profile("bus", (WEB, EVERYWHERE))])
def test_a_policy_says_what_it_was_made_of(profile: Profile) -> None:
    policy = json.loads(json.dumps(profile_policy("team", profile, BUS, API)))
    assert profile_of(policy) == profile
    policy["metadata"]["name"] = "sympozium-0000000000000000"
    assert profile_of(policy) is None, "and is not believed when somebody changed it"


@pytest.mark.parametrize("note", ["", "null", "[]", "{}", '{"network": "bus"}', '{"network": "bus", "egress": [1]}', "{", None])
def test_a_note_that_is_none(note: str | None) -> None:
    policy = profile_policy("team", Profile(), BUS, API)
    policy["metadata"]["annotations"] = {"sympozium.ai/network": note} if note is not None else None
    assert profile_of(policy) is None
    assert profile_of(base_policy("team")) is None


def test_what_others_add_does_not_matter_and_what_they_change_does() -> None:
    wanted = profile_policy("team", Profile("api"), BUS, API)
    found = json.loads(json.dumps(wanted))
    found["metadata"] |= {"uid": "x", "labels": {**found["metadata"]["labels"], "team": "a"}}
    assert is_as_wanted(found, wanted)
    found["spec"]["egress"].append({"to": [{"ipBlock": {"cidr": "0.0.0.0/0"}}]})
    assert not is_as_wanted(found, wanted)
    assert not is_as_wanted({}, wanted)


def slice_of(addresses: list[str], port: Any = 6443) -> dict[str, Any]:
    return {"endpoints": [{"addresses": [address]} for address in addresses], "ports": [{"name": "https", "port": port}]}


@pytest.mark.parametrize(
    ("slices", "expected"),
    [
        ([], ()),
        ([slice_of(["10.0.0.2", "10.0.0.1"])], API),
        ([slice_of([]), slice_of(["10.0.0.1"], None), {}], ()),
        (
            [slice_of(["fd00::1"]), slice_of(["10.0.0.1"], 443)],
            (ApiServer(("10.0.0.1/32",), (443,)), ApiServer(("fd00::1/128",), (6443,))),
        ),
    ],
)
def test_where_the_api_server_is(slices: list[Any], expected: Any) -> None:
    assert api_servers(slices) == expected
    assert api_servers(reversed(slices)) == expected
