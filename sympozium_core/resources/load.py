"""The door through which every resource comes in: JSON data in, a checked model and the normal form out.

Pure: reads nothing, changes nothing. The models of a kind are imported when the first object of it is read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from sympozium_core.contracts.cluster import Invalid, Object, ResourceType
from sympozium_core.errors import Cause
from sympozium_core.names import API_VERSION
from sympozium_core.resources import kinds, rules, shape, spelling
from sympozium_core.resources.faults import shown
from sympozium_core.resources.paths import Path, origin, written

if TYPE_CHECKING:
    from sympozium_core.resources.strictness import Resource

    M = TypeVar("M", bound=Resource)
else:
    M = TypeVar("M")

_MODULES: Mapping[str, str] = {
    "SympoziumInstance": "instance",
    "AgentRun": "agentrun",
    "PersonaPack": "personapack",
    "SkillPack": "skillpack",
    "SympoziumPolicy": "policy",
    "SympoziumSchedule": "schedule",
    "MCPServer": "mcpserver",
    "ToolApproval": "toolapproval",
}
MAX_SHOWN = 100
"""Causes that one error carries."""


@dataclass(frozen=True)
class Loaded(Generic[M]):
    """One object that was read. Immutable; `model` may be shared."""

    kind: ResourceType
    model: M
    warnings: list[str]
    """For the writer: what is allowed but does not do what it seems to."""
    _written: Mapping[str, Any]
    _origins: Mapping[Path, Path]

    def as_written(self, path: Path) -> str:
        """How the writer spelt the field at `path` of the normal form."""
        return written(origin(path, self._origins))

    @cached_property
    def normal(self) -> Object:
        """The object in its normal form, defaults filled in; a new dict. Metadata and status are as they were written."""
        spec = self.model.model_dump(mode="json", by_alias=True, exclude_none=True, include={"spec"})["spec"]
        return {**self._written, "spec": spec}


def read(obj: Any) -> Loaded[Any]:
    """The object as a model of its kind. Raises Invalid with everything that is wrong with it at once, and nothing else."""
    kind, normal, warnings, causes, model, origins = _examine(obj)
    if causes or kind is None:
        raise _invalid(obj, kind, causes)
    return Loaded(kind, model, warnings, normal, origins)


def read_as(model: type[M], obj: Any) -> M:
    """As `read`, for who knows the kind. Raises Invalid, also when the object is of another kind."""
    loaded = read(obj)
    if not isinstance(loaded.model, model):
        raise _invalid(obj, loaded.kind, [Cause("kind", f"is {loaded.kind.kind}", f"kind: {model.__name__}")])
    return loaded.model


def normalise(obj: Any) -> Object:
    """The object in its normal form. Raises Invalid."""
    return read(obj).normal


def problems(obj: Any) -> list[Cause]:
    """Everything that is wrong with the object; empty when all is well."""
    return _examine(obj)[3]


def model_of(kind: ResourceType) -> type[Resource]:
    """The model class of one of our kinds. Raises KeyError for any other kind."""
    found: type[Resource] = getattr(import_module(f"sympozium_core.resources.{_MODULES[kind.kind]}"), kind.kind)
    return found


def prepare(kind: ResourceType) -> None:
    """Builds the validator of one of our kinds, which takes some ten milliseconds and is otherwise done when the first object is read."""
    model_of(kind).model_rebuild()


def _examine(obj: Any) -> tuple[ResourceType | None, Object, list[str], list[Cause], Any, Mapping[Path, Path]]:
    if not isinstance(obj, dict):
        return (
            None,
            {},
            [],
            [Cause("", f"is {shown(obj)} instead of an object", "begin with apiVersion, kind, metadata and spec")],
            None,
            {},
        )
    causes = shape.problems(obj)
    if causes:
        return None, obj, [], causes, None, {}
    kind, causes = _kind(obj)
    if kind is None:
        return None, obj, [], causes, None, {}
    normal: Object = obj
    origins: Mapping[Path, Path] = {}
    spec = obj.get("spec")
    warnings: list[str] = []
    if isinstance(spec, dict):
        respelt = spelling.to_normal(kind.kind, spec)
        normal, origins = {**obj, "spec": respelt.spec}, respelt.origins
        causes = respelt.causes
        warnings = rules.warnings(kind.kind, respelt.spec)
    model, faults = _validated(kind, normal, origins)
    return kind, normal, warnings, causes + faults, model, origins


def _validated(kind: ResourceType, normal: Object, origins: Mapping[Path, Path]) -> tuple[Any, list[Cause]]:
    from pydantic import ValidationError

    model_class = model_of(kind)
    model, fault = None, None
    try:
        model = model_class.model_validate(normal)
    except ValidationError as error:
        fault = error
    broken = list(rules.complaints(kind.kind, normal))
    if fault is None and not broken:
        return model, []
    from sympozium_core.resources import explain

    return explain.without_nulls(model_class, normal, fault, broken, origins)


def _kind(obj: Mapping[str, Any]) -> tuple[ResourceType | None, list[Cause]]:
    api_version, name = obj.get("apiVersion"), obj.get("kind")
    if isinstance(api_version, str) and isinstance(name, str):
        found = kinds.of(api_version, name)
        if found in kinds.OURS:
            return found, []
    causes = []
    if api_version != API_VERSION:
        missing = api_version is None
        causes.append(
            Cause("apiVersion", "is missing" if missing else f"{shown(api_version)} is not ours", f"apiVersion: {API_VERSION}")
        )
    if not isinstance(name, str) or not any(name == kind.kind for kind in kinds.OURS):
        causes.append(_about_kind(name))
    return None, causes


def _about_kind(name: Any) -> Cause:
    if not isinstance(name, str) or not name:
        message = "is missing" if name is None else f"is {shown(name)}"
        return Cause("kind", message, "one of " + ", ".join(kind.kind for kind in kinds.OURS))
    try:
        near = kinds.find(name)
        hint = f"write {near.kind}" if near in kinds.OURS else "this is no kind of Sympozium"
    except kinds.UnknownKind as error:
        hint = error.hint
        word = hint.removeprefix("did you mean ").removesuffix("?")
        hint = (
            f"did you mean {kinds.find(word).kind}?"
            if word != hint
            else "one of " + ", ".join(kind.kind for kind in kinds.OURS)
        )
    return Cause("kind", f"there is no kind {shown(name)}", hint)


def _invalid(obj: Any, kind: ResourceType | None, causes: list[Cause]) -> Invalid:
    metadata = obj.get("metadata") if isinstance(obj, dict) else None
    name = metadata.get("name") if isinstance(metadata, dict) else None
    what = f"{kind.kind if kind else 'object'}{f' {shown(name)}' if isinstance(name, str) else ''}"
    shown_causes = causes[:MAX_SHOWN]
    return Invalid(f"{what} is not valid: " + "; ".join(str(cause) for cause in shown_causes), causes=shown_causes)
