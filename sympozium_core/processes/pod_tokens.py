"""The bus credential of a pod: a keyed hash of its id, so that nothing need be stored and a restarted server knows it again."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import os
from pathlib import Path

from sympozium_core.controllers.agentrun.context import INDEX_POD
from sympozium_core.controllers.agentrun.status import is_current_pod
from sympozium_core.reconcile.informer import Informer

KEY_FILE = "pods.key"


class PodTokens:
    def __init__(self, key: bytes, runs: Informer) -> None:
        self._key, self._runs = key, runs

    def token(self, pod: str) -> str:
        """What the sandbox driver hands to the pod's bridge, and to nobody else."""
        return hmac.new(self._key, pod.encode(), hashlib.sha256).hexdigest()

    async def authenticate(self, token: str, pod: str) -> str | None:
        """The UID of the run whose current pod this is; waits while the pod has no run. None for a wrong token or a run that is over."""
        if not hmac.compare_digest(token, self.token(pod)):
            return None
        changed = asyncio.Event()
        forget = self._runs.on_change(lambda old, new: changed.set())
        try:
            while True:
                changed.clear()
                run = next(iter(self._runs.cache.by_index(INDEX_POD, pod)), None)
                if run is not None:
                    return str(run["metadata"]["uid"]) if is_current_pod(run, pod) else None
                await changed.wait()
        finally:
            forget()


def load_key(data_dir: Path) -> bytes:
    """The server's own key, made at the first start; a file of mode 0600."""
    path = data_dir / KEY_FILE
    try:
        return path.read_bytes()
    except FileNotFoundError:
        key = os.urandom(32)
        unfinished = path.with_suffix(".tmp")
        with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(key)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
        return key
