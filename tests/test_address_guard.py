"""Which addresses are asked, case by case; and that no way of writing one passes for another."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sympozium_core.address_guard import LOOPBACK, NEVER, Guard, common, is_public, literal, stands_for, url_refusal, within

PUBLIC = ("1.1.1.1", "93.184.216.34", "2606:4700::1111", "64:ff9b::101:101", "::ffff:1.1.1.1", "100.63.255.255", "172.32.0.1")
PRIVATE = (
    *("10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "100.64.0.1", "100.127.255.254", "192.0.2.1", "198.18.0.1"),
    *("198.51.100.7", "203.0.113.7", "240.0.0.1", "192.88.99.1", "192.0.0.8"),
    *("fc00::1", "fd12:3456::1", "2001:db8::1", "3fff::1", "100::1", "fec0::1", "4000::1", "5f00::1"),
    *("::ffff:10.0.0.1", "64:ff9b::a00:1"),
)
CLOSED = (
    *("0.0.0.0", "0.1.2.3", "127.0.0.1", "127.255.255.254", "169.254.169.254", "169.254.170.2", "224.0.0.1", "255.255.255.255"),
    *("100.100.100.200", "168.63.129.16", "192.0.0.192", "fd00:ec2::254", "fd20:ce::254"),
    *("::", "::1", "fe80::1", "fe80::1%eth0", "ff02::1"),
    *("::ffff:127.0.0.1", "::ffff:169.254.169.254", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe"),
    *("::127.0.0.1", "::101:101", "::ffff:0:101:101", "64:ff9b:1::101:101", "2002:7f00:1::1", "2002:101:101::1"),
    *("2001:0:4136:e378:8000:63bf:3fff:fdd2", "2606:4700::5efe:127.0.0.1", "2606:4700::200:5efe:1.1.1.1"),
    *("", "example.com", "1.2.3", "0x7f000001", "01.1.1.1"),
)
EVERYTHING = ("0.0.0.0/0", "::/0")


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_are_asked(address: str) -> None:
    assert Guard().refusal(address) == ""


@pytest.mark.parametrize("address", PRIVATE)
def test_private_ones_where_their_range_is_listed(address: str) -> None:
    assert "not public" in Guard().refusal(address)
    assert Guard(EVERYTHING).refusal(address) == ""


@pytest.mark.parametrize("address", CLOSED)
def test_some_never_whatever_is_listed(address: str) -> None:
    assert Guard().refusal(address)
    assert Guard(EVERYTHING).refusal(address)
    assert Guard(EVERYTHING, "listed").refusal(address), "a range that holds the loopback among others does not open it"


@pytest.mark.parametrize(
    ("guard", "opened"),
    [
        (Guard(("127.0.0.1/32",), "listed"), ["127.0.0.1", "::ffff:127.0.0.1"]),
        (Guard(("127.0.0.0/8", "::1"), "listed"), ["127.0.0.1", "127.0.0.2", "::1", "::ffff:127.0.0.1"]),
        (Guard(("127.0.0.0/8", "::1"), "never"), []),
        (Guard((), "listed"), []),
        (Guard((), "open"), ["127.0.0.1", "127.0.0.2", "::1", "::ffff:127.0.0.1"]),
    ],
)
def test_the_loopback(guard: Guard, opened: list[str]) -> None:
    tried = ["127.0.0.1", "127.0.0.2", "::1", "::ffff:127.0.0.1", "0.0.0.0", "::"]
    assert [each for each in tried if not guard.refusal(each)] == opened


def test_a_listed_range_opens_itself_alone() -> None:
    guard = Guard(("10.1.0.0/16",))
    assert [each for each in ("10.1.2.3", "10.2.0.1", "192.168.0.1") if not guard.refusal(each)] == ["10.1.2.3"]


V4 = st.one_of(st.ip_addresses(v=4), *(st.ip_addresses(network=str(each)) for each in NEVER if each.version == 4))
V6 = st.one_of(st.ip_addresses(v=6), *(st.ip_addresses(network=str(each)) for each in NEVER if each.version == 6))
RANGES = st.lists(
    st.tuples(st.ip_addresses(), st.integers(0, 32)).map(lambda pair: str(ipaddress.ip_network(pair, strict=False))), max_size=3
)


@given(V4, RANGES)
def test_no_way_of_writing_an_address_says_more_than_the_address(address: ipaddress.IPv4Address, listed: list[str]) -> None:
    guard = Guard(tuple(listed))
    refused = bool(guard.refusal(address))
    for form in (f"::ffff:{address}", f"64:ff9b::{address}"):
        assert bool(guard.refusal(form)) == refused
    number = int(address)
    for form in (
        f"::{address}",
        f"::ffff:0:{address}",
        f"2002:{number >> 16:x}:{number & 0xFFFF:x}::1",
        f"64:ff9b:1::{address}",
    ):
        assert guard.refusal(form)


@given(st.one_of(V4, V6), RANGES)
def test_what_is_asked_is_public_or_listed_and_never_what_is_closed(address: ipaddress.IPv4Address, listed: list[str]) -> None:
    if Guard(tuple(listed)).refusal(address):
        return
    meant = stands_for(address)
    assert meant is not None
    assert not any(meant in network for network in NEVER)
    assert is_public(meant) or any(meant in ipaddress.ip_network(each) for each in listed)


@given(RANGES, RANGES, st.ip_addresses())
def test_what_two_lists_open_together_each_opens(one: list[str], other: list[str], address: ipaddress.IPv4Address) -> None:
    def holds(ranges: list[str]) -> bool:
        return any(address in ipaddress.ip_network(each) for each in ranges)

    both = list(common(one, other))
    assert holds(both) == (holds(one) and holds(other))
    for each in both:
        assert within(ipaddress.ip_network(each), [ipaddress.ip_network(text) for text in one])
        assert within(ipaddress.ip_network(each), [ipaddress.ip_network(text) for text in other])


@pytest.mark.parametrize(
    "host",
    ["2130706433", "0x7f.1", "0x7f000001", "0177.0.0.1", "127.1", "1.2.3.4.5", "01.02.03.04", "example.1", "[::1%25eth0]"],
)
def test_odd_forms_of_addresses_are_no_hosts(host: str) -> None:
    with pytest.raises(ValueError, match="as one is written"):
        literal(host)


@pytest.mark.parametrize(
    ("host", "found"),
    [
        ("1.2.3.4", "1.2.3.4"),
        ("1.2.3.4.", "1.2.3.4"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("LOCALHOST.", "127.0.0.1"),
        ("a.localhost", "127.0.0.1"),
        ("example.com", None),
        ("1.example", None),
        ("0x7f.example", None),
    ],
)
def test_hosts(host: str, found: str | None) -> None:
    address = literal(host)
    assert (str(address) if address is not None else None) == found


@pytest.mark.parametrize(
    ("url", "refused"),
    [
        ("https://api.example.com/v1", False),
        ("http://1.1.1.1/v1", False),
        ("file:///tmp/cassette.yaml", False),
        ("http://10.0.0.1/v1", True),
        ("http://10.7.0.1/v1", False),
        ("http://[::ffff:169.254.169.254]/", True),
        ("http://0xa9fea9fe/", True),
        ("http://localhost:8080/", True),
        ("http://[::1", True),
    ],
)
def test_urls(url: str, refused: bool) -> None:
    assert bool(url_refusal(url, Guard(("10.7.0.0/16",)))) == refused


def test_the_loopback_is_among_what_is_never_asked() -> None:
    for each in LOOPBACK:
        assert within(each, NEVER)
