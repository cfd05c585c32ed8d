"""Reading manifests: files, folders and standard input, many documents each, with the place of every fault."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from sympozium_core.contracts.cluster import BadRequest, ResourceType
from sympozium_core.errors import Refused
from sympozium_core.resources import kinds

ENDINGS = (".yaml", ".yml", ".json")
MAX_FILE = 16 * 1024 * 1024


@dataclass(frozen=True)
class Manifest:
    kind: ResourceType
    object: dict[str, Any]
    origin: str
    """File and document, for messages."""


def read_manifests(places: list[str], *, recursive: bool) -> list[Manifest]:
    """Raises BadRequest that names the file and the line."""
    found = [manifest for place in places for manifest in _of_place(place, recursive)]
    if not found:
        raise BadRequest(f"nothing to read in {', '.join(places)}", hint=f"files end in {', '.join(ENDINGS)}")
    return found


def _of_place(place: str, recursive: bool) -> Iterator[Manifest]:
    if place == "-":
        yield from _of_text(sys.stdin.read(MAX_FILE + 1), "standard input")
        return
    path = Path(place)
    if path.is_dir() and (skill := _of_skill_folder(path)) is not None:
        yield skill
        return
    if path.is_dir():
        files = sorted(
            file for file in (path.rglob("*") if recursive else path.iterdir()) if file.suffix in ENDINGS and file.is_file()
        )
    else:
        files = [path]
    for file in files:
        try:
            text = file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise BadRequest(
                f"cannot read {file}: {error.strerror if isinstance(error, OSError) else 'it is not UTF-8'}"
            ) from error
        yield from _of_text(text, str(file))


def _of_skill_folder(path: Path) -> Manifest | None:
    from sympozium_core.resources.skill_folder import is_skill_folder, read_skill_folder

    if not is_skill_folder(path):
        return None
    try:
        return Manifest(kinds.SKILL_PACK, read_skill_folder(path), str(path))
    except Refused as error:
        raise BadRequest(f"{path}: {error}") from error


def _of_text(text: str, origin: str) -> Iterator[Manifest]:
    import yaml

    if len(text) > MAX_FILE:
        raise BadRequest(f"{origin} is larger than {MAX_FILE >> 20} MiB")
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        documents = list(yaml.load_all(text, Loader=loader))
    except yaml.YAMLError as error:
        raise BadRequest(f"{origin} is not YAML: {_where(error)}") from error
    for number, document in enumerate(documents, 1):
        where = f"{origin}, document {number}" if len(documents) > 1 else origin
        if document is None:
            continue
        if isinstance(document, dict) and document.get("kind") == "List":
            items = document.get("items") or []
            if not isinstance(items, list):
                raise BadRequest(f"{where}: items is not a list")
            for item in items:
                yield _manifest(item, where)
        else:
            yield _manifest(document, where)


def _manifest(document: Any, origin: str) -> Manifest:
    if not isinstance(document, dict):
        raise BadRequest(f"{origin} is not an object", hint="begin with apiVersion, kind and metadata")
    version, kind = document.get("apiVersion"), document.get("kind")
    if not isinstance(version, str) or not isinstance(kind, str):
        raise BadRequest(
            f"{origin} has no apiVersion or no kind", hint="such as apiVersion: sympozium.ai/v1alpha1, kind: AgentRun"
        )
    found = kinds.of(version, kind)
    if found is None:
        known = _nearest(kind, origin)
        raise BadRequest(
            f"{origin}: {kind} is not served as {version}", hint=f"write apiVersion: {known.api_version}, kind: {known.kind}"
        )
    metadata = document.setdefault("metadata", {})
    if not isinstance(metadata, dict):
        raise BadRequest(f"{origin}: metadata is not an object", hint="write metadata: {name: my-name}")
    return Manifest(found, document, origin)


def _nearest(kind: str, origin: str) -> ResourceType:
    """The kind that is meant under another version. Raises BadRequest that names the file and the nearest kind."""
    try:
        return kinds.find(kind)
    except kinds.UnknownKind as error:
        near = get_close_matches(kind, [each.kind for each in kinds.ALL], 1)
        hint = f"did you mean {near[0]}?" if near else error.hint
        raise BadRequest(f"{origin}: {error.message}", hint=hint) from error


def _where(error: Any) -> str:
    if getattr(error, "reason", None):  # a character that YAML does not have
        return f"character {error.position}: {error.reason}"
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or str(error)
    return f"line {mark.line + 1}, column {mark.column + 1}: {problem}" if mark is not None else problem
