"""Names and labels by the rules of Kubernetes (https://kubernetes.io/docs/concepts/overview/working-with-objects/names/)."""

from __future__ import annotations

import re

from sympozium_core.resources.faults import Fault, shown

SUBDOMAIN = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"
LABEL = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"
FILE_NAME = r"^[A-Za-z0-9][A-Za-z0-9_.-]*$"
RELATIVE_PATH = r"^[A-Za-z0-9][A-Za-z0-9_.-]*(/[A-Za-z0-9][A-Za-z0-9_.-]*)*$"
ENVIRONMENT_NAME = r"^[-._a-zA-Z][-._a-zA-Z0-9]*$"
MAX_SUBDOMAIN = 253
MAX_LABEL = 63
MAX_SUFFIX = 5
"""Characters that the API server adds to a ``generateName``."""

_SUBDOMAIN = re.compile(SUBDOMAIN)
_LABEL = re.compile(LABEL)
_FILE_NAME = re.compile(FILE_NAME)
_ENVIRONMENT_NAME = re.compile(ENVIRONMENT_NAME)
_QUALIFIED = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?")


def subdomain(name: str) -> str:
    """The name of an object. Raises Fault with a name that would do."""
    if len(name) > MAX_SUBDOMAIN:
        raise Fault(f"{shown(name)} has {len(name)} characters", f"at most {MAX_SUBDOMAIN}")
    if not _SUBDOMAIN.fullmatch(name):
        raise Fault(*_complaint(name, "lower-case letters, digits, '-' and '.'", MAX_SUBDOMAIN))
    return name


def label(name: str) -> str:
    """A name that becomes part of other names, or a namespace: no dots, at most 63 characters. Raises Fault."""
    if len(name) > MAX_LABEL:
        raise Fault(f"{shown(name)} has {len(name)} characters", f"at most {MAX_LABEL}")
    if not _LABEL.fullmatch(name):
        raise Fault(*_complaint(name.replace(".", "-"), "lower-case letters, digits and '-'", MAX_LABEL, name))
    return name


def prefix(name: str) -> str:
    """A ``generateName``: a name, or the beginning of one. Raises Fault."""
    if not name or len(name) > MAX_SUBDOMAIN - MAX_SUFFIX or not _SUBDOMAIN.fullmatch(name + "x"):
        raise Fault(*_complaint(name, "lower-case letters, digits, '-' and '.'", MAX_SUBDOMAIN - MAX_SUFFIX))
    return name


def secret(name: str) -> str:
    """The name of a Secret. Raises Fault that never shows the value: people paste the key itself here."""
    if len(name) > MAX_SUBDOMAIN or not _SUBDOMAIN.fullmatch(name):
        raise Fault("is no name of a Secret", "such as openai-secret; the key itself belongs into the Secret, never here")
    return name


def file_name(name: str) -> str:
    """A name that becomes the name of a file. Raises Fault."""
    if len(name) > MAX_SUBDOMAIN or not _FILE_NAME.fullmatch(name):
        raise Fault(f"{shown(name)} is no name", "letters, digits, '-', '_' and '.', such as cluster-overview")
    return name


def relative_path(path: str) -> str:
    """Where a file is below a folder. Raises Fault for what leads out of it, and for names that are hidden or no file names."""
    if len(path) > MAX_SUBDOMAIN or not all(_FILE_NAME.fullmatch(part) for part in path.split("/")):
        raise Fault(
            f"{shown(path)} is no plain path below a folder", "letters, digits, '-', '_' and '.', such as references/api.md"
        )
    return path


def environment_name(name: str) -> str:
    """The name of an environment variable, as Kubernetes takes it. Raises Fault."""
    if len(name) > MAX_SUBDOMAIN or not _ENVIRONMENT_NAME.fullmatch(name):
        raise Fault(f"{shown(name)} is no name of an environment variable", "such as LOG_LEVEL")
    return name


def label_key(key: str) -> str:
    """A label's or annotation's key: ``name`` or ``prefix/name``. Raises Fault."""
    before, slash, name = key.rpartition("/")
    good = len(name) <= MAX_LABEL and _QUALIFIED.fullmatch(name) and (not slash or _is_subdomain(before))
    if not good:
        raise Fault(f"{shown(key)} is no key", "such as app or example.com/team")
    return key


def label_value(value: str) -> str:
    """Raises Fault for what a label cannot hold; empty is fine."""
    if value and (len(value) > MAX_LABEL or not _QUALIFIED.fullmatch(value)):
        raise Fault(f"{shown(value)} is no label value", "at most 63 letters, digits, '-', '_' and '.'")
    return value


def _is_subdomain(name: str) -> bool:
    return len(name) <= MAX_SUBDOMAIN and _SUBDOMAIN.fullmatch(name) is not None


def _complaint(name: str, made_of: str, longest: int, written: str = "") -> tuple[str, str]:
    if not name:
        return "is empty", f"a name of {made_of}, such as my-agent"
    mended = re.sub(r"[^a-z0-9.]+", "-", name.lower())
    mended = re.sub(r"[-.]*\.[-.]*", ".", mended).strip("-.")[:longest].strip("-.")
    return f"{shown(written or name)} is no name: {made_of}", f"such as {mended}" if mended else "such as my-agent"
