"""Which addresses the control plane connects to because somebody else has named them: models, pages, tool servers. Pure.

Public ones; private ones where their range was listed; this node, the link and what clouds keep their credentials on never. An address that
stands for another one (mapped, translated, tunnelled) is judged as that one, or not taken at all.
Ranges: https://www.iana.org/assignments/iana-ipv4-special-registry and iana-ipv6-special-registry.
"""

from __future__ import annotations

import errno
import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal
from urllib.parse import urlsplit

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Loopback = Literal["never", "listed", "open"]
"""Whether this machine's own addresses may be asked: not at all, where a range within them is listed, or always."""


def _networks(*ranges: str) -> tuple[Network, ...]:
    return tuple(ipaddress.ip_network(text) for text in ranges)


LOOPBACK = _networks("127.0.0.0/8", "::1/128")
NEVER = _networks(
    *("0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/4", "255.255.255.255/32"),
    *("::/127", "fe80::/10", "ff00::/8"),
    *("100.100.100.200/32", "168.63.129.16/32", "192.0.0.192/32", "fd00:ec2::/32", "fd20:ce::254/128"),
)
"""This host, link-local, multicast; and addresses beyond these where clouds keep the metadata and credentials of a machine."""
_STAND_INS = _networks("::/96", "::ffff:0:0:0/96", "64:ff9b:1::/48", "2001::/32", "2002::/16")
"""IPv6 that carries an IPv4 address and which no honest name has: compatible, translated, NAT64 of a network's own, Teredo, 6to4."""
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
"""By which networks of IPv6 alone reach IPv4: names of public servers have such addresses there."""
_UNICAST = ipaddress.IPv6Network("2000::/3")
_NOT_PUBLIC = _networks(
    *("10.0.0.0/8", "100.64.0.0/10", "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16"),
    *("198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "240.0.0.0/4"),
    *("2001::/23", "2001:db8::/32", "3fff::/20"),
)
"""Written out, because what `ipaddress` calls global differs between versions of Python."""
_NUMBER = re.compile(r"0[xX][0-9a-fA-F]*|[0-9]+")
_LOCAL_NAMES = ("localhost", "localhost.localdomain", "ip6-localhost", "ip6-loopback")


class AddressRefused(PermissionError):
    """An address that is not asked. An OSError with EACCES, because that is what a connection fails with that may not be made."""

    def __init__(self, place: str, because: str) -> None:
        super().__init__(errno.EACCES, f"{place} {because}" if place else because)


@dataclass(frozen=True)
class Guard:
    """What may be asked."""

    private: tuple[str, ...] = ()
    """CIDRs that are open beside the public addresses."""
    loopback: Loopback = "never"

    def refusal(self, address: str | Address) -> str:
        """Why the address is not asked, to follow its name in a sentence; empty when it may be."""
        try:
            found = ipaddress.ip_address(address.partition("%")[0] if isinstance(address, str) else address)
        except ValueError:
            return "is no address"
        meant = stands_for(found)
        if meant is None:
            return "carries another address within it, and is never asked"
        if because := self._refusal(meant):
            return because if meant == found else f"stands for {meant}, which {because}"
        return ""

    def _refusal(self, address: Address) -> str:
        listed = [network for network in _parsed(self.private) if address in network]
        if any(address in network for network in LOOPBACK):
            open_here = self.loopback == "open" or (
                self.loopback == "listed" and any(within(each, LOOPBACK) for each in listed)
            )
            return "" if open_here else "is this machine's own"
        if any(address in network for network in NEVER):
            return "is never asked: this host, its link, or where clouds keep credentials"
        return "" if listed or is_public(address) else "is not public, and its range is not listed"


def is_public(address: Address) -> bool:
    """Whether the address is one of the Internet at large, the same for everybody."""
    if isinstance(address, ipaddress.IPv6Address) and address not in _UNICAST:
        return False
    return address.is_global and not any(address in network for network in (*_NOT_PUBLIC, *NEVER))


def stands_for(address: Address) -> Address | None:
    """The address itself, or the IPv4 address that it reaches; None for one that hides another in a way that nobody needs."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    own = address in LOOPBACK[1] or int(address) == 0
    isatap = (int(address) >> 32) & 0xFDFFFFFF == 0x00005EFE
    return address if own or not (isatap or any(address in network for network in _STAND_INS)) else None


def within(inner: Network, outer: Iterable[Network]) -> bool:
    """Whether one of the ranges holds the whole of the other."""
    return any(each.version == inner.version and inner.subnet_of(each) for each in outer)  # type: ignore[arg-type]


def literal(host: str) -> Address | None:
    """The address that a URL's host is; None for a name. Raises ValueError for an address in a form that programs read differently."""
    plain = host.strip("[]").removesuffix(".")
    if plain.lower() in _LOCAL_NAMES or plain.lower().endswith(".localhost"):
        return ipaddress.IPv4Address("127.0.0.1")
    try:
        if "%" not in plain:
            return ipaddress.ip_address(plain)
    except ValueError:
        pass
    if ":" in plain or _NUMBER.fullmatch(plain.rpartition(".")[2]):
        raise ValueError("is no address as one is written: four decimal numbers, or IPv6 in brackets and without a zone")
    return None


def url_refusal(url: str, guard: Guard) -> str:
    """What stands against the address in a URL before anybody looks up a name: empty for a name, and for what is not asked over HTTP."""
    try:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            return ""
        found = literal(parts.hostname)
    except ValueError as error:
        return str(error)
    return guard.refusal(found) if found is not None else ""


def common(one: Iterable[str], other: Iterable[str]) -> tuple[str, ...]:
    """The CIDRs of what both lists open: of two ranges that meet, one lies within the other."""
    mine, others = _parsed(tuple(one)), _parsed(tuple(other))
    inner = [each for each in mine if within(each, others)] + [each for each in others if within(each, mine)]
    return tuple(dict.fromkeys(str(each) for each in inner))


@lru_cache(256)
def _parsed(ranges: tuple[str, ...]) -> tuple[Network, ...]:
    return tuple(ipaddress.ip_network(text, strict=False) for text in ranges)
