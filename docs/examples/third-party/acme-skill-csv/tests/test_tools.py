from __future__ import annotations

from pathlib import Path
from unittest.mock import Mock

import pytest

from acme_skill_csv.server import csv_columns, csv_summary


def test_a_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYMPOZIUM_WORKSPACE", str(tmp_path))
    (tmp_path / "a.csv").write_text("name,size\na,1\nb,3\n")
    assert csv_columns("/workspace/a.csv") == "2 rows; columns: name, size"
    assert csv_summary("a.csv", "size", Mock(cancelled=False)) == {"count": 2, "least": 1, "most": 3, "mean": 2}
    with pytest.raises(ValueError, match="there are: name, size"):
        csv_summary("a.csv", "weight", Mock(cancelled=False))
