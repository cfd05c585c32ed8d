"""What an object would have the control plane do in its writer's place: read Secrets, hand out rights, attach skills that have either.

Pure. A reference counts together with its recipient, everything in the object that decides who gets to see what is behind it: whoever sends
an old key to a new address, or runs another image beside an old token, makes a new reference.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from sympozium_core.contracts.cluster import ResourceType
from sympozium_core.planning.inputs import model_of
from sympozium_core.planning.skills import LEGACY_PREFIX
from sympozium_core.resources.kinds import AGENT_RUN, MCP_SERVER, PERSONA_PACK, SKILL_PACK, SYMPOZIUM_INSTANCE
from sympozium_core.resources.paths import Path

Spec = Mapping[str, Any]


@dataclass(frozen=True)
class SecretReference:
    """A Secret of the object's own namespace. `path` leads to its name, in the normal form."""

    secret: str
    recipient: str
    path: Path = field(compare=False)


@dataclass(frozen=True)
class DeclaredRights:
    """Rights with the Kubernetes API that something of the object's will have, as the rules of a Role. `path` leads to the rules."""

    rules: str
    """JSON of the list."""
    cluster: bool
    recipient: str
    path: Path = field(compare=False)


@dataclass(frozen=True)
class AttachedSkill:
    """`parameters` is JSON: they decide what the skill's rights are used for."""

    skill: str
    parameters: str
    path: Path = field(compare=False)


@dataclass(frozen=True)
class UsedAccount:
    """A ServiceAccount of the object's own namespace, as which something of the object's will run."""

    account: str
    recipient: str
    path: Path = field(compare=False)


@dataclass(frozen=True)
class References:
    secrets: tuple[SecretReference, ...] = ()
    rights: tuple[DeclaredRights, ...] = ()
    skills: tuple[AttachedSkill, ...] = ()
    accounts: tuple[UsedAccount, ...] = ()

    def beyond(self, old: References) -> References:
        """What `old` has not."""
        return References(
            _beyond(self.secrets, old.secrets),
            _beyond(self.rights, old.rights),
            _beyond(self.skills, old.skills),
            _beyond(self.accounts, old.accounts),
        )


def references(kind: ResourceType, spec: Spec) -> References:
    """Of a spec in normal form. A run's model is none of it: see `run_model`."""
    return References(
        tuple(found for found in _secrets(kind, spec) if found.secret),
        tuple(_rights(kind, spec)),
        tuple(_skills(kind, spec)),
        tuple(_accounts(kind, spec)),
    )


def run_model(run: Mapping[str, Any], instance: Mapping[str, Any]) -> SecretReference | None:
    """The Secret of the run's own choice of a model; None where it inherits its instance's key, for the same provider and address.

    A run that names an address and no Secret is asked with its instance's key: it is the run's writer then who sends it there.
    """
    own, inherited = model_of(run, instance), model_of({"spec": {}}, instance)
    if not own.secret or (own.secret, own.provider, own.base_url) == (inherited.secret, inherited.provider, inherited.base_url):
        return None
    given = run["spec"].get("model") or {}
    at = next((key for key in ("authSecretRef", "baseURL", "provider") if given.get(key)), "model")
    return SecretReference(own.secret, _json([own.provider, own.base_url]), ("spec", "model", at))


def _secrets(kind: ResourceType, spec: Spec) -> Iterator[SecretReference]:
    if kind == SYMPOZIUM_INSTANCE:
        yield from _instance_secrets(spec)
    elif kind == PERSONA_PACK:
        yield from _keys(spec, spec.get("baseURL"))
        for channel, secret in (spec.get("channelConfigs") or {}).items():
            yield SecretReference(secret, channel, ("spec", "channelConfigs", channel))
    elif kind == SKILL_PACK:
        sidecar = spec.get("sidecar") or {}
        yield SecretReference(sidecar.get("secretRef") or "", _json(sidecar), ("spec", "sidecar", "secretRef"))
        for index, variable in enumerate(sidecar.get("env") or []):
            name = ((variable.get("valueFrom") or {}).get("secretKeyRef") or {}).get("name") or ""
            yield SecretReference(name, _json(sidecar), ("spec", "sidecar", "env", index, "valueFrom", "secretKeyRef", "name"))
    elif kind == MCP_SERVER:
        yield from _tool_server_secrets(spec)
    if kind in (SYMPOZIUM_INSTANCE, AGENT_RUN):
        for index, reference in enumerate(spec.get("imagePullSecrets") or []):
            yield SecretReference(reference.get("name") or "", "pull", ("spec", "imagePullSecrets", index, "name"))


