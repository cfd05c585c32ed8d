"""Names and where pods find the bus, by the resolver of this machine: only names that every machine knows."""

from __future__ import annotations

import pytest

from sympozium_core.controllers.network_policies import BusPlace
from sympozium_core.errors import Permanent
from sympozium_core.processes import addresses
from sympozium_core.processes.addresses import Addresses
from sympozium_core.processes.bus_place import bus_place


async def test_a_name_has_its_addresses_and_none_when_it_is_nowhere() -> None:
    found = await Addresses().of(["localhost", "nowhere.invalid", "a" * 70 + ".example", "with space"])
    assert "127.0.0.1" in found["localhost"]
    assert [found[name] for name in found if name != "localhost"] == [(), (), ()]
    assert await Addresses().of([]) == {}


async def test_a_name_is_asked_once_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    async def look_up(host: str) -> tuple[str, ...]:
        asked.append(host)
        return ("192.0.2.1",)

    monkeypatch.setattr(addresses, "look_up", look_up)
    known = Addresses()
    for _ in range(3):
        assert await known.of(["a.example", "b.example"]) == {"a.example": ("192.0.2.1",), "b.example": ("192.0.2.1",)}
    assert sorted(asked) == ["a.example", "b.example"]
    monkeypatch.setattr(addresses, "REMEMBERED", -1.0)
    await Addresses().of(["a.example"])
    assert len(asked) == 3


@pytest.mark.parametrize(
    ("address", "place"),
    [
        ("tls://sympozium-nats.sympozium-system.svc:4222", BusPlace(4222, "sympozium-system")),
        ("tls://sympozium-nats.sympozium-system.svc.cluster.local", BusPlace(4222, "sympozium-system")),
        ("nats://bus.messaging.svc:4223", BusPlace(4223, "messaging", labels=())),
        ("nats://192.0.2.7:4333", BusPlace(4333, cidrs=("192.0.2.7/32",))),
        ("tls://[2001:db8::7]", BusPlace(4222, cidrs=("2001:db8::7/128",))),
    ],
)
async def test_where_pods_find_the_bus(address: str, place: BusPlace) -> None:
    assert await bus_place(address, "sympozium-system") == place


async def test_a_bus_outside_is_looked_up() -> None:
    assert "127.0.0.1/32" in (await bus_place("tls://localhost:4222", "sympozium-system")).cidrs


@pytest.mark.parametrize("address", ["tls://nowhere.invalid:4222", "", "tls://"])
async def test_a_bus_that_is_nowhere_is_said(address: str) -> None:
    with pytest.raises(Permanent, match="leads nowhere"):
        await bus_place(address, "sympozium-system")
