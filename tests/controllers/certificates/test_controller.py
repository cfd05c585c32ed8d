"""Certificates in a real store: made once, renewed in time, spread to whoever trusts them, by one replica or by several."""

from __future__ import annotations

import asyncio
import base64
import logging
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from sympozium_core import names
from sympozium_core.clock import SystemClock
from sympozium_core.contracts.builtin_kinds import MUTATING_WEBHOOK, SECRET, VALIDATING_WEBHOOK
from sympozium_core.contracts.cluster import AlreadyExists, ApiError, Cluster, Conflict, NotFound, User
from sympozium_core.controllers.certificates.authority import split
from sympozium_core.controllers.certificates.controller import Certificates, Plan, keep_certificates
from sympozium_core.embedded.store import Store
from sympozium_core.errors import Permanent, Temporary

SYSTEM = names.SYSTEM_NAMESPACE
SECRETS = (names.SECRET_AUTHORITY, names.SECRET_WEBHOOK_TLS, names.SECRET_NATS_TLS)
DAY = 86400.0


class HandClock(SystemClock):
    """Stands still until a test moves it."""

    def __init__(self) -> None:
        self.seconds = 1_800_000_000.0

    def now(self) -> float:
        return self.seconds


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    opened = await Store.open(tmp_path / "store.db", kinds=(SECRET, MUTATING_WEBHOOK, VALIDATING_WEBHOOK))
    yield opened
    await opened.close()


@pytest.fixture
def cluster(store: Store) -> Cluster:
    return store.as_user(User("controller"))


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def certificates(cluster: Cluster, clock: HandClock) -> Certificates:
    return Certificates(cluster, Plan(), clock)


@pytest.fixture
async def configurations(cluster: Cluster) -> None:
    for kind in (MUTATING_WEBHOOK, VALIDATING_WEBHOOK):
        labels = {names.LABEL_PART_OF: names.MANAGED_BY}
        service = {"name": names.SERVICE_WEBHOOK, "namespace": SYSTEM}
        webhooks = [{"name": f"{name}.sympozium.ai", "clientConfig": {"service": service}} for name in ("a", "b")]
        await cluster.create(kind, {"metadata": {"name": names.WEBHOOKS, "labels": labels}, "webhooks": webhooks})


async def data(cluster: Cluster, name: str) -> dict[str, bytes]:
    secret = await cluster.get(SECRET, SYSTEM, name)
    return {key: base64.b64decode(value) for key, value in secret["data"].items()}


async def versions(cluster: Cluster) -> list[str]:
    found = [await cluster.get(SECRET, SYSTEM, name) for name in SECRETS]
    found += [await cluster.get(kind, None, names.WEBHOOKS) for kind in (MUTATING_WEBHOOK, VALIDATING_WEBHOOK)]
    return [each["metadata"]["resourceVersion"] for each in found]


async def bundles(cluster: Cluster) -> set[bytes]:
    """What the webhook configurations trust."""
    found = [await cluster.get(kind, None, names.WEBHOOKS) for kind in (MUTATING_WEBHOOK, VALIDATING_WEBHOOK)]
    return {base64.b64decode(each["clientConfig"].get("caBundle", "")) for one in found for each in one["webhooks"]}


def serial(pem: bytes) -> int:
    return x509.load_pem_x509_certificate(pem).serial_number


@pytest.mark.usefixtures("configurations")
async def test_everything_is_made_and_belongs_together(cluster: Cluster, certificates: Certificates) -> None:
    await certificates.ensure()
    authority = await data(cluster, names.SECRET_AUTHORITY)
    issuer = x509.load_pem_x509_certificate(authority["tls.crt"])
    for name in (names.SECRET_WEBHOOK_TLS, names.SECRET_NATS_TLS):
        secret = await cluster.get(SECRET, SYSTEM, name)
        assert secret["type"] == "kubernetes.io/tls"
        found = await data(cluster, name)
        assert set(found) == {"tls.crt", "tls.key", "ca.crt"}
        assert found["ca.crt"] == authority["ca.crt"]
        certificate = x509.load_pem_x509_certificate(found["tls.crt"])
        certificate.verify_directly_issued_by(issuer)
        servers = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value.get_values_for_type(
            x509.DNSName
        )
        assert f"{name.removesuffix('-tls')}.{SYSTEM}.svc" in servers
    assert await bundles(cluster) == {authority["ca.crt"]}


