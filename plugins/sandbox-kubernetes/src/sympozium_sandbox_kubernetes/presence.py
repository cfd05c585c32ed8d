"""Whether this process runs in a cluster whose API server answers. Cheap where there is none: one look at the environment."""

from __future__ import annotations

import asyncio
import json
import os
import ssl
from collections.abc import Mapping
from pathlib import Path

from sympozium_core.contracts.sandbox import Availability
from sympozium_core.errors import Permanent
from sympozium_sandbox_kubernetes.settings import Settings
from sympozium_sandbox_kubernetes.volumes import ACCOUNT

HOST, PORT = "KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT"
_PATIENCE = 0.8
_LONGEST_ANSWER = 64 * 1024


async def look(environment: Mapping[str, str] = os.environ, *, account: Path = Path(ACCOUNT)) -> Availability:
    """`account`: where a pod finds what it needs to trust its API server."""
    host = environment.get(HOST, "")
    if not host:
        return Availability(
            False, "this process runs in no cluster; `sympozium install` brings Sympozium to the one of your kubeconfig"
        )
    try:
        Settings.from_environment(environment)
    except Permanent as error:
        return Availability(False, str(error))
    port = environment.get(PORT) or "443"
    place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    try:
        async with asyncio.timeout(_PATIENCE):
            version = await _version(host, int(port), account / "ca.crt")
    except (OSError, TimeoutError, ValueError) as error:
        why = "it does not answer in time" if isinstance(error, TimeoutError) else str(error)
        return Availability(False, f"the API server at {place} cannot be asked: {' '.join(why.split())}")
    return Availability(True, f"Kubernetes {version} at {place}; each run is a Job, its isolation that of the cluster's pods")


async def _version(host: str, port: int, authority: Path) -> str:
    """Needs no rights. Raises OSError (also of TLS), and ValueError for what is no HTTP."""
    context = await asyncio.to_thread(ssl.create_default_context, cafile=str(authority))
    reader, writer = await asyncio.open_connection(host, port, ssl=context)
    try:
        name = f"[{host}]" if ":" in host else host
        writer.write(f"GET /version HTTP/1.1\r\nHost: {name}:{port}\r\nConnection: close\r\n\r\n".encode())
        answer = await reader.read(_LONGEST_ANSWER)
        while chunk := await reader.read(_LONGEST_ANSWER - len(answer)):
            answer += chunk
    finally:
        writer.close()
    head, _, body = answer.partition(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1."):
        raise ValueError("it does not speak HTTP")
    try:
        found = json.loads(body[body.index(b"{") : body.rindex(b"}") + 1])
    except ValueError:
        found = {}
    return str(found.get("gitVersion") or "of an unknown version")[:40]
