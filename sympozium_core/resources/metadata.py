"""`metadata`, by the rules of the API server; a field that we do not know is the API server's own and is kept."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from sympozium_core.resources import object_names
from sympozium_core.resources.faults import Fault

MAX_ANNOTATIONS = 256 * 1024
"""Bytes that the API server allows for all keys and values together."""


def _check_labels(labels: dict[str, str]) -> dict[str, str]:
    for key, value in labels.items():
        object_names.label_key(key)
        try:
            object_names.label_value(value)
        except Fault as fault:
            raise Fault(f"{key}: {fault}", fault.hint) from None
    return labels


def _check_annotations(annotations: dict[str, str]) -> dict[str, str]:
    for key in annotations:
        object_names.label_key(key)
    size = sum(len(key) + len(value.encode("utf-8", "replace")) for key, value in annotations.items())
    if size > MAX_ANNOTATIONS:
        raise Fault(f"{size} bytes of annotations", f"at most {MAX_ANNOTATIONS}")
    return annotations


Labels = Annotated[dict[str, str], AfterValidator(_check_labels)]
Annotations = Annotated[dict[str, str], AfterValidator(_check_annotations)]


class OwnerReference(BaseModel):
    model_config = ConfigDict(extra="allow", strict=True, frozen=True, alias_generator=to_camel, defer_build=True)

    api_version: str
    kind: str
    name: str
    uid: str
    controller: bool | None = None
    block_owner_deletion: bool | None = None


class ObjectMeta(BaseModel):
    """One of `name` and `generate_name` is there; the rest is empty until the API server has stored the object."""

    model_config = ConfigDict(extra="allow", strict=True, frozen=True, alias_generator=to_camel, defer_build=True)

    name: Annotated[str, AfterValidator(object_names.subdomain)] | None = None
    generate_name: Annotated[str, AfterValidator(object_names.prefix)] | None = None
    namespace: Annotated[str, AfterValidator(object_names.label)] | None = None
    uid: str | None = None
    resource_version: str | None = None
    generation: int | None = None
    creation_timestamp: str | None = None
    deletion_timestamp: str | None = None
    labels: Labels | None = None
    annotations: Annotations | None = None
    finalizers: list[Annotated[str, Field(min_length=1)]] | None = None
    owner_references: list[OwnerReference] | None = None