@pytest.mark.usefixtures("configurations")
async def test_doing_it_again_writes_nothing(cluster: Cluster, certificates: Certificates) -> None:
    await certificates.ensure()
    before = await versions(cluster)
    assert 0 < (await certificates.ensure()).total_seconds() <= 3600
    assert await versions(cluster) == before


async def test_certificates_do_not_wait_for_the_webhooks_to_be_installed(cluster: Cluster, certificates: Certificates) -> None:
    await certificates.ensure()
    assert await data(cluster, names.SECRET_WEBHOOK_TLS)


@pytest.mark.usefixtures("configurations")
async def test_a_certificate_is_renewed_after_two_thirds_of_its_life_and_no_sooner(
    cluster: Cluster, certificates: Certificates, clock: HandClock
) -> None:
    await certificates.ensure()
    first = await data(cluster, names.SECRET_WEBHOOK_TLS)
    clock.seconds += 59 * DAY
    await certificates.ensure()
    assert await data(cluster, names.SECRET_WEBHOOK_TLS) == first
    clock.seconds += 2 * DAY
    await certificates.ensure()
    second = await data(cluster, names.SECRET_WEBHOOK_TLS)
    assert serial(second["tls.crt"]) != serial(first["tls.crt"])
    assert second["ca.crt"] == first["ca.crt"]


@pytest.mark.usefixtures("configurations")
async def test_authorities_overlap(cluster: Cluster, certificates: Certificates, clock: HandClock) -> None:
    await certificates.ensure()
    old = await data(cluster, names.SECRET_AUTHORITY)
    clock.seconds += (4 * 365 + 1) * DAY
    await certificates.ensure()
    during = await data(cluster, names.SECRET_AUTHORITY)
    assert during["tls.crt"] == old["tls.crt"]
    assert split(during["ca.crt"]) == (old["tls.crt"], during["next.crt"])
    assert await bundles(cluster) == {during["ca.crt"]}
    for name in (names.SECRET_WEBHOOK_TLS, names.SECRET_NATS_TLS):
        assert (await data(cluster, name))["ca.crt"] == during["ca.crt"]
    clock.seconds += 31 * DAY
    await certificates.ensure()
    after = await data(cluster, names.SECRET_AUTHORITY)
    assert (after["tls.crt"], after["tls.key"], after["past.crt"]) == (during["next.crt"], during["next.key"], old["tls.crt"])
    assert "next.key" not in after
    clock.seconds += 365 * DAY
    await certificates.ensure()
    assert split((await data(cluster, names.SECRET_AUTHORITY))["ca.crt"]) == (during["next.crt"],)


@pytest.mark.usefixtures("configurations")
async def test_what_was_tampered_with_is_put_right(cluster: Cluster, certificates: Certificates) -> None:
    await certificates.ensure()
    right = await bundles(cluster)
    op = {"op": "replace", "path": "/webhooks/1/clientConfig/caBundle", "value": base64.b64encode(b"foreign").decode()}
    await cluster.patch(VALIDATING_WEBHOOK, None, names.WEBHOOKS, [op], type="json")
    junk = {"data": {"tls.crt": base64.b64encode(b"junk").decode(), "ca.crt": None}}
    await cluster.patch(SECRET, SYSTEM, names.SECRET_NATS_TLS, junk)
    await certificates.ensure()
    assert await bundles(cluster) == right
    assert {(await data(cluster, names.SECRET_NATS_TLS))["ca.crt"]} == right


async def test_an_authority_that_cannot_be_used_is_not_overwritten(cluster: Cluster, certificates: Certificates) -> None:
    await certificates.ensure()
    before = await data(cluster, names.SECRET_NATS_TLS)
    junk = {"data": {"tls.key": base64.b64encode(b"-----BEGIN PRIVATE KEY-----\nsecret").decode()}}
    await cluster.patch(SECRET, SYSTEM, names.SECRET_AUTHORITY, junk)
    with pytest.raises(Permanent, match="sympozium-authority") as refused:
        await certificates.ensure()
    assert "secret" not in str(refused.value).replace("Secret", "")
    assert (await data(cluster, names.SECRET_AUTHORITY))["tls.key"].endswith(b"secret")
    assert await data(cluster, names.SECRET_NATS_TLS) == before


