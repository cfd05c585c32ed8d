"""The tools: ``python -m acme_skill_csv.server``."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from sympozium_core.sidecar import Call, Server, tool

File = Annotated[str, "The file, by its path in the workspace."]


@tool
def csv_columns(file: File) -> str:
    """Tell which columns a CSV file has, and how many rows."""
    rows = _rows(file)
    columns = next(rows, [])
    return f"{sum(1 for _ in rows)} rows; columns: {', '.join(columns) or 'none'}"


@tool
def csv_summary(file: File, column: Annotated[str, "Its name, as in the first line."], call: Call) -> dict[str, float]:
    """Sum up a column of numbers: count, least, most and mean."""
    rows = _rows(file)
    columns = next(rows, [])
    if column not in columns:
        raise ValueError(f"there is no column {column!r}; there are: {', '.join(columns) or 'none'}")
    at, numbers = columns.index(column), []
    for row in rows:
        if call.cancelled:
            break
        numbers.append(float(row[at]))
        call.say(f"{len(numbers)} rows\n")
    if not numbers:
        raise ValueError(f"{file} has no rows")
    return {"count": len(numbers), "least": min(numbers), "most": max(numbers), "mean": sum(numbers) / len(numbers)}


def _rows(file: str) -> Iterator[list[str]]:
    workspace = Path(os.environ.get("SYMPOZIUM_WORKSPACE") or "/workspace").resolve()
    path = (workspace / file.removeprefix("/workspace/")).resolve()
    if not path.is_relative_to(workspace) or not path.is_file():
        raise FileNotFoundError(f"there is no file {file!r} in the workspace; write it first, or look with list_directory")
    with path.open(newline="", encoding="utf-8") as opened:
        yield from csv.reader(opened)


def serve() -> None:
    Server("csv-tables", [csv_columns, csv_summary]).serve()


if __name__ == "__main__":
    serve()
