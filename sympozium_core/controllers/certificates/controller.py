"""Keeps certificates where they are read: Secrets of the system's namespace, and `caBundle` of the webhook configurations.

Runs in every replica of the controller, without a leader: the event bus, which a leader needs, waits for its certificate. Every write names
the version it was made from, so of two replicas that see the same one writes and the other reads again. Keys are in no log and no error.
"""

from __future__ import annotations

import asyncio
import base64
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sympozium_core import names
from sympozium_core.clock import Clock, SystemClock
from sympozium_core.contracts.builtin_kinds import MUTATING_WEBHOOK, SECRET, VALIDATING_WEBHOOK
from sympozium_core.contracts.cluster import Cluster, NotFound, Object, ResourceType
from sympozium_core.controllers.certificates import authority as authorities
from sympozium_core.controllers.certificates.authority import Authority, Broken, Pair
from sympozium_core.errors import Permanent, Temporary
from sympozium_core.reconcile.cache import View
from sympozium_core.reconcile.controller import DONE, Controller, Options, Result, Source
from sympozium_core.reconcile.informer import Informer
from sympozium_core.reconcile.key import Key

COMPONENT = "certificates"
LOOK_AGAIN = timedelta(hours=1)
"""At the latest: an informer says what others change, the clock what comes of itself."""
LOOK_AT_FOREIGN = timedelta(minutes=1)
"""A Secret of cert-manager's has none of our labels, so no informer follows it."""
CERTIFICATE, KEY, BUNDLE = "tls.crt", "tls.key", "ca.crt"
NEXT_CERTIFICATE, NEXT_KEY, PAST = "next.crt", "next.key", "past.crt"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Plan:
    """What there is to keep."""

    namespace: str = names.SYSTEM_NAMESPACE
    ca_secret: str = ""
    """cert-manager's Secret: then nothing is made, and its ``ca.crt`` copied to the webhook configurations."""
    webhooks: str = names.WEBHOOKS
    """The name of both configurations."""

    @property
    def servers(self) -> Mapping[str, tuple[str, ...]]:
        """The names that each Secret's certificate is for. The bus's pods have names of their own below its Service's."""
        nats = _service(names.SERVICE_NATS, self.namespace)
        return {
            names.SECRET_WEBHOOK_TLS: _service(names.SERVICE_WEBHOOK, self.namespace),
            names.SECRET_NATS_TLS: (*nats, f"*.{nats[0]}"),
        }


def _service(name: str, namespace: str) -> tuple[str, ...]:
    return (f"{name}.{namespace}.svc", f"{name}.{namespace}", name)


class Certificates:
    def __init__(self, cluster: Cluster, plan: Plan, clock: Clock) -> None:
        self._cluster, self._plan, self._clock = cluster, plan, clock

    async def ensure(self) -> timedelta:
        """Makes, renews and spreads whatever has to be; what is as it should be is left alone. Returns when to look again.

        Raises Conflict or AlreadyExists when somebody else was faster, Permanent for an authority that cannot be used.
        """
        if self._plan.ca_secret:
            await self._spread(await self._foreign_bundle())
            return LOOK_AT_FOREIGN
        bundle, again = await self.make()
        await self._spread(bundle)
        return again

    async def make(self) -> tuple[bytes, timedelta]:
        """The Secrets alone: what has to be trusted, and when to look again. Raises as `ensure` does."""
        now = datetime.fromtimestamp(self._clock.now(), UTC)
        authority = await self._authority(now)
        times = [authorities.due(authority), now + LOOK_AGAIN]
        for secret, servers in self._plan.servers.items():
            times.append(authorities.rotation(await self._leaf(secret, servers, authority, now)))
        return authority.bundle, max(min(times) - now, timedelta(seconds=1))

    async def _foreign_bundle(self) -> bytes:
        name = self._plan.ca_secret
        found = await self._secret(name)
        bundle = _decoded(found).get(BUNDLE) if found is not None else None
        if not bundle:
            missing = f"has no {BUNDLE}" if found is not None else "is not there"
            raise Temporary(f"Secret {name!r} in namespace {self._plan.namespace!r} {missing}", hint="cert-manager makes it")
        return bundle

    async def _authority(self, now: datetime) -> Authority:
        found = await self._secret(names.SECRET_AUTHORITY)
        old = _read_authority(found) if found is not None else None
        new = authorities.advanced(old, now)
        if new is not old:
            await self._write(names.SECRET_AUTHORITY, found, _authority_data(new))
        return new

    async def _leaf(self, name: str, servers: tuple[str, ...], authority: Authority, now: datetime) -> Pair:
        found = await self._secret(name)
        data = _decoded(found) if found is not None else {}
        leaf = Pair(data.get(CERTIFICATE, b""), data.get(KEY, b""))
        why = authorities.fault(leaf, authority, servers, now) if found is not None else "there is none"
        if why:
            leaf = authorities.issue(authority, servers, now)
            log.info("new certificate in Secret %s: %s", name, why)
        if why or data.get(BUNDLE) != authority.bundle:
            await self._write(name, found, {CERTIFICATE: leaf.certificate, KEY: leaf.key, BUNDLE: authority.bundle})
        return leaf

    async def _secret(self, name: str) -> Object | None:
        try:
            return await self._cluster.get(SECRET, self._plan.namespace, name)
        except NotFound:
            return None

    async def _write(self, name: str, found: Object | None, values: Mapping[str, bytes]) -> None:
        data = {key: base64.b64encode(value).decode("ascii") for key, value in values.items()}
        labels = {
            names.LABEL_COMPONENT: COMPONENT,
            names.LABEL_MANAGED_BY: names.MANAGED_BY,
            names.LABEL_PART_OF: names.MANAGED_BY,
        }
        if found is None:
            metadata = {"name": name, "namespace": self._plan.namespace, "labels": labels}
            await self._cluster.create(SECRET, {"metadata": metadata, "type": "kubernetes.io/tls", "data": data})
            return
        metadata = {**found["metadata"], "labels": {**(found["metadata"].get("labels") or {}), **labels}}
        await self._cluster.replace(SECRET, {**found, "metadata": metadata, "data": data})

    async def _spread(self, bundle: bytes) -> None:
        text = base64.b64encode(bundle).decode("ascii")
        for kind in (MUTATING_WEBHOOK, VALIDATING_WEBHOOK):
            await self._trust(kind, text)

    async def _trust(self, kind: ResourceType, bundle: str) -> None:
        try:
            found = await self._cluster.get(kind, None, self._plan.webhooks)
        except NotFound:
            return  # not installed yet, or not any more
        configured = [webhook.get("clientConfig") or {} for webhook in found.get("webhooks") or []]
        changes = [
            {"op": "add", "path": f"/webhooks/{index}/clientConfig/caBundle", "value": bundle}
            for index, config in enumerate(configured)
            if config.get("caBundle") != bundle
        ]
        if not changes:
            return
        version = {"op": "replace", "path": "/metadata/resourceVersion", "value": found["metadata"]["resourceVersion"]}
        await self._cluster.patch(kind, None, self._plan.webhooks, [version, *changes], type="json")
        log.info("%s trusts %s", kind.kind, "the authority of cert-manager" if self._plan.ca_secret else "our authority")


