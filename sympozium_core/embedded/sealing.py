"""Secrets at rest: what a Secret carries is AES-256-GCM under a key in a 0600 file beside the database.

The additional data is the object's uid, so a sealed value that is moved to another object does not open. Annotations are sealed too,
since ``kubectl apply`` keeps a copy of the whole manifest in one. Labels and the names of objects stay readable.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sympozium_core.contracts.cluster import ApiError, Object, ResourceType, Unavailable, metadata
from sympozium_core.embedded.entries import dump
from sympozium_core.embedded.validation import invalid
from sympozium_core.errors import Cause

KEY_BYTES = 32
NONCE_BYTES = 12
SEALED = "sealed"
MAX_SECRET = 1024 * 1024


def is_secret(kind: ResourceType) -> bool:
    return kind.kind == "Secret" and not kind.group


def normalised(kind: ResourceType, obj: Object, old: Object | None) -> Object:
    """As Kubernetes stores a Secret: stringData goes into data, the type has its default and stays. Raises Invalid; no value is named."""
    text = obj.get("stringData")
    data = obj.get("data")
    causes = [*_map_causes("stringData", text), *_map_causes("data", data)]
    if not causes:
        causes += [
            Cause(f"data[{key}]", "Invalid value: not base64") for key, value in (data or {}).items() if not _is_base64(value)
        ]
        merged = dict(data or {}) | {key: base64.b64encode(value.encode()).decode() for key, value in (text or {}).items()}
        if sum(len(value) for value in merged.values()) * 3 // 4 > MAX_SECRET:
            causes.append(Cause("data", f"Too long: may not be more than {MAX_SECRET} bytes"))
    fresh = {key: value for key, value in obj.items() if key not in ("stringData", "data", SEALED)}
    fresh.setdefault("type", "Opaque")
    if not causes and merged:
        fresh["data"] = merged
    if old is not None and fresh["type"] != old.get("type"):
        causes.append(Cause("type", "Invalid value: field is immutable"))
    if (
        old is not None
        and old.get("immutable") is True
        and (fresh.get("data") != old.get("data") or fresh.get("immutable") is not True)
    ):
        causes.append(Cause("data", "Forbidden: field is immutable when `immutable` is set"))
    if causes:
        raise invalid(kind, str(metadata(obj).get("name", "")), causes)
    return fresh


class Sealer:
    """Seals and opens Secrets. The key, and the library, are loaded with the first Secret that is touched."""

    def __init__(self, key_file: Path, *, may_create: Callable[[], bool]) -> None:
        self._key_file = key_file
        self._may_create = may_create
        self._cipher: Any = None

    def seal(self, obj: Object) -> Object:
        """The form for the disk. Raises Unavailable when the key file cannot be made or read."""
        meta = {key: value for key, value in metadata(obj).items() if key != "annotations"}
        clear = {"data": obj.get("data"), "annotations": metadata(obj).get("annotations")}
        nonce = os.urandom(NONCE_BYTES)
        sealed = self._opened().encrypt(nonce, dump(clear), meta["uid"].encode())
        rest = {key: value for key, value in obj.items() if key not in ("data", "metadata")}
        return {**rest, "metadata": meta, SEALED: base64.b64encode(nonce + sealed).decode()}

    def open(self, data: bytes) -> bytes:
        """The JSON text in the clear. Raises Unavailable without the key, ApiError when the text was tampered with."""
        from cryptography.exceptions import InvalidTag

        obj = json.loads(data)
        sealed = base64.b64decode(obj.pop(SEALED))
        try:
            text = self._opened().decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], metadata(obj)["uid"].encode())
        except InvalidTag as error:
            name = f"{metadata(obj).get('namespace')}/{metadata(obj).get('name')}"
            hint = f"put back the key file {self._key_file}, or delete and create the Secret again"
            raise ApiError(
                f"Secret {name} cannot be opened: the key is another one, or the store was changed", hint=hint
            ) from error
        clear = json.loads(text)
        if clear["annotations"] is not None:
            obj["metadata"]["annotations"] = clear["annotations"]
        if clear["data"] is not None:
            obj["data"] = clear["data"]
        return dump(obj)

    def _opened(self) -> Any:
        if self._cipher is None:
            from cryptography.hazmat.primitives.ciphers.aead import AESGCM

            self._cipher = AESGCM(self._key())
        return self._cipher

    def _key(self) -> bytes:
        try:
            key = self._key_file.read_bytes()
        except FileNotFoundError:
            if not self._may_create():
                hint = "put the key file back, or delete the Secrets and create them again"
                raise Unavailable(f"the key of the stored Secrets is missing: {self._key_file}", hint=hint) from None
            return _make_key(self._key_file)
        except OSError as error:
            raise Unavailable(f"the key file {self._key_file} cannot be read: {error.strerror}") from error
        if len(key) != KEY_BYTES:
            raise Unavailable(
                f"the key file {self._key_file} has {len(key)} bytes, not {KEY_BYTES}", hint="put the right one back"
            )
        return key


def _make_key(path: Path) -> bytes:
    """A new key, on the disk before anything is sealed with it: written beside and renamed, so that it is never half there."""
    key = os.urandom(KEY_BYTES)
    fresh = path.with_suffix(".new")
    try:
        file = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            os.write(file, key)
            os.fsync(file)
        finally:
            os.close(file)
        fresh.rename(path)
        folder = os.open(path.parent, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise Unavailable(f"the key file {path} cannot be written: {error.strerror}") from error
    return key


def _map_causes(field: str, value: Any) -> list[Cause]:
    if value is None:
        return []
    if not isinstance(value, dict) or not all(isinstance(one, str) for one in value.values()):
        return [Cause(field, "Invalid value: must be a map of strings")]
    if any("\ud800" <= letter <= "\udfff" for one in value.values() for letter in one):
        return [Cause(field, "Invalid value: a value holds an unpaired surrogate")]
    allowed = set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.")
    wrong = [key for key in value if not key or len(key) > 253 or not set(key) <= allowed or key in (".", "..")]
    return [Cause(field, f"Invalid value: key {key[:100]!r}", "use letters, digits, '-', '_' and '.'") for key in wrong]


def _is_base64(value: str) -> bool:
    try:
        base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        return False
    return True
