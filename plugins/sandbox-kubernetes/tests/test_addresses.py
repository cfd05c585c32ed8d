"""Where the bus is: a Service's address, a name's, or one that needs no looking up; and what a refusal of the cluster means."""

from __future__ import annotations

from typing import Any, cast

import pytest
from sympozium_sandbox_kubernetes.addresses import BusLookup
from sympozium_sandbox_kubernetes.failures import from_api

from sympozium_core.contracts.cluster import (
    ApiError,
    Cluster,
    Conflict,
    Forbidden,
    Invalid,
    NotFound,
    TooLarge,
    Unavailable,
)
from sympozium_core.contracts.sandbox import NoRoom
from sympozium_core.errors import Permanent, Temporary


class Services:
    """One Service, as an API server tells of it."""

    def __init__(self, spec: dict[str, Any] | ApiError) -> None:
        self.spec, self.asked = spec, 0

    async def get(self, kind: Any, namespace: str, name: str) -> dict[str, Any]:
        assert (kind.kind, namespace, name) == ("Service", "sympozium-system", "sympozium-nats")
        self.asked += 1
        if isinstance(self.spec, ApiError):
            raise self.spec
        return {"spec": self.spec}


def lookup(url: str, spec: dict[str, Any] | ApiError) -> tuple[BusLookup, Services]:
    services = Services(spec)
    return BusLookup(cast(Cluster, services), url, "PEM"), services


@pytest.mark.parametrize(
    ("url", "spec", "addresses"),
    [
        ("tls://sympozium-nats.sympozium-system.svc:4222", {"clusterIPs": ["10.0.0.7", "fd00::7"]}, ("10.0.0.7", "fd00::7")),
        ("tls://sympozium-nats.sympozium-system.svc.cluster.local:4222", {"clusterIP": "10.0.0.7"}, ("10.0.0.7",)),
        ("tls://192.0.2.1:4222", {}, ()),
        ("tls://[2001:db8::1]:4222", {}, ()),
    ],
)
async def test_what_the_host_stands_for(url: str, spec: dict[str, Any], addresses: tuple[str, ...]) -> None:
    bus, services = lookup(url, spec)
    found = await bus.find()
    assert (found.url, found.addresses, found.authority) == (url, addresses, "PEM")
    assert await bus.find() is found
    assert services.asked <= 1


async def test_a_name_is_looked_up() -> None:
    bus, _ = lookup("tls://localhost:4222", {})
    assert "127.0.0.1" in (await bus.find()).addresses


@pytest.mark.parametrize(
    ("url", "spec", "error", "message"),
    [
        ("tls://sympozium-nats.sympozium-system.svc:4222", {"clusterIP": "None"}, Temporary, "has no address"),
        ("tls://sympozium-nats.sympozium-system.svc:4222", NotFound("services x not found"), Temporary, "cannot be read"),
        ("tls://no-such-host.invalid:4222", {}, Temporary, "is not found"),
        ("nonsense", {}, Permanent, "names no host"),
    ],
)
async def test_no_address(url: str, spec: Any, error: type[Exception], message: str) -> None:
    bus, _ = lookup(url, spec)
    with pytest.raises(error, match=message):
        await bus.find()


@pytest.mark.parametrize(
    ("error", "meaning"),
    [
        (Unavailable("away"), Temporary),
        (ApiError("unexpected"), Temporary),
        (Conflict("changed"), Temporary),
        (Forbidden("jobs is forbidden: exceeded quota: none, requested: count/jobs.batch=1"), NoRoom),
        (Forbidden("jobs is forbidden: no right"), Permanent),
        (Forbidden("unable to create new content in namespace x because it is being terminated"), Permanent),
        (NotFound("namespaces x not found"), Permanent),
        (Invalid("spec.template is invalid"), Permanent),
        (TooLarge("too large"), Permanent),
    ],
)
def test_what_a_refusal_means(error: ApiError, meaning: type[Exception]) -> None:
    found = from_api("create the Job of pod run-1", error)
    assert type(found) is meaning
    assert error.message in found.message
    assert "create the Job of pod run-1" in found.message
