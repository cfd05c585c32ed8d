"""Hosts, paths and ranges of addresses, as policies list what may be asked."""

from __future__ import annotations

import ipaddress
import re

from sympozium_core.address_guard import literal
from sympozium_core.resources.faults import Fault, shown

MAX_HOST = 253
MAX_PATH = 1024
MAX_RANGE = 49
HOST = r"^(\*\.)?[a-z0-9_]([-a-z0-9_]*[a-z0-9_])?(\.[a-z0-9_]([-a-z0-9_]*[a-z0-9_])?)*$|^\[?[0-9a-f:.]+\]?$"
PATH = r"^/[!-~]*$"
RANGE = r"^[0-9a-fA-F:.]+(/[0-9]{1,3})?$"
_HOST, _PATH, _RANGE = re.compile(HOST), re.compile(PATH), re.compile(RANGE)


def host(pattern: str) -> str:
    """A name, ``*.`` and a name, or an address. Raises Fault."""
    if len(pattern) > MAX_HOST or not _HOST.fullmatch(pattern):
        hint = "such as api.example.com, *.example.com or 192.0.2.1; in lower case, names of other scripts as xn--…"
        raise Fault(f"{shown(pattern)} is no host", hint)
    try:
        address = literal(pattern.removeprefix("*."))
    except ValueError as error:
        raise Fault(f"{shown(pattern)} {error}", "such as 192.0.2.1") from None
    if pattern.startswith("*.") and address is not None:
        raise Fault(f"{shown(pattern)} is no pattern of names", "list each address")
    return pattern


def path(prefix: str) -> str:
    """The beginning of a path. Raises Fault."""
    if len(prefix) > MAX_PATH or not _PATH.fullmatch(prefix) or any(character in prefix for character in "?#%\\"):
        raise Fault(
            f"{shown(prefix)} is no beginning of a path", "such as /api/; without query, and as it reads when it is decoded"
        )
    if any(segment in (".", "..") for segment in prefix.split("/")):
        raise Fault(f"{shown(prefix)} goes up again", "such as /api/")
    return prefix


def address_range(text: str) -> str:
    """An address or a CIDR. Raises Fault."""
    try:
        if not _RANGE.fullmatch(text):
            raise ValueError
        ipaddress.ip_network(text)
    except ValueError:
        raise Fault(
            f"{shown(text)} is no range of addresses", "such as 10.1.0.0/16, with no bit set behind its prefix, or 10.1.2.3"
        ) from None
    return text
