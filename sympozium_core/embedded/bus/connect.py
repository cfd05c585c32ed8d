"""The bus that a credential names, importing only the client that it needs."""

from __future__ import annotations

from collections.abc import Mapping

from sympozium_core.contracts.bus import Bus
from sympozium_core.embedded.bus.remote import RemoteBus
from sympozium_core.embedded.bus.wire import SCHEME
from sympozium_core.errors import Permanent


async def connect(credential: Mapping[str, str]) -> Bus:
    """`credential` is ``{"address", "token", "pod"}``; the address begins with ``unix://`` (embedded) or ``nats://``, ``tls://``.

    Raises BusUnavailable, BusDenied, and Permanent for an address of another form.
    """
    address, token = str(credential.get("address", "")), str(credential.get("token", ""))
    if address.startswith(f"{SCHEME}/"):
        return await RemoteBus.connect(address, token, str(credential.get("pod", "")))
    if address.startswith(("nats://", "tls://")):
        from sympozium_core.bus.jetstream import JetStreamBus  # 0.35 s of CPU, which a local pod does not pay

        return await JetStreamBus.connect(address, token=token, ensure_stream=False)
    scheme = address.partition("://")[0][:20]
    raise Permanent(f"a bus address begins with unix:///, nats:// or tls://, not with {scheme!r}")
