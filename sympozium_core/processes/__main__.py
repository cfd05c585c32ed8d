"""``python -m sympozium_core.processes controller|gateway|webhook|bootstrap``: one process of a control plane on a cluster.

Everything it needs is in its environment (`sympozium_core.settings`). It ends in good order on SIGTERM, with 0; with 1 when it cannot go on.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping

from sympozium_core.errors import SympoziumError
from sympozium_core.processes.garbage import collect_seldom

Serve = Callable[[], Awaitable[None]]
log = logging.getLogger("sympozium")


def _controller() -> Serve:
    from sympozium_core.processes.controller import serve_controller
    from sympozium_core.settings import ControllerProcessSettings

    settings = ControllerProcessSettings.from_environment()
    return lambda: serve_controller(settings)


def _gateway() -> Serve:
    from sympozium_core.processes.gateway import serve_gateway
    from sympozium_core.settings import GatewaySettings

    settings = GatewaySettings.from_environment()
    return lambda: serve_gateway(settings)


def _webhook() -> Serve:
    from sympozium_core.processes.webhook import serve_webhook
    from sympozium_core.settings import WebhookSettings

    settings = WebhookSettings.from_environment()
    return lambda: serve_webhook(settings)


def _bootstrap() -> Serve:
    from sympozium_core.processes.bootstrap import make_first
    from sympozium_core.settings import BootstrapSettings

    settings = BootstrapSettings.from_environment()
    return lambda: make_first(settings)


PROCESSES: Mapping[str, Callable[[], Serve]] = {
    "controller": _controller,
    "gateway": _gateway,
    "webhook": _webhook,
    "bootstrap": _bootstrap,
}


async def _until_told(serve: Serve) -> None:
    """Each of these serves until it is cancelled, but for bootstrap, which ends by itself."""
    collect_seldom()
    work = asyncio.ensure_future(serve())
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, work.cancel)
    try:
        await work
    except asyncio.CancelledError:
        log.info("stopped")


def main(arguments: list[str]) -> int:
    if len(arguments) != 1 or arguments[0] not in PROCESSES:
        print(f"usage: python -m sympozium_core.processes {'|'.join(PROCESSES)}", file=sys.stderr)
        return 2
    level = logging.DEBUG if os.environ.get("SYMPOZIUM_DEBUG") else logging.INFO
    logging.basicConfig(stream=sys.stderr, level=level, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    try:
        asyncio.run(_until_told(PROCESSES[arguments[0]]()))
    except SympoziumError as error:
        log.error("%s; this process ends with status 1, to be started again", error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
