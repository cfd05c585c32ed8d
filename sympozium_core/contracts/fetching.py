"""Which pages a run may fetch, as its plan says it: decided here for planning, bridge and gateway alike.

Several policies may have a say; what one refuses is refused. Addresses are not judged here: what a name stands for is known when it is asked.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

READING = ("GET", "HEAD")
"""Methods where nothing names others: they change nothing."""
METHODS = (*READING, "POST")
_MOST_READINGS = 8
"""How often a path may be encoded over and over."""


@dataclass(frozen=True)
class FetchRule:
    """One place that may be asked."""

    host: str
    """A name or an address; ``*.example.com`` is every name below it, itself not among them."""
    port: int | None = None
    """None: every port."""
    methods: tuple[str, ...] = READING
    """GET has HEAD with it."""
    paths: tuple[str, ...] = ()
    """Prefixes; empty: every path."""


@dataclass(frozen=True)
class FetchPolicy:
    """`narrowed_by` are further policies that all have a say."""

    name: str
    rules: tuple[FetchRule, ...] | None = None
    """What may be asked; None: whatever is on a public address, to be read."""
    private: tuple[str, ...] = ()
    """CIDRs beside the public addresses, common to all of the policies."""
    narrowed_by: tuple[FetchPolicy, ...] = ()

    @property
    def lets_something(self) -> bool:
        """Whether any request could be let through."""
        return self.rules != () and all(policy.lets_something for policy in self.narrowed_by)

    def refusal(self, method: str, host: str, port: int, path: str) -> str:
        """Why a request is not made; empty when it may be. `host` in lower case, without brackets and final dot; `path` as it is sent."""
        return self._own_refusal(method, host, port, path) or next(
            (because for policy in self.narrowed_by if (because := policy.refusal(method, host, port, path))), ""
        )

    def _own_refusal(self, method: str, host: str, port: int, path: str) -> str:
        if self.rules is None:
            return "" if method in READING else f"policy {self.name} lists no host that may be asked with {method}"
        there = [rule for rule in self.rules if host_fits(host, rule.host)]
        if not there:
            listed = ", ".join(dict.fromkeys(rule.host for rule in self.rules)) or "none"
            return f"policy {self.name} does not list the host {host[:255]!r}; it lists {listed[:500]}"
        there = [rule for rule in there if rule.port is None or rule.port == port]
        if not there:
            return f"policy {self.name} does not list port {port} of {host[:255]!r}"
        there = [rule for rule in there if method in rule.methods or (method == "HEAD" and "GET" in rule.methods)]
        if not there:
            return f"policy {self.name} does not let {host[:255]!r} be asked with {method}"
        if any(not rule.paths or any(path_fits(path, prefix) for prefix in rule.paths) for rule in there):
            return ""
        listed = ", ".join(dict.fromkeys(prefix for rule in there for prefix in rule.paths))
        return f"policy {self.name} does not list the path {path[:255]!r} of {host[:255]!r}; it lists {listed[:500]}"


def covers(wide: FetchPolicy, narrow: FetchPolicy) -> bool:
    """Whether `wide` by itself lets through whatever `narrow` does, as far as their lists tell; addresses have no part in it."""
    return any(_lists(wide, part) for part in (narrow, *narrow.narrowed_by))


def _lists(wide: FetchPolicy, narrow: FetchPolicy) -> bool:
    if wide.rules is None:
        return all(method in READING for rule in narrow.rules or () for method in rule.methods)
    if narrow.rules is None:
        return False
    return all(any(_holds(outer, inner) for outer in wide.rules) for inner in narrow.rules)


def _holds(outer: FetchRule, inner: FetchRule) -> bool:
    below = outer.host.startswith("*.") and inner.host.endswith(outer.host[1:])
    methods = {*outer.methods, *(("HEAD",) if "GET" in outer.methods else ())}
    paths = not outer.paths or bool(
        inner.paths and all(any(_is_below(path, each) for each in outer.paths) for path in inner.paths)
    )
    return (
        (below or inner.host == outer.host) and outer.port in (None, inner.port) and methods.issuperset(inner.methods) and paths
    )


def host_fits(host: str, pattern: str) -> bool:
    if pattern.startswith("*."):
        return host.endswith(pattern[1:]) and len(host) > len(pattern) - 1
    return host == pattern or (":" in host and _same_address(host, pattern))


def path_fits(path: str, prefix: str) -> bool:
    """Whether every reading of the path lies below the prefix: as it stands, and each time that somebody on its way decodes it once more.

    ``/api/`` has what begins so; ``/api`` has itself and what is below ``/api/``. A path that goes up again anywhere is below nothing.
    """
    import unicodedata
    from urllib.parse import unquote

    for _ in range(_MOST_READINGS):
        if not _is_plain(path) or not _is_below(path, prefix):
            return False
        read = unicodedata.normalize("NFKC", unquote(path))
        if read == path:
            return True
        path = read
    return False


def _is_below(path: str, prefix: str) -> bool:
    if prefix.endswith("/"):
        return path.startswith(prefix)
    return path == prefix or path.startswith(f"{prefix}/")


def _is_plain(path: str) -> bool:
    """No step up or in place in any guise, and nothing that servers read in different ways. U+FFFD is what a decoder makes of broken UTF-8."""
    if any(character in "\\\ufffd" or ord(character) < 0x20 or ord(character) == 0x7F for character in path):
        return False
    segments = (segment.partition(";")[0] for segment in path.split("/"))
    return not any("." in segment and not segment.strip(". ") for segment in segments)


def _same_address(one: str, other: str) -> bool:
    import ipaddress

    try:
        return ipaddress.ip_address(one) == ipaddress.ip_address(other.strip("[]"))
    except ValueError:
        return False


def fetch_policy_from_json(data: Mapping[str, Any] | None) -> FetchPolicy | None:
    """The inverse of `plan.to_json`, also where a null has been left out, as a status does."""
    if data is None:
        return None
    rules = data.get("rules")
    return FetchPolicy(
        name=data["name"],
        rules=None
        if rules is None
        else tuple(FetchRule(rule["host"], rule.get("port"), tuple(rule["methods"]), tuple(rule["paths"])) for rule in rules),
        private=tuple(data["private"]),
        narrowed_by=tuple(found for each in data["narrowed_by"] if (found := fetch_policy_from_json(each)) is not None),
    )
