from __future__ import annotations

import re
from pathlib import Path

import pytest
from sympozium_provider_replay.cassette_file import parse

PAGE = Path(__file__).parents[3] / "docs" / "replay.md"


@pytest.mark.skipif(not PAGE.exists(), reason="the documentation is not beside this package")
def test_every_cassette_of_the_documentation_is_one() -> None:
    blocks = [block for block in re.findall(r"```yaml\n(.*?)```", PAGE.read_text(), re.DOTALL) if block.startswith("cassette:")]
    assert [len(parse(block).entries) for block in blocks] == [0, 2]
