"""Measures admission on a real API server: ``python -m tests.kubernetes.machine run -- python bench/bench_admission.py [--quick]``.

Each write is a dry run over a connection that stays, so nothing but admission differs between a namespace that is reviewed and one that is not.
"Asked directly" is the webhook alone: one AdmissionReview over HTTPS, with the lookups that it makes of the API server.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import ssl
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import aiohttp
from on_cluster import connected, given

from sympozium_core import names
from sympozium_core.cluster.client import ClusterClient
from sympozium_core.contracts.cluster import Object
from sympozium_core.resources.kinds import AGENT_RUN, SYMPOZIUM_INSTANCE
from tests.kubernetes.admission import GUARDED, NODE_ADDRESS, REVIEWED, Webhook, instance, run, served_webhook, tenants


async def timed(count: int, at_once: int, call: Callable[[], Awaitable[object]]) -> list[float]:
    """Milliseconds of each call."""
    taken: list[float] = []

    async def work() -> None:
        for _ in range(count // at_once):
            begun = time.perf_counter()
            await call()
            taken.append((time.perf_counter() - begun) * 1000)

    await asyncio.gather(*(work() for _ in range(at_once)))
    return taken


def show(what: str, taken: list[float]) -> None:
    ordered = sorted(taken)
    print(f"{what:<52} p50 {statistics.median(ordered):7.2f}  p99 {ordered[int(len(ordered) * 0.99)]:7.2f} ms")


async def measure(client: ClusterClient, webhook: Webhook, spaces: dict[str, str], count: int) -> None:
    async def create(obj: Object, namespace: str) -> object:
        kind = AGENT_RUN if obj["kind"] == "AgentRun" else SYMPOZIUM_INSTANCE
        return await client.create(kind, {**obj, "metadata": {"generateName": "bench-", "namespace": namespace}}, dry_run=True)

    plain, keyed = instance(), instance(provider={"name": "openai", "model": "m", "apiKeySecret": "key"})
    for at_once in (1, 10):
        for label, obj in (("AgentRun", run()), ("SympoziumInstance", plain), ("SympoziumInstance with a Secret", keyed)):
            for which, namespace in spaces.items():
                await create(obj, namespace)
                taken = await timed(count, at_once, partial(create, obj, namespace))
                show(f"{label}, {which}, {at_once} at once", taken)
    await direct(webhook, spaces["reviewed and guarded"], count)


async def direct(webhook: Webhook, namespace: str, count: int) -> None:
    tls = ssl.create_default_context(cadata=ssl.get_server_certificate((NODE_ADDRESS, webhook.port)))
    tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE
    url = f"https://{NODE_ADDRESS}:{webhook.port}"
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=tls)) as session:

        async def ask(body: bytes) -> None:
            async with session.post(f"{url}/mutate", data=body, headers={"Content-Type": "application/json"}) as answer:
                assert (await answer.json())["response"]["allowed"]

        for size in (10, 100_000):
            body = json.dumps(review(run(task="x" * size), namespace)).encode()
            for at_once in (1, 10):
                show(
                    f"asked directly, task of {size} characters, {at_once} at once",
                    await timed(count, at_once, partial(ask, body)),
                )


def review(obj: Object, namespace: str) -> dict[str, Any]:
    obj = {**obj, "metadata": {"name": "bench", "namespace": namespace}}
    kind = {"group": names.GROUP, "version": names.VERSION}
    request = {
        **{"uid": "1", "operation": "CREATE", "name": "bench", "namespace": namespace, "object": obj},
        **{
            "kind": {**kind, "kind": "AgentRun"},
            "resource": {**kind, "resource": "agentruns"},
            "userInfo": {"username": "bench"},
        },
    }
    return {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}


def main(quick: bool) -> None:
    kubectl, _ = given(__doc__)
    with (
        tempfile.TemporaryDirectory(prefix="bench-") as folder,
        served_webhook(kubectl, Path(folder)) as webhook,
        tenants(kubectl, webhook) as make,
    ):
        spaces = {"no admission": make(), "reviewed and guarded": make(REVIEWED, GUARDED)}
        for tenant in spaces.values():
            tenant("apply", "-f", "-", stdin=json.dumps(instance()))

        async def measured() -> None:
            namespaces = {which: tenant.namespace for which, tenant in spaces.items()}
            async with connected(kubectl) as client:
                await measure(client, webhook, namespaces, 100 if quick else 1000)

        asyncio.run(measured())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the work")
    main(parser.parse_args().quick)
