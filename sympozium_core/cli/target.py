"""Where a command's requests go: to a cluster, to the server that holds the data directory, or to one that lives as long as the command."""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from sympozium_core import names
from sympozium_core.settings import EmbeddedSettings, default_context

if TYPE_CHECKING:
    from sympozium_core.cluster.client import ClusterClient
    from sympozium_core.contracts.cluster import Cluster
    from sympozium_core.embedded.lock import DataDir

SOCKET_SECONDS = 15.0
"""How long a server that has just taken the data directory may need until it can be spoken to."""


class Journal(Protocol):
    def __call__(self, namespace: str, name: str, *, follow: bool, after: int = 0) -> AsyncIterator[Mapping[str, Any]]:
        """``{"sequence", "source", "entry"}`` of a run, oldest first. Raises ApiError."""


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
    cluster: Cluster
    namespace: str
    """The one that was asked for, else the usual one of the place."""
    embedded: bool
    """On this machine: its server has the journals of runs."""
    served: bool
    """A server was running already: what is created goes on after the command."""
    adopt: Callable[[str], None]
    """Carries out a run that was there before, where this command itself is the server."""
    journal: Journal


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
    """Connects to the cluster; or to whoever serves the data directory; without anybody, opens it for the length of the command, and others may
    speak to the command.

    With `controllers`, such a short-lived holder carries out the runs that are created while it lives, and those that the command adopts;
    without, it is just the store and its API. Raises Permanent for a kubeconfig that is none.
    """
    async with AsyncExitStack() as stack:
        if isinstance(place, OnCluster):
            client = await stack.enter_async_context(connected(place))
            namespace = place.namespace or client.namespace
            yield Target(client, namespace, embedded=False, served=True, adopt=_served_anyway, journal=_journal_of(client))
            return
        directory = await _claimed(place.settings)
        if directory is not None:
            from sympozium_core.processes.embedded import serve_embedded

            holding = serve_embedded(place.settings, controllers=controllers, brief=directory)
            server = await stack.enter_async_context(holding)
            cluster, journal = server.as_myself(_warn), server.journals.read
            yield Target(cluster, place.namespace, embedded=True, served=False, adopt=server.adopt, journal=journal)
            return
        from sympozium_core.cluster.client import ClusterClient

        client = ClusterClient.over_socket(place.settings.api_socket, warn=_warn)
        stack.push_async_callback(client.close)
        yield Target(client, place.namespace, embedded=True, served=True, adopt=_served_anyway, journal=_journal_of(client))


@asynccontextmanager
async def connected(place: OnCluster) -> AsyncIterator[ClusterClient]:
    """Raises Permanent for a kubeconfig that is none."""
    from sympozium_core.cluster.client import ClusterClient

    client = ClusterClient.from_kubeconfig(place.kubeconfig, place.context, warn=_warn, strict=True)
    try:
        yield client
    finally:
        await client.close()


async def _claimed(settings: EmbeddedSettings) -> DataDir | None:
    """The data directory, held; None where somebody else holds it and can be spoken to. A server opens its socket when it is ready, and a command
    that is over soon never does. Raises DataDirBusy where neither comes."""
    from sympozium_core.embedded.lock import DataDir, DataDirBusy

    directory, give_up = DataDir(settings.data_dir), time.monotonic() + SOCKET_SECONDS
    while True:
        try:
            return directory.acquire(timeout=0)
        except DataDirBusy:
            if directory.socket.is_socket():
                return None
            if time.monotonic() > give_up:
                raise
        await asyncio.sleep(0.02)


def _journal_of(client: ClusterClient) -> Journal:
    async def journal(namespace: str, name: str, *, follow: bool, after: int = 0) -> AsyncIterator[Mapping[str, Any]]:
        path = f"/apis/{names.API_VERSION}/namespaces/{namespace}/agentruns/{name}/journal"
        lines = client.stream_lines(path, {"follow": "true" if follow else "false", "after": str(after)})
        async with aclosing(lines) as found:
            async for line in found:
                yield json.loads(line)

    return journal


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