@pytest.mark.usefixtures("configurations")
async def test_with_cert_manager_nothing_is_made_and_its_authority_is_copied(cluster: Cluster, clock: HandClock) -> None:
    certificates = Certificates(cluster, Plan(ca_secret="sympozium-webhook-tls"), clock)
    with pytest.raises(Temporary, match="is not there"):
        await certificates.ensure()
    values = {"tls.crt": b"theirs", "tls.key": b"theirs"}
    secret = {"metadata": {"name": "sympozium-webhook-tls", "namespace": SYSTEM}, "type": "kubernetes.io/tls"}
    await cluster.create(SECRET, {**secret, "data": {key: base64.b64encode(value).decode() for key, value in values.items()}})
    with pytest.raises(Temporary, match=r"has no ca\.crt"):
        await certificates.ensure()
    await cluster.patch(SECRET, SYSTEM, "sympozium-webhook-tls", {"data": {"ca.crt": base64.b64encode(b"their CA").decode()}})
    assert (await certificates.ensure()).total_seconds() <= 60
    assert await bundles(cluster) == {b"their CA"}
    assert (await data(cluster, "sympozium-webhook-tls"))["tls.crt"] == b"theirs"
    with pytest.raises(NotFound):
        await data(cluster, names.SECRET_AUTHORITY)


@pytest.mark.usefixtures("configurations")
async def test_replicas_that_begin_together_agree(cluster: Cluster, clock: HandClock) -> None:
    """Each tries until nothing is left to do, as the engine has it."""

    async def replica() -> None:
        own = Certificates(cluster, Plan(), clock)
        for _ in range(50):
            try:
                await own.ensure()
                return
            except (Conflict, AlreadyExists):
                await asyncio.sleep(0)
        raise AssertionError("never settled")

    await asyncio.gather(*(replica() for _ in range(5)))
    authority = await data(cluster, names.SECRET_AUTHORITY)
    assert await bundles(cluster) == {authority["ca.crt"]}
    before = await versions(cluster)
    await asyncio.gather(*(replica() for _ in range(5)))
    assert await versions(cluster) == before


async def _until(done: Callable[[], Any]) -> None:
    async with asyncio.timeout(20):
        while True:
            try:
                if await done():
                    return
            except ApiError:
                pass
            await asyncio.sleep(0.01)


@pytest.mark.usefixtures("configurations")
async def test_what_is_deleted_or_overwritten_comes_back_by_itself(cluster: Cluster, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        replicas = [asyncio.create_task(keep_certificates(cluster, Plan())) for _ in range(2)]

        async def trusted() -> bool:
            return await bundles(cluster) == {(await data(cluster, names.SECRET_NATS_TLS))["ca.crt"]}

        await _until(trusted)
        first = await data(cluster, names.SECRET_WEBHOOK_TLS)
        await cluster.delete(SECRET, SYSTEM, names.SECRET_WEBHOOK_TLS)

        async def made_anew() -> bool:
            return serial((await data(cluster, names.SECRET_WEBHOOK_TLS))["tls.crt"]) != serial(first["tls.crt"])

        await _until(made_anew)
        await cluster.patch(
            MUTATING_WEBHOOK, None, names.WEBHOOKS, [{"op": "remove", "path": "/webhooks/0/clientConfig/caBundle"}], type="json"
        )
        await _until(trusted)
        for replica in replicas:
            replica.cancel()
        await asyncio.gather(*replicas, return_exceptions=True)
    keys = [(await data(cluster, name))["tls.key"] for name in SECRETS]
    assert "PRIVATE KEY" not in caplog.text
    assert not any(base64.b64encode(key).decode() in caplog.text for key in keys)
    assert "new certificate in Secret sympozium-webhook-tls: there is none" in caplog.text


async def test_an_authority_made_anew_replaces_everything(cluster: Cluster, certificates: Certificates) -> None:
    await certificates.ensure()
    await cluster.delete(SECRET, SYSTEM, names.SECRET_AUTHORITY)
    await certificates.ensure()
    authority = await data(cluster, names.SECRET_AUTHORITY)
    for name in (names.SECRET_WEBHOOK_TLS, names.SECRET_NATS_TLS):
        found = await data(cluster, name)
        assert found["ca.crt"] == authority["ca.crt"]
        x509.load_pem_x509_certificate(found["tls.crt"]).verify_directly_issued_by(
            x509.load_pem_x509_certificate(authority["tls.crt"])
        )
