"""Where a command's requests go: to a cluster, to the server that holds the data directory, or to one that lives as long as the command."""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sympozium_core import names
from sympozium_core.settings import EmbeddedSettings, default_context

if TYPE_CHECKING:
    from sympozium_core.cluster.client import ClusterClient


@dataclass(frozen=True)
class Embedded:
    """The control plane on this machine."""

    settings: EmbeddedSettings
    namespace: str = names.DEFAULT_NAMESPACE


@dataclass(frozen=True)
class OnCluster:
    """A cluster, as kubectl would find it."""

    kubeconfig: Path | None
    context: str | None
    namespace: str | None
    """None: that of the context."""


@dataclass(frozen=True)
class Target:
    cluster: ClusterClient
    namespace: str
    """The one that was asked for, else the usual one of the place."""
    embedded: bool
    """On this machine: its server has the journals of runs."""
    served: bool
    """A server was running already: what is created goes on after the command."""
    adopt: Callable[[str], None]
    """Carries out a run that was there before, where this command itself is the server."""

    async def journal(self, namespace: str, name: str, *, follow: bool, after: int = 0) -> AsyncIterator[Mapping[str, Any]]:
        """``{"sequence", "source", "entry"}`` of a run, oldest first. Raises ApiError."""
        path = f"/apis/{names.API_VERSION}/namespaces/{namespace}/agentruns/{name}/journal"
        lines = self.cluster.stream_lines(path, {"follow": "true" if follow else "false", "after": str(after)})
        async with aclosing(lines) as found:
            async for line in found:
                yield json.loads(line)


def add_scope(parser: argparse.ArgumentParser, *, all_namespaces: bool = False) -> None:
    """The options that say which server and which namespace."""
    parser.add_argument("-n", "--namespace", help="namespace (default: default, on a cluster that of the context)")
    if all_namespaces:
        parser.add_argument("-A", "--all-namespaces", action="store_true", help="in all namespaces")
    add_cluster(parser)
    add_data_dir(parser)


def add_cluster(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--context", metavar="NAME", help=f"speak to the cluster of this kubeconfig context (default: ${names.ENV_CONTEXT})"
    )
    parser.add_argument(
        "--kubeconfig", type=Path, metavar="FILE", help="speak to the cluster of this file (default: as kubectl finds it)"
    )


def add_data_dir(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--data-dir", type=Path, help=f"data directory (default: ${names.ENV_DATA_DIR}, else the user's data folder)"
    )


def settings_of(arguments: argparse.Namespace) -> EmbeddedSettings:
    settings = EmbeddedSettings()
    if arguments.data_dir is not None:
        settings = replace(settings, data_dir=arguments.data_dir.expanduser().absolute())
    return settings


def place_of(arguments: argparse.Namespace) -> Embedded | OnCluster:
    """What the command line says, else the environment. A data directory that is named means this machine. Raises BadRequest."""
    named = arguments.context or arguments.kubeconfig
    if named and arguments.data_dir is not None:
        from sympozium_core.contracts.cluster import BadRequest

        raise BadRequest("--data-dir is of this machine, --context and --kubeconfig are of a cluster", hint="give one of them")
    context = arguments.context or default_context() or None
    if named or (context and arguments.data_dir is None):
        return OnCluster(arguments.kubeconfig, context, arguments.namespace)
    return Embedded(settings_of(arguments), arguments.namespace or names.DEFAULT_NAMESPACE)


def cluster_of(arguments: argparse.Namespace) -> OnCluster:
    """For a command that is about a cluster even where none is named: the one that kubectl would speak to."""
    return OnCluster(arguments.kubeconfig, arguments.context or default_context() or None, names.SYSTEM_NAMESPACE)


def scope_of(arguments: argparse.Namespace, target: Target) -> str | None:
    """None: all namespaces."""
    return None if getattr(arguments, "all_namespaces", False) else target.namespace


@asynccontextmanager
async def reach(place: Embedded | OnCluster, *, controllers: bool = False) -> AsyncIterator[Target]:
    """Connects to the cluster; or to whoever serves the data directory; without anybody, opens and serves it for the length of the command.

    With `controllers`, such a short-lived holder carries out the runs that are created while it lives, and those that the command adopts;
    without, it is just the store and its API. Raises Permanent for a kubeconfig that is none.
    """
    from sympozium_core.cluster.client import ClusterClient

    async with AsyncExitStack() as stack:
        if isinstance(place, OnCluster):
            client = ClusterClient.from_kubeconfig(place.kubeconfig, place.context, warn=_warn, strict=True)
            stack.push_async_callback(client.close)
            yield Target(client, place.namespace or client.namespace, embedded=False, served=True, adopt=_served_anyway)
            return
        from sympozium_core.embedded.lock import DataDir

        settings = place.settings
        adopt: Callable[[str], None] = _served_anyway
        holder = DataDir(settings.data_dir).holder()
        if holder is None:
            from sympozium_core.processes.embedded import serve_embedded

            server = await stack.enter_async_context(serve_embedded(settings, controllers=controllers, only_new=True))
            adopt = server.adopt
        client = ClusterClient.over_socket(settings.api_socket, warn=_warn)
        stack.push_async_callback(client.close)
        yield Target(client, place.namespace, embedded=True, served=holder is not None, adopt=adopt)


def _served_anyway(uid: str) -> None:
    """A server that stays carries out every run."""


def _warn(text: str) -> None:
    print(f"warning: {text}", file=sys.stderr)


def run_async(main: Callable[[], Awaitable[int]]) -> int:
    """Runs a command's coroutine; Ctrl-C, SIGTERM and the end of the terminal cancel it, so that what it holds is given back in order.

    A signal's exit code is the shell's: 128 and its number. (Ctrl-C raises KeyboardInterrupt.)
    """

    async def whole() -> int:
        work = asyncio.ensure_future(main())
        caught: list[int] = []

        def stop(number: int) -> None:
            caught.append(number)
            work.cancel()

        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) is signal.SIG_DFL:  # nohup means it
                loop.add_signal_handler(number, stop, number)
        try:
            return await work
        except asyncio.CancelledError:
            if not caught:
                raise
            return 128 + caught[0]

    return asyncio.run(whole())
