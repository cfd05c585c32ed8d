"""Reads the documentation: fenced blocks with the marker above them. How blocks are written is in `Block`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "CHANGELOG.md",
    ROOT / "changes/README.md",
    *(page for page in sorted((ROOT / "docs").rglob("*.md")) if page.name != "SKILL.md"),
]
"""Instructions for models are part of an example, and no page."""

ON_A_CLUSTER, NOT_RUN = "on a cluster", "not run"
_MARKER = re.compile(r"<!-- (?P<kind>[a-z ]+?)(?:: (?P<value>.+))? -->")


@dataclass(frozen=True)
class Block:
    """A fenced block. What the reader is meant to do with it stands in a comment on the line above:

    ``file: NAME`` (save it), ``background: WORDS`` (leave it running; ready when it has printed the words), ``exit: CODE`` (how it ends),
    ``output`` (what the block before prints; ``…`` stands for lines left out), ``output of: COMMAND``, ``on a cluster`` (`tests/kubernetes/test_install.py` runs it there),
    ``not run: REASON``. Without one, ``sh`` is run.
    """

    page: Path
    line: int
    language: str
    text: str
    marker: str = ""
    value: str = ""

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def blocks(page: Path) -> list[Block]:
    found = []
    lines = page.read_text(encoding="utf-8").splitlines()
    number = 0
    while number < len(lines):
        opened = re.fullmatch(r"```(\w*)", lines[number])
        if opened is None:
            number += 1
            continue
        end = lines.index("```", number + 1)
        marker = _MARKER.fullmatch(lines[number - 1]) if number else None
        kind, value = (marker["kind"], marker["value"] or "") if marker else ("", "")
        text = "".join(f"{line}\n" for line in lines[number + 1 : end])
        found.append(Block(page, number + 1, opened[1], text, kind, value))
        number = end + 1
    return found


ALL = [block for page in PAGES for block in blocks(page)]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "page" in metafunc.fixturenames:
        metafunc.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
    if "yaml_block" in metafunc.fixturenames:
        metafunc.parametrize("yaml_block", [block for block in ALL if block.language == "yaml"], ids=str)
    if "runnable" in metafunc.fixturenames:
        with_commands = dict.fromkeys(
            block.page for block in ALL if block.language == "sh" and block.marker not in (ON_A_CLUSTER, NOT_RUN)
        )
        metafunc.parametrize(
            "runnable", [blocks(page) for page in with_commands], ids=[str(page.relative_to(ROOT)) for page in with_commands]
        )


@pytest.fixture(scope="session")
def every_block() -> list[Any]:
    return ALL