def _instance_secrets(spec: Spec) -> Iterator[SecretReference]:
    yield from _keys(spec, spec["agents"]["default"].get("baseURL"))
    for index, channel in enumerate(spec.get("channels") or []):
        secret = (channel.get("configRef") or {}).get("secret") or ""
        yield SecretReference(secret, channel["type"], ("spec", "channels", index, "configRef", "secret"))
    for index, server in enumerate(spec.get("mcpServers") or []):
        recipient = _json([server["name"], server.get("url"), server.get("authKey")])
        yield SecretReference(server.get("authSecret") or "", recipient, ("spec", "mcpServers", index, "authSecret"))
    telemetry = spec.get("observability") or {}
    place: Path = ("spec", "observability", "headersSecretRef")
    yield SecretReference(telemetry.get("headersSecretRef") or "", _json(telemetry.get("otlpEndpoint")), place)
    web = spec.get("webEndpoint") or {}
    yield SecretReference(web.get("authSecretRef") or "", _json(web.get("hostname")), ("spec", "webEndpoint", "authSecretRef"))


def _tool_server_secrets(spec: Spec) -> Iterator[SecretReference]:
    """A header goes to the address, or to what is run in its place."""
    deployment = spec.get("deployment") or {}
    for index, reference in enumerate(deployment.get("secretRefs") or []):
        place: Path = ("spec", "deployment", "secretRefs", index, "name")
        yield SecretReference(reference["name"], _json(deployment), place)
    for index, header in enumerate(spec.get("headers") or []):
        source = (header.get("valueFrom") or {}).get("secretKeyRef") or {}
        recipient = _json([spec.get("url"), deployment, header["name"], source.get("key")])
        yield SecretReference(
            source.get("name") or "", recipient, ("spec", "headers", index, "valueFrom", "secretKeyRef", "name")
        )


def _keys(spec: Spec, base_url: str | None) -> Iterator[SecretReference]:
    """`base_url` is where the first of them, the models', is sent."""
    for index, reference in enumerate(spec.get("authRefs") or []):
        recipient = _json([reference.get("provider"), None if index else base_url])
        yield SecretReference(reference.get("secret") or "", recipient, ("spec", "authRefs", index, "secret"))


def _rights(kind: ResourceType, spec: Spec) -> Iterator[DeclaredRights]:
    if kind == SKILL_PACK:
        sidecar = spec.get("sidecar") or {}
        for key in ("rbac", "clusterRBAC"):
            if sidecar.get(key):
                yield DeclaredRights(_json(sidecar[key]), key == "clusterRBAC", _json(sidecar), ("spec", "sidecar", key))
    for place, lifecycle in _lifecycles(kind, spec):
        if lifecycle and lifecycle.get("rbac"):
            yield DeclaredRights(_json(lifecycle["rbac"]), False, _json(lifecycle), ("spec", *place, "lifecycle", "rbac"))


def _lifecycles(kind: ResourceType, spec: Spec) -> Iterator[tuple[Path, Mapping[str, Any] | None]]:
    if kind == AGENT_RUN:
        yield (), spec.get("lifecycle")
    elif kind == SYMPOZIUM_INSTANCE:
        yield ("agents", "default"), spec["agents"]["default"].get("lifecycle")
    elif kind == PERSONA_PACK:
        for index, persona in enumerate(spec["personas"]):
            yield ("personas", index), persona.get("lifecycle")


def _accounts(kind: ResourceType, spec: Spec) -> Iterator[UsedAccount]:
    deployment = spec.get("deployment") or {} if kind == MCP_SERVER else {}
    if account := deployment.get("serviceAccountName"):
        yield UsedAccount(account, _json(deployment), ("spec", "deployment", "serviceAccountName"))


def _skills(kind: ResourceType, spec: Spec) -> Iterator[AttachedSkill]:
    if kind in (SYMPOZIUM_INSTANCE, AGENT_RUN):
        for index, reference in enumerate(spec.get("skills") or []):
            if reference.get("skillPackRef"):
                place: Path = ("spec", "skills", index, "skillPackRef")
                yield _attached(reference["skillPackRef"], reference.get("params"), place)
    elif kind == PERSONA_PACK:
        parameters = spec.get("skillParams") or {}
        for number, persona in enumerate(spec["personas"]):
            for index, name in enumerate(persona.get("skills") or []):
                yield _attached(name, parameters.get(name), ("spec", "personas", number, "skills", index))


def _attached(name: str, parameters: Mapping[str, str] | None, place: Path) -> AttachedSkill:
    return AttachedSkill(name.removeprefix(LEGACY_PREFIX), _json(parameters or {}), place)


_R = TypeVar("_R", SecretReference, DeclaredRights, AttachedSkill, UsedAccount)


def _beyond(new: Iterable[_R], old: Iterable[_R]) -> tuple[_R, ...]:
    known = set(old)
    return tuple(dict.fromkeys(found for found in new if found not in known))


def _json(value: Any) -> str:
    return json.dumps(value, sort_keys=True)
