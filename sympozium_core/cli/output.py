"""How objects are printed: tables for people, and json, yaml, name, wide for everybody else."""

from __future__ import annotations

import argparse
import json
import re
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

from sympozium_core.cli.printable import json_text, printable, printable_lines
from sympozium_core.clock import parse_rfc3339
from sympozium_core.contracts.cluster import ResourceType
from sympozium_core.readable_yaml import written
from sympozium_core.resources.columns import Column
from sympozium_core.resources.kinds import columns

FORMATS = ("table", "wide", "json", "yaml", "name")

_STEP = re.compile(r"\.([A-Za-z0-9_-]+)|\[(\d+)\]|\.?\['([^']+)'\]")


def add_output(parser: argparse.ArgumentParser, formats: Sequence[str] = FORMATS) -> None:
    parser.add_argument("-o", "--output", choices=formats, default="table", help="how to print (default: a table)")


def print_objects(
    kind: ResourceType, objects: Sequence[Mapping[str, Any]], form: str, *, single: bool = False, everywhere: bool = False
) -> None:
    """`single` prints one object itself instead of a List; `everywhere` adds the namespace column."""
    if form in ("json", "yaml"):
        objects = [without_values(obj) for obj in objects]
        whole: Any = objects[0] if single else {"apiVersion": "v1", "kind": "List", "metadata": {}, "items": list(objects)}
        print_document(whole, form)
    elif form == "name":
        for obj in objects:
            print(
                f"{kind.singular}.{kind.group}/{obj['metadata']['name']}"
                if kind.group
                else f"{kind.singular}/{obj['metadata']['name']}"
            )
    else:
        print_table(kind, objects, wide=form == "wide", everywhere=everywhere)


def without_values(obj: Mapping[str, Any]) -> Mapping[str, Any]:
    """A Secret with its keys alone: no command prints a value. Anything else as it is."""
    if obj.get("kind") != "Secret":
        return obj
    return {**obj, "data": dict.fromkeys(obj.get("data") or {}, "<hidden>")}


def print_document(document: Any, form: str) -> None:
    if form == "json":
        print(json_text(json.dumps(document, indent=2, ensure_ascii=False)))
        return
    _write_yaml([document])


def print_documents(documents: Sequence[Any], form: str) -> None:
    """As `kubectl apply -f -` reads them: one YAML document each, or one List."""
    if form == "json":
        print_document({"apiVersion": "v1", "kind": "List", "metadata": {}, "items": list(documents)}, form)
        return
    _write_yaml(documents)


def _write_yaml(documents: Sequence[Any]) -> None:
    made = written(documents, allow_unicode=True)
    if printable_lines(made) != made:  # YAML lets characters stand that turn the direction of writing
        made = written(documents)
    sys.stdout.write(made)


def print_table(
    kind: ResourceType, objects: Sequence[Mapping[str, Any]], *, wide: bool = False, everywhere: bool = False
) -> None:
    shown = [column for column in columns(kind) if wide or column.priority == 0]
    head = (["NAMESPACE"] if everywhere else []) + ["NAME"] + [column.name.upper() for column in shown]
    rows = []
    for obj in map(in_normal_form, objects):
        metadata = obj["metadata"]
        start = [metadata.get("namespace") or ""] if everywhere else []
        rows.append([*start, metadata["name"], *(cell(obj, column) for column in shown)])
    print_rows(head, rows)


def in_normal_form(obj: Mapping[str, Any]) -> Mapping[str, Any]:
    """Columns know one spelling only; objects are stored as they were written."""
    from sympozium_core.resources.spelling import to_normal

    spec = obj.get("spec")
    return {**obj, "spec": to_normal(str(obj.get("kind")), spec).spec} if isinstance(spec, dict) else obj


def print_rows(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    widths = [max(len(line[index]) for line in [head, *rows]) for index in range(len(head))]
    for line in [head, *rows]:
        print("   ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip())


def cell(obj: Mapping[str, Any], column: Column) -> str:
    value = find(obj, column.json_path)
    if value is None or value == "":
        return "<none>" if column.type != "integer" else "0"
    if column.type == "date":
        return age(str(value))
    return printable(str(value))


def find(obj: Any, path: str) -> Any:
    """The value at a printer column's JSONPath; None where there is none."""
    for match in _STEP.finditer(path):
        name, index, quoted = match.groups()
        if index is not None:
            obj = obj[int(index)] if isinstance(obj, list) and int(index) < len(obj) else None
        else:
            obj = obj.get(name or quoted) if isinstance(obj, Mapping) else None
    return obj


def age(moment: str) -> str:
    """How long ago, as kubectl writes it: 42s, 5m, 3h12m, 4d."""
    try:
        seconds = max(0, int(time.time() - parse_rfc3339(moment)))
    except ValueError:
        return "<unknown>"
    if seconds < 120:
        return f"{seconds}s"
    minutes = seconds // 60
    if minutes < 120:
        return f"{minutes}m"
    hours = minutes // 60
    if hours < 24:
        return f"{hours}h{minutes % 60}m" if minutes % 60 else f"{hours}h"
    return f"{hours // 24}d"
