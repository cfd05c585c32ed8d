"""Rules for metadata, with the wording of the API server (``ValidateObjectMeta`` in k8s.io/apimachinery).

Pure: each function returns the causes it found. Rules on spec belong to admission.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from sympozium_core.contracts.cluster import BadRequest, Invalid, Object, ResourceType, metadata
from sympozium_core.errors import Cause

MAX_ANNOTATIONS = 256 * 1024
MAX_CAUSES = 50

_LABEL = r"[a-z0-9](?:[-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_NAMESPACE = re.compile(_LABEL)
_NAME_PART = re.compile(r"[A-Za-z0-9](?:[-A-Za-z0-9_.]*[A-Za-z0-9])?")
_SUBDOMAIN_RULE = (
    "use lower case letters, digits, '-' and '.', beginning and ending with a letter or digit, at most 253 characters"
)


def check_shape(kind: ResourceType, obj: Any) -> None:
    """Raises BadRequest for what is not an object of this kind at all, Invalid for a custom resource of another kind."""
    if not isinstance(obj, dict):
        raise BadRequest("the object must be a JSON object")
    if _custom(kind) and obj.get("kind", kind.kind) != kind.kind:
        cause = Cause("kind", f"Invalid value: {str(obj['kind'])[:100]!r}: must be {kind.kind}")
        raise invalid(kind, str(metadata(obj).get("name", "")), [cause])
    for field, wanted in (("apiVersion", kind.api_version), ("kind", kind.kind)):
        if obj.get(field, wanted) != wanted:
            raise BadRequest(f"{field} is {str(obj[field])[:100]!r}; this endpoint takes {wanted!r}")
    meta = obj.get("metadata", {})
    if not isinstance(meta, dict):
        raise BadRequest("metadata must be an object")
    for field in ("name", "namespace", "generateName", "resourceVersion", "uid"):
        if not isinstance(meta.get(field, ""), str | None):
            raise BadRequest(f"metadata.{field} must be a string, not {type(meta[field]).__name__}")
    for field in ("labels", "annotations"):
        if not isinstance(meta.get(field), dict | None):
            raise BadRequest(f"metadata.{field} must be a map of strings")
    for field in ("finalizers", "ownerReferences"):
        if not isinstance(meta.get(field), list | None):
            raise BadRequest(f"metadata.{field} must be a list")


def check_metadata(kind: ResourceType, obj: Object) -> None:
    """Raises Invalid with every cause."""
    meta = metadata(obj)
    causes = [*_names(kind, meta), *_labels(meta), *_annotations(meta), *_finalizers(meta), *_owners(meta)]
    if causes:
        raise invalid(kind, str(meta.get("name", "")), causes[:MAX_CAUSES])


def check_deleting(kind: ResourceType, obj: Object, old: Object) -> None:
    """An object on its way out takes no new finalizers. Raises Invalid."""
    before = metadata(old)
    if "deletionTimestamp" not in before:
        return
    added = sorted(set(metadata(obj).get("finalizers") or ()) - set(before.get("finalizers") or ()))
    if added:
        message = f"no new finalizers can be added if the object is being deleted, found new finalizers {added}"
        raise invalid(kind, str(before.get("name")), [Cause("metadata.finalizers", f"Forbidden: {message}")])


def invalid(kind: ResourceType, name: str, causes: list[Cause]) -> Invalid:
    title = f"{kind.kind}.{kind.group}" if kind.group else kind.kind
    return Invalid(f"{title} {name[:260]!r} is invalid: {'; '.join(str(cause) for cause in causes)}", causes=causes)


def valid_namespace(name: str) -> bool:
    return len(name) <= 63 and _NAMESPACE.fullmatch(name) is not None


def _names(kind: ResourceType, meta: Mapping[str, Any]) -> Iterator[Cause]:
    name = meta.get("name", "")
    if not name:
        yield Cause("metadata.name", "Required value: name or generateName is required")
    elif len(name) > 253 or not _SUBDOMAIN.fullmatch(name) or (kind.kind == "Namespace" and not valid_namespace(name)):
        yield Cause("metadata.name", f"Invalid value: {name[:260]!r}", _SUBDOMAIN_RULE)
    if kind.namespaced and not valid_namespace(meta.get("namespace", "")):
        rule = "use lower case letters, digits and '-', at most 63 characters"
        yield Cause("metadata.namespace", f"Invalid value: {str(meta.get('namespace', ''))[:260]!r}", rule)


def _labels(meta: Mapping[str, Any]) -> Iterator[Cause]:
    for key, value in (meta.get("labels") or {}).items():
        if not _qualified(key):
            yield Cause(
                "metadata.labels",
                f"Invalid value: key {str(key)[:260]!r}",
                "write name or domain/name, name at most 63 characters",
            )
        if not isinstance(value, str) or len(value) > 63 or (value and not _NAME_PART.fullmatch(value)):
            rule = "at most 63 letters, digits, '-', '_' and '.', beginning and ending with a letter or digit"
            yield Cause("metadata.labels", f"Invalid value: {str(value)[:100]!r} of key {str(key)[:260]!r}", rule)


def _annotations(meta: Mapping[str, Any]) -> Iterator[Cause]:
    size = 0
    for key, value in (meta.get("annotations") or {}).items():
        if not _qualified(key.lower() if isinstance(key, str) else key):
            yield Cause("metadata.annotations", f"Invalid value: key {str(key)[:260]!r}", "write name or domain/name")
        if not isinstance(value, str):
            yield Cause("metadata.annotations", f"Invalid value: the value of key {str(key)[:260]!r} is no string")
        else:
            size += len(str(key)) + len(value.encode(errors="replace"))
    if size > MAX_ANNOTATIONS:
        yield Cause("metadata.annotations", f"Too long: may not be more than {MAX_ANNOTATIONS} bytes")


def _finalizers(meta: Mapping[str, Any]) -> Iterator[Cause]:
    for index, value in enumerate(meta.get("finalizers") or ()):
        if not _qualified(value):
            yield Cause(f"metadata.finalizers[{index}]", f"Invalid value: {str(value)[:260]!r}", "write domain/name")


def _owners(meta: Mapping[str, Any]) -> Iterator[Cause]:
    controllers = 0
    for index, reference in enumerate(meta.get("ownerReferences") or ()):
        where = f"metadata.ownerReferences[{index}]"
        if not isinstance(reference, dict):
            yield Cause(where, "Invalid value: must be an object")
            continue
        for field in ("apiVersion", "kind", "name", "uid"):
            if not isinstance(reference.get(field), str) or not reference[field]:
                yield Cause(f"{where}.{field}", "Required value: must be a string that is not empty")
        controllers += reference.get("controller") is True
    if controllers > 1:
        yield Cause("metadata.ownerReferences", "Invalid value: only one reference can have controller set to true")


def _custom(kind: ResourceType) -> bool:
    """Of a CustomResourceDefinition: Kubernetes' own groups are one word, or end in its domain."""
    return "." in kind.group and not kind.group.endswith(".k8s.io")


def _qualified(key: Any) -> bool:
    if not isinstance(key, str):
        return False
    prefix, slash, name = key.rpartition("/")
    if slash and (len(prefix) > 253 or not _SUBDOMAIN.fullmatch(prefix)):
        return False
    return len(name) <= 63 and _NAME_PART.fullmatch(name) is not None
