"""A sidecar's own Secret: files in a folder that no other container sees."""

from __future__ import annotations

import os
from pathlib import Path

from sympozium_core.names import ENV_SECRET

LONGEST = 1 << 20


def read_secret(folder: str, *keys: str) -> str:
    """The value of the first of `keys` that is there, without the line end after it. `folder` is where the SkillPack's `sidecar.secretMountPath`
    says, ``/secrets/<secretRef>`` unless it does. Raises LookupError that names the keys, and never a value."""
    where = Path(os.environ.get(ENV_SECRET) or folder)
    for key in keys:
        try:
            with open(where / key, "rb") as file:
                return file.read(LONGEST).decode("utf-8", "replace").strip("\r\n")
        except FileNotFoundError:
            continue
    raise LookupError(f"the Secret of this skill has none of the keys {', '.join(keys)}")


def secret_file(folder: str, key: str) -> str:
    """Path of one key's file, for a program that reads it itself; empty where the Secret has none. `folder` as in `read_secret`."""
    file = Path(os.environ.get(ENV_SECRET) or folder) / key
    return str(file) if file.is_file() else ""
