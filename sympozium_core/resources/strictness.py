"""The base classes of all models: what they refuse and how their fields are spelt."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from sympozium_core.resources.metadata import ObjectMeta


class Strict(BaseModel):
    """An object of a spec: unknown fields are errors, no type is coerced, values never change after reading.

    Models are made by `load` from JSON data only, by the fields' camel-case names. `defer_build` leaves the work to the first use.
    """

    model_config = ConfigDict(
        extra="forbid", strict=True, frozen=True, alias_generator=to_camel, defer_build=True, allow_inf_nan=False
    )


class Loose(BaseModel):
    """An object of a status: the fields that the code reads are typed, what else a newer controller wrote there is kept."""

    model_config = ConfigDict(
        extra="allow", strict=True, frozen=True, alias_generator=to_camel, defer_build=True, allow_inf_nan=False
    )


class Resource(Strict):
    """What all kinds have."""

    api_version: str
    kind: str
    metadata: ObjectMeta
