"""The bus, measured on each implementation: ``python bench/bench_bus.py [-n 1000]``. Times in milliseconds.

append: one at a time, acknowledged and durable; burst: 2,000 at once, appends a second and how many arrived; call: a framed call of 200 bytes there
and back; stream: frames of 200 bytes a second; event: from the acknowledged append by one user to the follower's hand, and to the consumer's.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from statistics import quantiles

from sympozium_core.bus import subjects
from sympozium_core.bus.appending import serve_appends
from sympozium_core.bus.callout import BusUser
from sympozium_core.bus.calls import CallRequest, call, call_once, serve
from sympozium_core.contracts.bus import Bus
from sympozium_core.embedded.bus.local import EmbeddedBus
from sympozium_core.embedded.bus.remote import RemoteBus
from sympozium_core.embedded.bus.server import BusServer
from sympozium_core.testing.assignments import Assignments
from sympozium_core.testing.nats_installation import NatsInstallation

UID = "bench"
POD, MODEL = subjects.journal(UID, "pod"), subjects.request(UID, "model")
ENTRY = b"x" * 500


def show(name: str, what: str, milliseconds: list[float]) -> None:
    cuts = quantiles(milliseconds, n=100)
    print(f"{name:24} {what:18} p50 {cuts[49]:7.3f}  p99 {cuts[98]:7.3f}  max {max(milliseconds):7.3f}  n {len(milliseconds)}")


async def timed(count: int, act: Callable[[], Awaitable[object]]) -> list[float]:
    times = []
    for _ in range(count):
        began = time.perf_counter()
        await act()
        times.append((time.perf_counter() - began) * 1000)
    return times


async def appends(name: str, writer: Bus, reader: Bus, count: int) -> None:
    show(name, "append", await timed(count, lambda: writer.append(POD, ENTRY)))
    newest = await reader.last(POD)
    assert newest is not None
    began = time.perf_counter()
    await asyncio.gather(*(writer.append(POD, ENTRY) for _ in range(2000)))
    seconds = time.perf_counter() - began
    arrived = len([message async for message in reader.read(POD, after=newest.sequence)])
    print(f"{name:24} {'burst of 2000':18} {2000 / seconds:7.0f}/s, {arrived} of 2000 arrived")


async def events(name: str, writer: Bus, reader: Bus, count: int) -> None:
    newest = await reader.last(POD)
    after = newest.sequence if newest else 0
    arrived: asyncio.Queue[float] = asyncio.Queue()

    async def follow() -> None:
        async for _ in reader.follow(POD, after=after):
            arrived.put_nowait(time.perf_counter())

    task = asyncio.create_task(follow())
    await writer.append(POD, b"first")
    await arrived.get()
    times = []
    for _ in range(count):
        began = time.perf_counter()
        await writer.append(POD, ENTRY)
        times.append((await arrived.get() - began) * 1000)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    show(name, "append to follower", times)


async def consumed(name: str, writer: Bus, reader: Bus, count: int) -> None:
    slug = name.replace(",", "").replace(" ", "-")
    control = subjects.journal(f"{UID}-{slug}", "ctl")
    consumer = await reader.consumer(f"bench-{slug}", control)
    deliveries = aiter(consumer)
    times = []
    for _ in range(count):
        began = time.perf_counter()
        await reader.append(control, ENTRY)
        delivery = await anext(deliveries)
        times.append((time.perf_counter() - began) * 1000)
        await delivery.ack()
    await consumer.close()
    show(name, "append to consumer", times)


async def calls(name: str, caller: Bus, serving: Bus, count: int) -> None:
    async def answer(request: CallRequest) -> AsyncIterator[bytes]:
        for _ in range(int(request.data[:5])):
            yield request.data

    server = await serve(serving, subjects.request("*", "model"), answer, queue="gateway")
    one, many = b"00001".ljust(200), b"10000".ljust(200)
    show(name, "call", await timed(count, lambda: call_once(caller, MODEL, one, deadline=time.time() + 30)))
    began = time.perf_counter()
    received = len([item async for item in call(caller, MODEL, many, deadline=time.time() + 60)])
    print(f"{name:24} {'stream':18} {received / (time.perf_counter() - began):7.0f} frames/s, {received} of 10000 arrived")
    await server.close()


async def measure(name: str, run: Bus, control: Bus, count: int) -> None:
    await appends(name, run, control, count)
    await events(name, run, control, count)
    await consumed(name, run, control, count)
    await calls(name, run, control, count)


async def embedded(directory: Path, count: int) -> None:
    assignments = Assignments()
    assignments.assign("pod", UID)
    bus = await EmbeddedBus.open(directory / "bus")
    server = BusServer(bus, directory / "bus.sock", assignments.authenticate)
    await server.start()
    remote = await RemoteBus.connect(server.address, "right", "pod")
    await measure("embedded, in process", bus, bus, count)
    await measure("embedded, over a socket", remote, bus, count)
    await remote.close()
    await server.close()
    await bus.close()


async def jetstream(directory: Path, count: int) -> None:
    """As it is installed: TLS, the run's own user, its appends by a gateway."""
    installation = NatsInstallation(directory)
    installation.start()
    try:
        control, gateway = await installation.controller(), await installation.gateway()
        appends = await serve_appends(gateway)

        async def authenticate(token: str) -> BusUser:
            return BusUser(uid=UID, pod="pod", expires=time.time() + 3600)

        callout = await installation.callout(control, authenticate)
        run = await installation.pod("pod", "token")
        await measure("JetStream", run, control, count)
        await run.close()
        await callout.close()
        await appends.close()
        await gateway.close()
        await control.close()
    finally:
        installation.stop()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-n", type=int, default=1000, help="how often each thing is done")
    count = parser.parse_args().n
    with tempfile.TemporaryDirectory(prefix="bench-bus-") as directory:
        asyncio.run(embedded(Path(directory), count))
        asyncio.run(jetstream(Path(directory) / "nats", count))


if __name__ == "__main__":
    main()
