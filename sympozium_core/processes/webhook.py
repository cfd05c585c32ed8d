"""The webhook on a cluster: reviews every write for the API server, over HTTPS. Stateless; any number of them share the work."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from aiohttp import web

from sympozium_core import names
from sympozium_core.admission.reviewer import Reviewer
from sympozium_core.admission.tls import ServedCertificate
from sympozium_core.admission.webhook import DEADLINE, make_app
from sympozium_core.contracts.cluster import Cluster
from sympozium_core.contracts.sandbox import Sandbox
from sympozium_core.planning.inputs import SandboxFacts
from sympozium_core.processes.api_server import own_api_server
from sympozium_core.processes.health import Begin, serve_health
from sympozium_core.processes.plugins import IN_IMAGES, load_hooks, make_directory
from sympozium_core.processes.rights import AccessReviews
from sympozium_core.processes.sandboxes import facts_of
from sympozium_core.processes.shared_reads import SharedReads
from sympozium_core.processes.skill_archives import SkillArchives
from sympozium_core.registry.drivers import Drivers
from sympozium_core.registry.record import Record
from sympozium_core.settings import WebhookSettings

LEAVE = 3.0
"""Seconds of serving on after being told to stop: until no node sends requests of the Service here any more, a refused connection is a
write that fails."""


async def serve_webhook(settings: WebhookSettings) -> None:
    """Serves until cancelled. Raises SympoziumError when it cannot begin."""
    async with AsyncExitStack() as stack:
        settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        cluster = own_api_server()
        stack.push_async_callback(cluster.close)
        leaving: list[str] = []
        begin = Begin(lambda: leaving)
        await stack.enter_async_context(serve_health(settings.health_port, begin.problems))
        reviewer = cluster_reviewer(cluster, settings)
        await stack.enter_async_context(_served(make_app(reviewer), settings))
        begin.done()
        try:
            await asyncio.Event().wait()
        finally:
            leaving.append("stopping")
            await asyncio.sleep(LEAVE)


def cluster_reviewer(cluster: Cluster, settings: WebhookSettings) -> Reviewer:
    """Raises Permanent when the sandbox driver is not installed: without it nobody knows what a run may ask for."""
    record = Record.in_directory(settings.data_dir)
    drivers: Drivers[Sandbox] = Drivers(names.GROUP_SANDBOXES, Sandbox, record=record)
    facts = facts_of(settings.sandbox, drivers.get(settings.sandbox))

    async def sandbox() -> SandboxFacts:
        return facts

    directory = make_directory(
        SharedReads(cluster), record, sandbox, load_hooks(record), IN_IMAGES, SkillArchives.from_environment()
    )
    controller = f"system:serviceaccount:{settings.namespace}:{names.ACCOUNT_CONTROLLER}"
    return Reviewer(directory, AccessReviews(cluster), control_plane=frozenset((controller,)))


@asynccontextmanager
async def _served(app: web.Application, settings: WebhookSettings) -> AsyncIterator[None]:
    """What is being reviewed when it ends is still answered."""
    certificate = ServedCertificate(settings.certificate_dir)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=DEADLINE)
    await runner.setup()
    try:
        await web.TCPSite(runner, port=settings.port, ssl_context=certificate.context).start()
        yield
    finally:
        await runner.cleanup()
