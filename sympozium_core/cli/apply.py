"""``sympozium apply``: makes the stored objects say what the files say, as `kubectl apply` does (three-way merge)."""

from __future__ import annotations

import argparse
import copy
import json
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sympozium_core.cli.failures import Exit, exit_code, explain
from sympozium_core.cli.target import Target, add_scope, place_of, reach, run_async

if TYPE_CHECKING:
    from sympozium_core.cli.manifests import Manifest

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
"""kubectl's annotation, so that either tool can go on where the other left off."""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "-f", "--filename", action="append", required=True, metavar="FILE|DIR|-", help="manifests; may be given again"
    )
    parser.add_argument("-R", "--recursive", action="store_true", help="look into folders of folders")
    parser.add_argument("--dry-run", action="store_true", help="ask the server, change nothing")
    add_scope(parser)


def run(arguments: argparse.Namespace) -> int:
    from sympozium_core.cli.manifests import read_manifests

    manifests = read_manifests(arguments.filename, recursive=arguments.recursive)
    return run_async(lambda: _apply_all(arguments, manifests))


async def _apply_all(arguments: argparse.Namespace, manifests: list[Manifest]) -> int:
    """Goes on after a refused document, so that one round shows every fault; returns the first failure's code."""
    from sympozium_core.errors import SympoziumError

    code: int = Exit.OK
    async with reach(place_of(arguments)) as target:
        for manifest in manifests:
            try:
                title, done = await _apply(target, manifest, dry_run=arguments.dry_run)
            except SympoziumError as error:
                print(f"{manifest.origin}: {_title(manifest)}: {explain(error).removeprefix('error: ')}", file=sys.stderr)
                code = code or exit_code(error)
                continue
            print(f"{title} {done}{' (dry run)' if arguments.dry_run else ''}")
    return code


def _title(manifest: Manifest) -> str:
    metadata = manifest.object["metadata"]
    return f"{manifest.kind.singular}/{metadata.get('name') or metadata.get('generateName', '')}"


async def _apply(target: Target, manifest: Manifest, *, dry_run: bool) -> tuple[str, str]:
    """What it is called now, and what was done."""
    from sympozium_core.contracts.cluster import NotFound

    cluster, kind, wanted = target.cluster, manifest.kind, copy.deepcopy(manifest.object)
    metadata = wanted["metadata"]
    if kind.namespaced:
        metadata.setdefault("namespace", target.namespace)
    namespace = metadata.get("namespace")
    if not metadata.get("name"):
        created = await cluster.create(kind, wanted, dry_run=dry_run)
        return f"{kind.singular}/{created['metadata']['name']}", "created"
    try:
        stored = await cluster.get(kind, namespace, metadata["name"])
    except NotFound:
        await cluster.create(kind, annotated(wanted), dry_run=dry_run)
        return _title(manifest), "created"
    patch = three_way(wanted, stored)
    if not patch:
        return _title(manifest), "unchanged"
    await cluster.patch(kind, namespace, metadata["name"], patch, dry_run=dry_run)
    return _title(manifest), "configured"


def annotated(wanted: Mapping[str, Any]) -> dict[str, Any]:
    """`wanted` with itself recorded, so that the next apply knows which fields this file once set. A Secret's values are not repeated."""
    result = copy.deepcopy(dict(wanted))
    (result["metadata"].get("annotations") or {}).pop(LAST_APPLIED, None)
    recorded = {
        key: value for key, value in result.items() if not (result.get("kind") == "Secret" and key in ("data", "stringData"))
    }
    text = json.dumps(recorded, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    result["metadata"]["annotations"] = {**(result["metadata"].get("annotations") or {}), LAST_APPLIED: text}
    return result


def three_way(wanted: Mapping[str, Any], stored: Mapping[str, Any]) -> dict[str, Any]:
    """The merge patch that sets what the file says and removes what an earlier version of it said; empty when nothing differs."""
    recorded = (stored["metadata"].get("annotations") or {}).get(LAST_APPLIED)
    try:
        before = json.loads(recorded) if recorded else {}
    except ValueError:
        before = {}
    patch = _difference(wanted, stored, before if isinstance(before, dict) else {})
    for fixed in ("apiVersion", "kind", "status"):
        patch.pop(fixed, None)
    if not patch:
        return {}
    annotation = annotated(wanted)["metadata"]["annotations"][LAST_APPLIED]
    patch.setdefault("metadata", {}).setdefault("annotations", {})[LAST_APPLIED] = annotation
    return patch


def _difference(wanted: Mapping[str, Any], stored: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
    # What an earlier version set and this one does not is removed, field by field: others may have set fields beside it.
    patch: dict[str, Any] = {}
    for key, earlier in before.items():
        if key not in wanted and key in stored:
            both_maps = isinstance(earlier, Mapping) and isinstance(stored[key], Mapping)
            patch[key] = _difference({}, stored[key], earlier) if both_maps else None
    for key, value in wanted.items():
        current = stored.get(key)
        if isinstance(value, Mapping) and isinstance(current, Mapping):
            earlier = before.get(key)
            inner = _difference(value, current, earlier if isinstance(earlier, Mapping) else {})
            if inner:
                patch[key] = inner
        elif current != value:
            patch[key] = value
    return patch
