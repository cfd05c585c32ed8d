"""The configuration of the nats-server of an installation, as text.

Two accounts. RUNS has JetStream, the control plane's users and all runs; what each may do is listed here and in `authorization`. SYS is the
system account: its one user answers the auth callout and ends connections, and may do nothing else. Control-plane users prove themselves
with nkeys: the configuration holds public keys alone, so that it is no secret. Everybody else is asked about by callout.

The callout's requests are not encrypted once more (``xkey``): they go over TLS to that one user, and NaCl's box is not in `cryptography`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

from sympozium_core.bus.limits import MAX_ARTIFACT_BYTES, MAX_STREAM_BYTES
from sympozium_core.bus.nkeys import Kind, is_public
from sympozium_core.bus.users import (
    GATEWAY_MAY_PUBLISH,
    GATEWAY_MAY_SUBSCRIBE,
    RUNS,
    SYSTEM,
    SYSTEM_MAY_PUBLISH,
    SYSTEM_MAY_SUBSCRIBE,
)
from sympozium_core.contracts.bus import FRAME_BYTES
from sympozium_core.errors import Cause, Refused

CALLOUT_TIMEOUT = 1.8
"""Seconds for which a server waits for the answer of the callout. After two it pings the client, which nats-py 2.16 does not expect before
it is let in: it would be neither in nor refused."""
MAX_SUBSCRIPTIONS = 16_384
"""Of one connection."""
_PATH = re.compile(r"/[A-Za-z0-9_./-]{1,255}")
_NAME = re.compile(r"[A-Za-z0-9_-]{1,63}")
_ADDRESS = re.compile(r"[0-9A-Fa-f.:]{1,45}")


@dataclass(frozen=True)
class Keys:
    """Public nkeys. Their seeds are in a Secret."""

    issuer: str
    """Of the account key that signs the users of runs."""
    system: str
    """Of the user that answers the callout."""
    controller: str
    gateway: str


@dataclass(frozen=True)
class Tls:
    certificate: str
    key: str
    """Paths in the server's file system."""


@dataclass(frozen=True)
class ServerConfig:
    keys: Keys
    tls: Tls | None
    """None only where nothing leaves the machine."""
    server_name: str = "sympozium-nats"
    host: str = "0.0.0.0"
    port: int = 4222
    store_dir: str = "/data"
    max_store_bytes: int = MAX_STREAM_BYTES + MAX_ARTIFACT_BYTES + 1024**3
    """On the volume; the stream and the bucket reserve theirs."""
    max_payload: int = 1024**2
    sync_always: bool = False
    """Flush each message to the disk before it is acknowledged: nothing is lost with the node, at about half the rate. Without, every two
    minutes, and what was acknowledged survives the end of any process, but not of the node."""
    ping_seconds: int = 20
    monitor_host: str = "0.0.0.0"
    monitor_port: int = 8222
    """``/healthz`` for the kubelet's probes; 0 for none. It tells who is connected: a NetworkPolicy keeps others away."""
    ports_dir: str = ""
    """Where the server writes down which ports it took; for port -1, any free one."""


def render(config: ServerConfig) -> str:
    """Raises Refused with every value that is wrong."""
    if causes := _causes(config):
        raise Refused(causes)
    keys = config.keys
    lines = [
        f"server_name: {_quoted(config.server_name)}",
        f"host: {_quoted(config.host)}",
        f"port: {config.port}",
        *([f"http: {_quoted(f'{config.monitor_host}:{config.monitor_port}')}"] if config.monitor_port else []),
        *([f"ports_file_dir: {_quoted(config.ports_dir)}"] if config.ports_dir else []),
        f"max_payload: {config.max_payload}",
        "max_control_line: 8192",
        f"max_subscriptions: {MAX_SUBSCRIPTIONS}",
        f'ping_interval: "{config.ping_seconds}s"',
        *_jetstream(config),
        *_tls(config.tls),
        *_accounts(keys),
        f"system_account: {SYSTEM}",
        *_callout(keys),
    ]
    return "\n".join([*lines, ""])


