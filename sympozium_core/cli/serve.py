"""``sympozium serve``: the control plane in the foreground, until told to stop."""

from __future__ import annotations

import argparse
import logging
import signal
import sys
from dataclasses import replace

from sympozium_core.cli.target import add_data_dir, run_async, settings_of


def configure(parser: argparse.ArgumentParser) -> None:
    add_data_dir(parser)
    parser.add_argument(
        "--sandbox", default="", metavar="NAME", help="sandbox for every run (default: the one that isolates most)"
    )
    parser.add_argument(
        "--max-concurrent-runs", type=_positive, default=20, metavar="N", help="more runs wait in Queued (default: 20)"
    )
    parser.add_argument(
        "--max-run-history", type=_positive, default=50, metavar="N", help="finished runs kept per instance (default: 50)"
    )
    parser.add_argument(
        "--warm-pods", type=_number, default=0, metavar="N", help="started pods kept waiting for the next run (default: 0)"
    )
    parser.add_argument("-v", "--verbose", action="store_true", help="log what is going on")


def _number(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 6:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number, such as 4")
    return int(text)


def _positive(text: str) -> int:
    if _number(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not above 0")
    return int(text)


def run(arguments: argparse.Namespace) -> int:
    level = logging.INFO if arguments.verbose else logging.WARNING
    logging.basicConfig(level=level, format="%(asctime)s %(levelname)-7s %(name)s: %(message)s", stream=sys.stderr)
    return run_async(lambda: _serve(arguments))


async def _serve(arguments: argparse.Namespace) -> int:
    import asyncio

    from sympozium_core.processes.embedded import serve_embedded
    from sympozium_core.processes.garbage import collect_seldom
    from sympozium_core.settings import ControllerSettings

    settings = replace(
        settings_of(arguments),
        sandbox=arguments.sandbox,
        controller=ControllerSettings(
            max_concurrent_runs=arguments.max_concurrent_runs,
            max_run_history=arguments.max_run_history,
            warm_pods=arguments.warm_pods,
        ),
    )
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with serve_embedded(settings, controllers=True) as server:
        print(f"serving {settings.data_dir}", flush=True)
        print(server.sandbox.why, flush=True)
        collect_seldom()
        await stop.wait()
        print("stopping", flush=True)
    return 0
