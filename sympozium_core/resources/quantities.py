"""Amounts of memory and CPU as Kubernetes writes them (`resource.Quantity`): ``512Mi``, ``2``, ``500m``."""

from __future__ import annotations

import re
from decimal import Decimal, localcontext

from sympozium_core.resources.faults import Fault, shown

PATTERN = r"^\+?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))(([KMGTPE]i)|[numkMGTPE]|([eE](\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))))?$"
"""The pattern that Kubernetes' own CRD generator writes for a quantity, but for the sign: no amount here is below zero."""
MAX_LENGTH = 64

_QUANTITY = re.compile(r"\+?([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:([KMGTPE]i|[numkMGTPE])|[eE]([+-]?[0-9]{1,3}))?")
_UNITS = {
    "n": Decimal("1e-9"), "u": Decimal("1e-6"), "m": Decimal("1e-3"), "k": Decimal(10**3), "M": Decimal(10**6), "G": Decimal(10**9),
    "T": Decimal(10**12), "P": Decimal(10**15), "E": Decimal(10**18),
    "Ki": Decimal(2**10), "Mi": Decimal(2**20), "Gi": Decimal(2**30), "Ti": Decimal(2**40), "Pi": Decimal(2**50), "Ei": Decimal(2**60),
}  # fmt: skip
_HINT = "such as 512Mi of memory, or 500m or 2 of CPU"


def amount(text: str) -> Decimal:
    """The plain number: bytes, or cores. Raises Fault for what is no quantity or is below zero."""
    found = _QUANTITY.fullmatch(text) if len(text) <= MAX_LENGTH else None
    if found is None:
        raise Fault(*_complaint(text))
    number, unit, exponent = found.groups()
    with localcontext() as exact:
        exact.prec = MAX_LENGTH * 2
        return Decimal(number) * (_UNITS[unit] if unit else Decimal(1)).scaleb(int(exponent or 0))


def whole(text: str) -> int:
    """As `amount`, rounded up: bytes of memory. Raises Fault."""
    exact = amount(text)
    return int(exact) + (exact != int(exact))


def _complaint(text: str) -> tuple[str, str]:
    bare = text.strip()
    if bare.startswith("-") and _QUANTITY.fullmatch(bare[1:]):
        return f"{shown(text)} is negative", f"zero or more, such as {bare[1:]}"
    unit = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)\s*([kmgt])i?b?", bare, re.IGNORECASE)
    if unit:
        return f"{shown(text)} is no quantity", f"did you mean {unit[1]}{unit[2].upper()}i? {_HINT}"
    return f"{shown(text)} is no quantity", _HINT
