from __future__ import annotations

import ipaddress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sympozium_core.address_guard import NEVER
from sympozium_core.contracts.plan import EgressRule
from sympozium_core.planning.egress import egress, names_in
from sympozium_core.planning.policy import EffectivePolicy, effective_policy


def policy(*hosts: str, port: int | None = 443) -> EffectivePolicy:
    rules: list[dict[str, Any]] = [{"host": host, **({"port": port} if port else {})} for host in hosts]
    return effective_policy("p", {"networkPolicy": {"allowedEgress": rules}})


def test_only_names_are_looked_up() -> None:
    assert names_in(
        policy("b.example", "a.example", "a.example", "1.1.1.1", "10.0.0.0/8", "::1", "[2606:4700::1]", "*.example")
    ) == (
        "a.example",
        "b.example",
    )


@pytest.mark.parametrize(
    ("hosts", "addresses", "opened"),
    [
        (("1.1.1.1",), {}, ("1.1.1.1/32",)),
        (("10.1.2.3",), {}, ("10.1.2.3/32",)),
        (("10.1.2.3/8",), {}, ("10.0.0.0/8",)),
        (("0.0.0.0/0",), {}, ("0.0.0.0/0",)),
        (("2606:4700::1",), {}, ("2606:4700::1/128",)),
        (("a.example",), {"a.example": ("93.184.216.34", "2606:2800::1")}, ("2606:2800::1/128", "93.184.216.34/32")),
    ],
)
def test_what_is_listed_is_opened(
    hosts: tuple[str, ...], addresses: dict[str, tuple[str, ...]], opened: tuple[str, ...]
) -> None:
    rules, notes = egress(policy(*hosts), addresses)
    assert rules == (EgressRule(hosts[0], opened, 443),)
    assert notes == ()


def test_no_port_is_every_port() -> None:
    assert egress(policy("1.1.1.1", port=None), {})[0][0].port is None


@pytest.mark.parametrize(
    ("hosts", "addresses", "why"),
    [
        (("169.254.169.254",), {}, "169.254.0.0/16 is never open"),
        (("127.0.0.1",), {}, "never open"),
        (("fd00:ec2::254",), {}, "never open"),
        (("::1",), {}, "never open"),
        (("nowhere.example",), {}, "no address"),
        (("*.example",), {"*.example": ("1.1.1.1",)}, "patterns"),
        (("rebound.example",), {"rebound.example": ("169.254.169.254",)}, "not public"),
        (("rebound.example",), {"rebound.example": ("10.96.0.1",)}, "not public"),
        (("rebound.example",), {"rebound.example": ("127.0.0.1", "::1")}, "not public"),
    ],
)
def test_what_stays_closed_is_said(hosts: tuple[str, ...], addresses: dict[str, tuple[str, ...]], why: str) -> None:
    rules, notes = egress(policy(*hosts), addresses)
    assert rules == ()
    (note,) = notes
    assert why in note
    assert hosts[0] in note


def test_a_name_opens_a_private_range_that_is_listed_as_well() -> None:
    rules, notes = egress(policy("git.corp", "10.7.0.0/16"), {"git.corp": ("10.7.1.1", "10.8.1.1")})
    assert [rule.cidrs for rule in rules] == [("10.7.1.1/32",), ("10.7.0.0/16",)]
    assert notes == ()


ADDRESSES = st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6), *(st.ip_addresses(network=str(network)) for network in NEVER))


@given(st.lists(ADDRESSES, min_size=1, max_size=4), st.lists(ADDRESSES, max_size=2))
def test_no_name_ever_opens_what_is_never_open(found: list[Any], listed: list[Any]) -> None:
    rules, _ = egress(policy("a.example", *map(str, listed)), {"a.example": tuple(map(str, found))})
    for cidr in (cidr for rule in rules for cidr in rule.cidrs):
        network = ipaddress.ip_network(cidr)
        assert not any(never.version == network.version and never.overlaps(network) for never in NEVER)
