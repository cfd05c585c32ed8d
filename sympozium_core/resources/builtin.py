"""The policies that are always there, under their names, unless somebody stores one of the same name.

`policies/*.yaml` in this package are their only source; ``python -m sympozium_core.resources.builtin deploy/policies`` writes the copies
that a cluster gets, and a test holds them equal.
"""

from __future__ import annotations

import sys
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

POLICIES = ("default", "network-isolated", "permissive", "restrictive")


@cache
def builtin_policy(name: str) -> dict[str, Any] | None:
    """The SympoziumPolicy of that name as it is written; None when there is none. Not to be changed."""
    if name not in POLICIES:
        return None
    import yaml

    found: dict[str, Any] = yaml.safe_load(_text(name))
    return found


def write_policies(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in POLICIES:
        (folder / f"{name}.yaml").write_text(_text(name), encoding="utf-8")


def _text(name: str) -> str:
    return (files(__package__) / "policies" / f"{name}.yaml").read_text(encoding="utf-8")


if __name__ == "__main__":
    write_policies(Path(sys.argv[1]))