def _jetstream(config: ServerConfig) -> list[str]:
    return [
        "jetstream {",
        f"  store_dir: {_quoted(config.store_dir)}",
        f"  max_file_store: {config.max_store_bytes}",
        "  max_memory_store: 268435456",
        *(["  sync_interval: always"] if config.sync_always else []),
        "}",
    ]


def _tls(tls: Tls | None) -> list[str]:
    if tls is None:
        return []
    return [
        "tls {",
        f"  cert_file: {_quoted(tls.certificate)}",
        f"  key_file: {_quoted(tls.key)}",
        "  timeout: 5",
        "}",
    ]


def _accounts(keys: Keys) -> list[str]:
    return [
        "accounts {",
        f"  {RUNS} {{",
        "    jetstream: enabled",
        "    users: [",
        f"      {{ nkey: {_quoted(keys.controller)} }}",
        *_user(keys.gateway, GATEWAY_MAY_PUBLISH, GATEWAY_MAY_SUBSCRIBE),
        "    ]",
        "  }",
        f"  {SYSTEM} {{",
        "    users: [",
        *_user(keys.system, SYSTEM_MAY_PUBLISH, SYSTEM_MAY_SUBSCRIBE, responses=True),
        "    ]",
        "  }",
        "}",
    ]


def _user(key: str, publish: Sequence[str], subscribe: Sequence[str], *, responses: bool = False) -> list[str]:
    return [
        f"      {{ nkey: {_quoted(key)}, permissions: {{",
        f"        publish: {json.dumps(publish)}",
        f"        subscribe: {json.dumps(subscribe)}",
        *(['        allow_responses: { max: 1, expires: "30s" }'] if responses else []),
        "      } }",
    ]


def _callout(keys: Keys) -> list[str]:
    """Who is listed is not asked about."""
    return [
        "authorization {",
        f"  timeout: {CALLOUT_TIMEOUT}",
        "  auth_callout {",
        f"    issuer: {_quoted(keys.issuer)}",
        f"    account: {SYSTEM}",
        f"    auth_users: {json.dumps([keys.system, keys.controller, keys.gateway])}",
        "  }",
        "}",
    ]


def _quoted(text: str) -> str:
    return json.dumps(text)


def _causes(config: ServerConfig) -> list[Cause]:
    causes = []

    def check(sound: bool, field: str, value: object, hint: str) -> None:
        if not sound:
            causes.append(Cause(field, f"{str(value)[:100]!r} is not allowed", hint))

    keys = config.keys
    check(
        is_public(keys.issuer, Kind.ACCOUNT), "keys.issuer", keys.issuer, "the public nkey of an account, which begins with A"
    )
    for name in ("system", "controller", "gateway"):
        key = getattr(keys, name)
        check(is_public(key, Kind.USER), f"keys.{name}", key, "the public nkey of a user, which begins with U")
    check(len({keys.system, keys.controller, keys.gateway}) == 3, "keys", "one key for two users", "each has its own")
    paths = {"store_dir": config.store_dir, "ports_dir": config.ports_dir or "/"}
    if config.tls is not None:
        paths |= {"tls.certificate": config.tls.certificate, "tls.key": config.tls.key}
    for field, path in paths.items():
        check(bool(_PATH.fullmatch(path)) or path == "/", field, path, "an absolute path of letters, digits, _ . - and /")
    check(bool(_NAME.fullmatch(config.server_name)), "server_name", config.server_name, "letters, digits, _ and -")
    for field in ("host", "monitor_host"):
        check(bool(_ADDRESS.fullmatch(getattr(config, field))), field, getattr(config, field), "an IP address")
    any_port = bool(config.ports_dir)
    for field, port, none in (("port", config.port, -1), ("monitor_port", config.monitor_port, 0)):
        allowed = 0 < port < 65536 or (port == none and (field == "monitor_port" or any_port))
        check(allowed, field, port, "1 to 65535")
    least = FRAME_BYTES + 32 * 1024
    check(least <= config.max_payload <= 8 * 1024**2, "max_payload", config.max_payload, f"{least} to {8 * 1024**2} bytes")
    check(config.max_store_bytes >= 64 * 1024**2, "max_store_bytes", config.max_store_bytes, "64 MiB or more")
    check(1 <= config.ping_seconds <= 600, "ping_seconds", config.ping_seconds, "1 to 600")
    return causes
