"""The bus that a credential names, importing only the client that it needs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from sympozium_core.bus.run_user import RunUserBus
from sympozium_core.embedded.bus.remote import RemoteBus
from sympozium_core.embedded.bus.wire import SCHEME
from sympozium_core.errors import Permanent


async def connect(credential: Mapping[str, str]) -> RunUserBus:
    """The bus as the user of the run that the pod is for; returns when that is known.

    `credential` is ``{"address": "unix:///…", "token", "pod"}`` for the embedded bus, and ``{"address": "tls://host:port", "tokenFile",
    "caFile", "pod"}`` for NATS, where files are read again at each connection (``nats://`` without TLS; without `caFile` the system's
    authorities). Raises BusUnavailable, BusDenied, and Permanent for a credential of another form.
    """
    address, pod = str(credential.get("address", "")), str(credential.get("pod", ""))
    if address.startswith(f"{SCHEME}/"):
        return await RemoteBus.connect(address, str(credential.get("token", "")), pod)
    if address.startswith(("nats://", "tls://")):
        from sympozium_core.bus.run_bus import RunBus  # 0.2 s of CPU, which a local pod does not pay

        token_file, ca_file = str(credential.get("tokenFile", "")), str(credential.get("caFile", ""))
        if not token_file:
            raise Permanent("the credential for NATS names no tokenFile", hint="the sandbox driver names it")
        return await RunBus.connect(address, pod=pod, token_file=Path(token_file), ca_file=Path(ca_file) if ca_file else None)
    scheme = address.partition("://")[0][:20]
    raise Permanent(f"a bus address begins with unix:///, nats:// or tls://, not with {scheme!r}")
