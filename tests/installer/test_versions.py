from __future__ import annotations

from itertools import pairwise

import pytest

from sympozium_core.errors import Permanent
from sympozium_core.installer.versions import is_older, order

IN_ORDER = ["0.1.0.dev1", "0.1.0a1", "0.1.0b2", "0.1.0rc1", "0.1.0rc10", "0.1.0", "0.1.1", "0.2.0", "0.10.0", "1", "1.0.1"]


@pytest.mark.parametrize(("older", "newer"), list(pairwise(IN_ORDER)))
def test_the_later_is_newer(older: str, newer: str) -> None:
    assert is_older(older, newer)
    assert not is_older(newer, older)


def test_zeros_and_local_parts_change_nothing() -> None:
    assert order("1.0") == order("1.0.0") == order("1.0.0+local")


@pytest.mark.parametrize("text", ["", "latest", "v1.0", "1.0-beta", "1..0"])
def test_what_is_no_version(text: str) -> None:
    with pytest.raises(Permanent):
        order(text)
