"""``/healthz`` and ``/readyz`` of a process on a cluster, for the kubelet's own HTTP probes: no process is started to ask."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

from aiohttp import web

Problems = Callable[[], Sequence[str]]


class Begin:
    """Not ready until what has to be there at first is there; from then on as `later` says."""

    def __init__(self, later: Problems) -> None:
        self._later = later
        self._done = False

    def done(self) -> None:
        self._done = True

    def problems(self) -> Sequence[str]:
        return [*([] if self._done else ["still starting"]), *self._later()]


@asynccontextmanager
async def serve_health(port: int, problems: Problems) -> AsyncIterator[int]:
    """Alive as long as the event loop turns; ready while `problems` has none to tell. Yields the port, which 0 chooses."""

    async def healthz(request: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def readyz(request: web.Request) -> web.Response:
        found = problems()
        return web.Response(status=503 if found else 200, text="\n".join(found or ["ok"]) + "\n")

    app = web.Application()
    app.add_routes([web.get("/healthz", healthz), web.get("/readyz", readyz)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, port=port).start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()
