"""JSON Schema in suites: whether a document is of one of the protocol's schemas, and whether a tool's parameters are a schema at all."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from jsonschema import Draft202012Validator


def faults_of_document(name: str, document: Any) -> str:
    """What in a document is not as ``ipc/schemas/<name>.json`` says; empty when all is."""
    return "; ".join(f"{error.json_path}: {error.message[:200]}" for error in _validator(name).iter_errors(document))


def faults_of_schema(schema: Mapping[str, Any]) -> str:
    """What is wrong with a JSON Schema; empty when nothing is."""
    meta = Draft202012Validator(Draft202012Validator.META_SCHEMA)
    return "; ".join(f"{error.json_path}: {error.message[:200]}" for error in meta.iter_errors(dict(schema)))


@cache
def _validator(name: str) -> Draft202012Validator:
    text = files("sympozium_core.ipc").joinpath("schemas", f"{name}.json").read_text("utf-8")
    return Draft202012Validator(json.loads(text))
