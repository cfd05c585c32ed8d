"""Kubeconfig files as kubectl reads them: several that are merged, one context chosen, its cluster and its user.

The library `kubernetes` reads and merges the files. Where kubectl has other rules, they hold: the first file with a current-context
decides, and a path is relative to the file that it stands in.
Format: https://kubernetes.io/docs/reference/config-api/kubeconfig.v1/
"""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal

from sympozium_core.errors import Permanent

ENV_KUBECONFIG = "KUBECONFIG"
USUAL = Path("~/.kube/config")
SHOWN = 20
"""Most contexts that a message lists."""


@dataclass(frozen=True)
class Entry:
    """One cluster, context or user, and the folder that its paths are relative to."""

    name: str
    values: Mapping[str, Any]
    folder: Path

    def text(self, field: str) -> str:
        """Raises Permanent for what is no text."""
        found = self.values.get(field)
        if found is not None and not isinstance(found, str):
            raise Permanent(f"the kubeconfig has no text in {field} of {self.name!r}")
        return found or ""

    def file(self, field: str) -> Path | None:
        found = self.text(field)
        return self.folder / Path(found).expanduser() if found else None

    def pem(self, field: str) -> str:
        """The content of `field`-data, else of the file that `field` names; empty without either. Raises Permanent."""
        if data := self.text(f"{field}-data"):
            try:
                return base64.b64decode("".join(data.split()), validate=True).decode("ascii", "ignore")
            except binascii.Error as error:
                raise Permanent(f"{field}-data of {self.name!r} in the kubeconfig is no base64") from error
        path = self.file(field)
        if path is None:
            return ""
        try:
            return path.read_text(encoding="ascii", errors="ignore")
        except OSError as error:
            raise Permanent(f"cannot read {field} of {self.name!r} in the kubeconfig: {path}: {error.strerror}") from error


@dataclass(frozen=True)
class Chosen:
    """What one context says."""

    context: Entry
    cluster: Entry
    user: Entry
    save: Callable[[], None]
    """Writes what a login changed in the user's entry back to its file."""


def choose(path: Path | str | None, context: str | None) -> Chosen:
    """`path`, else the files of KUBECONFIG, else ~/.kube/config; `context`, else the current one. Raises Permanent."""
    import yaml
    from kubernetes.config import ConfigException
    from kubernetes.config.kube_config import KubeConfigMerger

    places = _places(path)
    named = ", ".join(map(str, places))
    try:
        merged = KubeConfigMerger(os.pathsep.join(map(str, places)))
        current = next((str(found) for one in merged.config_files.values() if (found := one.get("current-context"))), "")
        contexts, clusters, users = (_entries(merged.config.value, kind) for kind in ("context", "cluster", "user"))
    except OSError as error:
        raise Permanent(f"cannot read the kubeconfig {error.filename}: {error.strerror}") from error
    except (ConfigException, yaml.YAMLError, AttributeError, KeyError, TypeError, ValueError) as error:
        # Not in the error's own words: those of YAML quote the line, and it may hold a key.
        raise Permanent(f"{named} is no kubeconfig", hint="see what kubectl says: kubectl config view") from error
    found = _context(contexts, context or current, named)
    cluster, user = found.text("cluster"), found.text("user")
    if cluster not in clusters:
        raise Permanent(f"context {found.name!r} is of cluster {cluster!r}, which is not in {named}")
    if user and user not in users:
        raise Permanent(f"context {found.name!r} is of user {user!r}, which is not in {named}")
    nobody = Entry("", {}, found.folder)
    return Chosen(found, clusters[cluster], users[user] if user else nobody, merged.save_changes)


def _places(path: Path | str | None) -> list[Path]:
    """The files that are there."""
    if path is not None:
        wanted = [Path(path)]
    else:
        wanted = [Path(one) for one in os.environ.get(ENV_KUBECONFIG, "").split(os.pathsep) if one] or [USUAL]
    wanted = [place.expanduser() for place in wanted]
    found = [place for place in wanted if place.exists()]
    if not found:
        named = ", ".join(map(str, wanted))
        raise Permanent(f"there is no kubeconfig at {named}", hint=f"set {ENV_KUBECONFIG}, or give --kubeconfig FILE")
    return found


def _entries(config: Mapping[str, Any], kind: Literal["context", "cluster", "user"]) -> dict[str, Entry]:
    """By name. The library keeps the path of each entry's file beside it."""
    found = {}
    for node in config[f"{kind}s"]:
        values = node.value.get(kind) or {}
        if not isinstance(values, dict):
            raise TypeError(f"{kind} is no object")
        found[str(node.value["name"])] = Entry(str(node.value["name"]), values, Path(node.path).absolute().parent)
    return found


def _context(contexts: Mapping[str, Entry], wanted: str, named: str) -> Entry:
    some = ", ".join(list(contexts)[:SHOWN]) or "none"
    if not wanted:
        raise Permanent(f"{named} has no current-context", hint=f"--context NAME; there are: {some}")
    if wanted not in contexts:
        near = get_close_matches(wanted, contexts, 1)
        hint = f"did you mean {near[0]}?" if near else f"there are: {some}"
        raise Permanent(f"there is no context {wanted[:100]!r} in {named}", hint=hint)
    return contexts[wanted]