async def keep_certificates(cluster: Cluster, plan: Plan, *, clock: Clock | None = None) -> None:
    """Until cancelled; survives every failure of the cluster."""
    certificates = Certificates(cluster, plan, clock or SystemClock())
    everything = Key(plan.namespace, names.SECRET_AUTHORITY)
    secrets = Informer(cluster, SECRET, plan.namespace, labels=f"{names.LABEL_COMPONENT}={COMPONENT}")
    named = f"metadata.name={plan.webhooks}"
    configurations = [Informer(cluster, kind, fields=named) for kind in (MUTATING_WEBHOOK, VALIDATING_WEBHOOK)]

    async def reconcile(key: Key) -> Result:
        if key != everything:
            controller.enqueue(everything)
            return DONE
        return Result((await certificates.ensure()).total_seconds())

    def always(configuration: View) -> Iterable[Key]:
        return [everything]

    controller = Controller(
        COMPONENT,
        secrets,
        reconcile,
        sources=[Source(informer, always) for informer in configurations],
        options=Options(workers=1),
    )
    controller.enqueue(everything)
    async with asyncio.TaskGroup() as group:
        for informer in (secrets, *configurations):
            group.create_task(informer.run())
        group.create_task(controller.run())


def _read_authority(secret: Object) -> Authority:
    data = _decoded(secret)
    try:
        signs = _usable(data.get(CERTIFICATE, b""), data.get(KEY, b""))
        following = _usable(data[NEXT_CERTIFICATE], data.get(NEXT_KEY, b"")) if NEXT_CERTIFICATE in data else None
        return Authority(signs, following, authorities.split(data.get(PAST, b"")))
    except Broken as error:
        raise Permanent(
            f"the authority in Secret {secret['metadata']['name']!r} cannot be used: {error}",
            hint="restore it, or delete the Secret to have a new authority made; pods that trust the old one have to be started again",
        ) from None


def _usable(certificate: bytes, key: bytes) -> Pair:
    """Raises Broken."""
    pair = Pair(certificate, key)
    pair.check()
    return pair


def _authority_data(authority: Authority) -> dict[str, bytes]:
    data = {CERTIFICATE: authority.signs.certificate, KEY: authority.signs.key, BUNDLE: authority.bundle}
    if authority.next is not None:
        data |= {NEXT_CERTIFICATE: authority.next.certificate, NEXT_KEY: authority.next.key}
    if authority.past:
        data[PAST] = b"".join(authority.past)
    return data


def _decoded(secret: Object) -> dict[str, bytes]:
    """What is no base64 counts as not there."""
    found: dict[str, bytes] = {}
    values: Mapping[str, Any] = secret.get("data") or {}
    for key, value in values.items():
        try:
            found[key] = base64.b64decode(value, validate=True)
        except (ValueError, TypeError):
            continue
    return found
