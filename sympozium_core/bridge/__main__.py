"""``python -m sympozium_core.bridge``: everything it needs is in its environment and in the credential file.

Exit codes: 0 the result is safe; 1 failed; 3 fenced, another pod has the run or the run is over; 4 this pod's bridge was started twice;
5 the agent gave no result in time.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from sympozium_core import names
from sympozium_core.bridge.bridge import Pod, VolumeUsed, carry_run
from sympozium_core.bridge.stopping import Stopping
from sympozium_core.bridge.tightening import RunOver
from sympozium_core.bus.run_user import RunUserBus
from sympozium_core.contracts.bus import BusDenied, BusUnavailable, Fenced
from sympozium_core.embedded.bus.connect import connect
from sympozium_core.errors import Permanent, SympoziumError
from sympozium_core.ipc.documents import parse_object

DONE, FAILED, FENCED, USED, NO_RESULT = 0, 1, 3, 4, 5
CONNECT_SECONDS = 60.0
"""How long the bus may be away when a pod starts."""

logger = logging.getLogger("sympozium.bridge")


async def main(environment: Mapping[str, str]) -> int:
    stopping = Stopping()
    work = asyncio.ensure_future(_carry(environment, stopping))
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, _stop, stopping, work, "the pod is being stopped")
    loop.add_signal_handler(signal.SIGINT, _stop, stopping, work, "interrupted")
    try:
        return DONE if await work else NO_RESULT
    except asyncio.CancelledError:
        return NO_RESULT
    except Exception as error:
        return _exit_code(error)


def _stop(stopping: Stopping, work: asyncio.Future[bool], because: str) -> None:
    """Before the agent has a task there is nobody to wait for."""
    if stopping.agent_started:
        stopping.ask(because, run_ends=False)
    else:
        work.cancel()


async def _carry(environment: Mapping[str, str], stopping: Stopping) -> bool:
    credential = _credential(environment)
    pod = Pod(
        id=credential.get("pod", ""),
        volumes=Path(_needed(environment, names.ENV_VOLUMES)),
        model_listen=environment.get(names.ENV_MODEL_LISTEN, "unix"),
        skills=_folder(environment, names.ENV_SKILLS),
        credentials=_folder(environment, names.ENV_CREDENTIALS),
    )
    bus = await _connected(credential)
    try:
        return await carry_run(bus, bus.run_uid, pod, stopping)
    finally:
        await bus.close()


def _credential(environment: Mapping[str, str]) -> dict[str, str]:
    """On one machine a file that holds it; on a cluster the address, and files that the kubelet renews."""
    if path := environment.get(names.ENV_BUS_CREDENTIAL, ""):
        try:
            told = parse_object(Path(path).read_bytes(), Path(path).name)
        except OSError as error:
            raise Permanent(f"the credential for the bus cannot be read: {error.strerror}") from error
        return {name: str(value) for name, value in told.items()}
    return {
        "address": _needed(environment, names.ENV_BUS_ADDRESS),
        "tokenFile": _needed(environment, names.ENV_BUS_TOKEN_FILE),
        "caFile": environment.get(names.ENV_BUS_CA_FILE, ""),
        "pod": _needed(environment, names.ENV_POD),
    }


async def _connected(credential: Mapping[str, str]) -> RunUserBus:
    give_up = time.monotonic() + CONNECT_SECONDS
    pause = 0.02
    while True:
        try:
            return await connect(credential)
        except BusUnavailable as error:
            if time.monotonic() + pause > give_up:
                raise
            logger.info("%s; tried again", error.message)
            await asyncio.sleep(pause)
            pause = min(2 * pause, 1.0)


def _needed(environment: Mapping[str, str], name: str) -> str:
    value = environment.get(name, "")
    if not value:
        raise Permanent(f"{name} is not set", hint="the sandbox driver sets it; a bridge is not started by hand")
    return value


def _folder(environment: Mapping[str, str], name: str) -> Path | None:
    return Path(environment[name]) if environment.get(name) else None


def _exit_code(error: BaseException) -> int:
    """Of several errors at once the one that says most: that this pod is not the run's any more."""
    errors = _flat(error)
    for known in errors:
        if isinstance(known, SympoziumError):
            logger.error("%s: %s", type(known).__name__, known)
        else:
            logger.error("the bridge failed", exc_info=known)
    for kind, code in ((Fenced, FENCED), (RunOver, FENCED), (BusDenied, FENCED), (VolumeUsed, USED)):
        if any(isinstance(known, kind) for known in errors):
            return code
    return FAILED


def _flat(error: BaseException) -> list[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        return [leaf for inner in error.exceptions for leaf in _flat(inner)]
    return [error]


if __name__ == "__main__":
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(levelname)s %(message)s")
    sys.exit(asyncio.run(main(os.environ)))
