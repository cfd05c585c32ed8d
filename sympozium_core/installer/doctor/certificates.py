"""How long the certificates are still good for."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta

from sympozium_core import names
from sympozium_core.contracts.builtin_kinds import SECRET
from sympozium_core.contracts.cluster import NotFound
from sympozium_core.installer.doctor.findings import Finding, Subject, fail, passed, warn

SOON = timedelta(days=20)
"""Less than the controller leaves before it renews: a certificate with so little time left was forgotten."""
_AT_WORK = "the controller that leads renews certificates: sympozium status, and its log"


async def expiry(subject: Subject) -> list[Finding]:
    wanted = [names.SECRET_AUTHORITY, names.SECRET_WEBHOOK_TLS]
    if subject.options.own_bus:
        wanted.append(names.SECRET_NATS_TLS)
    found = [finding for secret in wanted for finding in await _of(subject, secret)]
    return found or passed("every certificate is good for weeks")


async def _of(subject: Subject, name: str) -> list[Finding]:
    """Nothing where all is well."""
    from cryptography import x509

    try:
        secret = await subject.cluster.get(SECRET, subject.namespace, name)
    except NotFound:
        return fail(f"Secret {name} is not there", "sympozium install makes it")
    try:
        pem = base64.b64decode((secret.get("data") or {})["tls.crt"])
        certificate = x509.load_pem_x509_certificate(pem)
    except (KeyError, ValueError):
        return fail(f"Secret {name} has no certificate", "delete the Secret: the controller makes a new one")
    left = certificate.not_valid_after_utc - datetime.now(UTC)
    if left < timedelta(0):
        return fail(f"the certificate in Secret {name} has expired on {certificate.not_valid_after_utc:%Y-%m-%d}", _AT_WORK)
    if left < SOON:
        return warn(f"the certificate in Secret {name} expires in {left.days} days", _AT_WORK)
    return []
