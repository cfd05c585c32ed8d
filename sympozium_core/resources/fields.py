"""The types of fields that several kinds share: each binds a checker to what the CRD can say of it."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from sympozium_core.call_conditions import expression
from sympozium_core.resources import cron, durations, endpoints, object_names, places, quantities, timezones, tool_names
from sympozium_core.resources.faults import Fault, shown

MAX_PORT = 65535


def _text(value: str) -> str:
    if not value.strip():
        raise Fault("is empty", "write something, or leave the field out if it is optional")
    return value


def _duration(value: str) -> str:
    durations.seconds(value)
    return value


def _quantity(value: Any) -> Any:
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if isinstance(value, float):
        raise Fault(f"{shown(value)} is a fraction without quotes", f'write "{value}" or {round(value * 1000)}m')
    if isinstance(value, str):
        quantities.amount(value)
    return value


def _call_condition(value: str) -> str:
    """Imports CEL, so it is asked only where there is a condition."""
    try:
        expression.condition(value)
    except expression.BadCondition as error:
        raise Fault(f"{shown(value)} is no condition: {error}", f"such as {expression.EXAMPLE}") from None
    return value


def _optional_secret(value: str) -> str:
    return object_names.secret(value) if value else value


Text = Annotated[str, AfterValidator(_text), WithJsonSchema({"type": "string", "minLength": 1, "pattern": r"\S"})]
"""Not empty and not only blanks."""
Duration = Annotated[
    str,
    AfterValidator(_duration),
    WithJsonSchema({"type": "string", "maxLength": durations.MAX_LENGTH, "pattern": durations.PATTERN}),
]
"""More than zero; `durations.seconds` reads it."""
Quantity = Annotated[
    str,
    BeforeValidator(_quantity),
    WithJsonSchema({"anyOf": [{"type": "integer"}, {"type": "string"}], "pattern": quantities.PATTERN}),
]
"""A string in the normal form, also where an integer was written; `quantities.amount` reads it."""
CronLine = Annotated[
    str, AfterValidator(cron.check), WithJsonSchema({"type": "string", "maxLength": cron.MAX_LENGTH, "pattern": cron.PATTERN})
]
TimeZone = Annotated[
    str,
    AfterValidator(timezones.check),
    WithJsonSchema({"type": "string", "maxLength": timezones.MAX_LENGTH, "pattern": timezones.PATTERN}),
]
ObjectName = Annotated[
    str,
    AfterValidator(object_names.subdomain),
    WithJsonSchema({"type": "string", "maxLength": object_names.MAX_SUBDOMAIN, "pattern": object_names.SUBDOMAIN}),
]
"""The name of another object in the same namespace."""
SecretName = Annotated[
    str,
    AfterValidator(object_names.secret),
    WithJsonSchema({"type": "string", "maxLength": object_names.MAX_SUBDOMAIN, "pattern": object_names.SUBDOMAIN}),
]
"""The name of a Secret in the same namespace; no message shows a wrong one."""
OptionalSecretName = Annotated[
    str,
    AfterValidator(_optional_secret),
    WithJsonSchema({"type": "string", "maxLength": object_names.MAX_SUBDOMAIN, "pattern": f"^$|{object_names.SUBDOMAIN}"}),
]
"""As SecretName, or empty for none: a provider without a key has no Secret."""
LabelName = Annotated[
    str,
    AfterValidator(object_names.label),
    WithJsonSchema({"type": "string", "maxLength": object_names.MAX_LABEL, "pattern": object_names.LABEL}),
]
"""Becomes part of the names of other objects."""
FileName = Annotated[
    str,
    AfterValidator(object_names.file_name),
    WithJsonSchema({"type": "string", "maxLength": object_names.MAX_SUBDOMAIN, "pattern": object_names.FILE_NAME}),
]
RelativePath = Annotated[
    str,
    AfterValidator(object_names.relative_path),
    WithJsonSchema({"type": "string", "maxLength": object_names.MAX_SUBDOMAIN, "pattern": object_names.RELATIVE_PATH}),
]
EnvironmentName = Annotated[
    str,
    AfterValidator(object_names.environment_name),
    WithJsonSchema({"type": "string", "maxLength": object_names.MAX_SUBDOMAIN, "pattern": object_names.ENVIRONMENT_NAME}),
]
ToolName = Annotated[
    str,
    AfterValidator(tool_names.name),
    WithJsonSchema({"type": "string", "maxLength": tool_names.MAX_NAME, "pattern": tool_names.NAME}),
]
ToolPattern = Annotated[
    str,
    AfterValidator(tool_names.pattern),
    WithJsonSchema({"type": "string", "maxLength": tool_names.MAX_PATTERN, "pattern": tool_names.PATTERN}),
]
ToolPrefix = Annotated[
    str,
    AfterValidator(tool_names.prefix),
    WithJsonSchema({"type": "string", "maxLength": tool_names.MAX_PREFIX, "pattern": tool_names.PREFIX}),
]
CallCondition = Annotated[
    str,
    AfterValidator(_call_condition),
    WithJsonSchema({"type": "string", "minLength": 1, "maxLength": expression.MAX_LENGTH}),
]
"""CEL over the arguments of a tool call; `call_conditions.expression` says what it sees."""
HostPattern = Annotated[
    str, AfterValidator(places.host), WithJsonSchema({"type": "string", "maxLength": places.MAX_HOST, "pattern": places.HOST})
]
"""A name, ``*.`` and a name for all below it, or an address."""
PathPrefix = Annotated[
    str, AfterValidator(places.path), WithJsonSchema({"type": "string", "maxLength": places.MAX_PATH, "pattern": places.PATH})
]
AddressRange = Annotated[
    str,
    AfterValidator(places.address_range),
    WithJsonSchema({"type": "string", "maxLength": places.MAX_RANGE, "pattern": places.RANGE}),
]
"""An address or a CIDR."""
ServerURL = Annotated[
    str,
    AfterValidator(endpoints.server_url),
    WithJsonSchema({"type": "string", "maxLength": endpoints.MAX_URL, "pattern": endpoints.URL}),
]
"""Over HTTP, without a user in it."""
HeaderName = Annotated[
    str,
    AfterValidator(endpoints.header_name),
    WithJsonSchema({"type": "string", "maxLength": endpoints.MAX_HEADER, "pattern": endpoints.HEADER}),
]
Port = Annotated[int, Field(ge=1, le=MAX_PORT)]
MAX_COUNT = 2**31 - 1
Count = Annotated[int, Field(ge=0, le=MAX_COUNT)]
"""How many; none is fine."""
Positive = Annotated[int, Field(ge=1, le=MAX_COUNT)]
Time = Annotated[str, WithJsonSchema({"type": "string", "format": "date-time"})]
"""As the API writes times: ``2026-03-31T09:00:00Z``."""
