"""A real Prometheus that watches itself and one metric of the tests' own, a real Loki with lines of the tests' own, and the skill between them and a test."""

from __future__ import annotations

import http.server
import json
import os
import signal
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from sympozium_core.sidecar.interpreter import python_command
from sympozium_core.testing.tool_client import ToolClient
from tests.observability import backends

WITHIN = 60.0
METRICS = """# HELP shop_orders_total Orders that were taken.
# TYPE shop_orders_total counter
shop_orders_total{{shop="north"}} {count}
shop_orders_total{{shop="south"}} 7
# TYPE shop_queue_length gauge
shop_queue_length{{shop="north"}} 42
"""
PROMETHEUS = """
global: {{scrape_interval: 1s, evaluation_interval: 1s}}
rule_files: [{rules}]
scrape_configs:
  - job_name: shop
    static_configs: [{{targets: ["127.0.0.1:{port}"]}}]
"""
RULES = """
groups:
  - name: shop
    rules:
      - alert: QueueIsLong
        expr: shop_queue_length > 40
        labels: {severity: page}
        annotations: {summary: "The queue of {{ $labels.shop }} has {{ $value }} orders."}
"""
LOKI = """
auth_enabled: false
server: {{http_listen_address: 127.0.0.1, http_listen_port: {port}, grpc_listen_address: 127.0.0.1, grpc_listen_port: {grpc}, log_level: error}}
common:
  instance_addr: 127.0.0.1
  path_prefix: {folder}
  replication_factor: 1
  ring: {{instance_addr: 127.0.0.1, kvstore: {{store: inmemory}}}}
  storage: {{filesystem: {{chunks_directory: {folder}/chunks, rules_directory: {folder}/rules}}}}
schema_config:
  configs: [{{from: 2024-01-01, store: tsdb, object_store: filesystem, schema: v13, index: {{prefix: index_, period: 24h}}}}]
analytics: {{reporting_enabled: false}}
limits_config: {{allow_structured_metadata: true, volume_enabled: false}}
"""


class _Shop(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        stock = "".join(f'shop_stock{{item="{number}"}} {number}\n' for number in range(500))
        body = (METRICS.format(count=int(time.monotonic() * 2)) + stock).encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture(scope="session")
def shop() -> Iterator[int]:
    """The port of something to watch."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Shop)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server.server_port
    server.shutdown()
    server.server_close()
    thread.join(10)


@pytest.fixture(scope="session")
def prometheus(shop: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a Prometheus that has watched for some seconds and whose alert fires."""
    folder, port = tmp_path_factory.mktemp("prometheus"), free_port()
    (folder / "rules.yml").write_text(RULES)
    (folder / "prometheus.yml").write_text(PROMETHEUS.format(rules=folder / "rules.yml", port=shop))
    flags = [
        f"--config.file={folder}/prometheus.yml",
        f"--storage.tsdb.path={folder}/data",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    address = f"http://127.0.0.1:{port}"
    with process([str(backends.prometheus()), *flags], folder / "log"):
        until(lambda: answer(f"{address}/api/v1/alerts")["data"]["alerts"], "the alert fires", folder / "log")
        # A rate needs two values.
        counted = f"{address}/api/v1/query?query=count_over_time(shop_queue_length[1m])>3"
        until(lambda: answer(counted.replace(">", "%3E"))["data"]["result"], "it has watched for a while", folder / "log")
        yield address


@pytest.fixture(scope="session")
def loki(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a Loki with the lines of `LINES`."""
    folder, port = tmp_path_factory.mktemp("loki"), free_port()
    (folder / "loki.yaml").write_text(LOKI.format(folder=folder, port=port, grpc=free_port()))
    address = f"http://127.0.0.1:{port}"
    with process([str(backends.loki()), f"-config.file={folder}/loki.yaml", "-target=all"], folder / "log"):
        until(lambda: _push(address), "Loki takes lines", folder / "log")
        labels = f"{address}/loki/api/v1/labels"
        until(lambda: "app" in (answer(labels).get("data") or ()), "Loki knows them", folder / "log")
        yield address


LINES = [
    ("web", 'level=info msg="order taken"'),
    ("web", 'level=error msg="cannot reach the database" attempt=1'),
    ("db", "FATAL: out of memory"),
    ("web", 'level=error msg="cannot reach the database" attempt=2'),
]


def _push(address: str) -> bool:
    now = time.time_ns() - 10 * 10**9
    streams: dict[str, list[list[str]]] = {}
    for number, (app, text) in enumerate(LINES):
        streams.setdefault(app, []).append([str(now + number * 10**9), text])
    body = {"streams": [{"stream": {"app": app, "namespace": "shop"}, "values": values} for app, values in streams.items()]}
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(f"{address}/loki/api/v1/push", json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=5) as reply:
        return bool(reply.status == 204)


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., ToolClient]]:
    made: list[ToolClient] = []

    def serve(**environment: str) -> ToolClient:
        command = python_command("sympozium_skill_sre_observability")
        made.append(ToolClient(tmp_path / str(len(made)), "sre-observability", command, **environment))
        return made[-1]

    yield serve
    for server in made:
        server.close()


@contextmanager
def process(command: list[str], log: Path) -> Iterator[None]:
    with log.open("wb") as out:
        begun = subprocess.Popen(command, stdout=out, stderr=out, cwd=log.parent, env={"PATH": os.environ["PATH"]})
    try:
        yield
    finally:
        begun.send_signal(signal.SIGTERM)
        try:
            begun.wait(20)
        except subprocess.TimeoutExpired:
            begun.kill()
            begun.wait()


def answer(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=5) as reply:
        return json.load(reply)


def until(holds: Callable[[], Any], what: str, log: Path) -> None:
    end = time.monotonic() + WITHIN
    while True:
        try:
            if holds():
                return
        except (OSError, urllib.error.URLError):
            pass
        assert time.monotonic() < end, f"not within {WITHIN:g} s: {what}\n{log.read_text(errors='replace')[-3000:]}"
        time.sleep(0.1)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
