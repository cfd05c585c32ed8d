"""The CustomResourceDefinitions, made from the models when they are asked for: no copy of them is shipped."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from sympozium_core.contracts.cluster import Object, ResourceType
from sympozium_core.installation.options import Options
from sympozium_core.installation.parts import labels
from sympozium_core.resources.kinds import OURS

COMPONENT = "resources"


def definitions(options: Options) -> list[Object]:
    """One a kind. Deleting one deletes every object of its kind."""
    return [_labelled(_definition(kind), labels(options, COMPONENT)) for kind in OURS]


def _labelled(obj: Object, more: Mapping[str, str]) -> Object:
    metadata = obj["metadata"]
    return {**obj, "metadata": {**metadata, "labels": {**metadata["labels"], **more}}}


@cache
def _definition(kind: ResourceType) -> Object:
    """Without what an installation adds; it takes a while to make."""
    from sympozium_core.resources.crd import definition  # brings the models with it

    return definition(kind)
