"""Whether the webhook is asked, and trusted."""

from __future__ import annotations

import base64

from sympozium_core import names
from sympozium_core.contracts.builtin_kinds import MUTATING_WEBHOOK, SECRET, VALIDATING_WEBHOOK
from sympozium_core.contracts.cluster import NotFound
from sympozium_core.installer import webhook
from sympozium_core.installer.doctor.findings import Finding, Subject, fail, passed

_LOOK = (
    "kubectl logs -n sympozium-system deployment/sympozium-controller tells why it does not mend that; it does when it leads"
)


async def answers(subject: Subject) -> list[Finding]:
    fault = await webhook.webhook_fault(subject.cluster)
    if fault:
        return fail(
            "the API server does not reach the webhook: nobody can create a run",
            f"is a pod of Service {names.SERVICE_WEBHOOK} ready, and may the API server reach port 9443 of it (firewall between control plane and nodes)?",
            fault[:600],
        )
    return passed("the API server asks the webhook, and it answers")


async def trusted(subject: Subject) -> list[Finding]:
    """The authority in the webhook configurations must be the one that has signed for the webhook."""
    try:
        secret = await subject.cluster.get(SECRET, subject.namespace, names.SECRET_WEBHOOK_TLS)
    except NotFound:
        return fail(
            f"Secret {names.SECRET_WEBHOOK_TLS} is not there: the webhook has no certificate", "sympozium install makes it"
        )
    bundle = _decoded((secret.get("data") or {}).get("ca.crt"))
    wrong = []
    for kind in (MUTATING_WEBHOOK, VALIDATING_WEBHOOK):
        try:
            found = await subject.cluster.get(kind, None, names.WEBHOOKS)
        except NotFound:
            wrong.append(f"{kind.kind} {names.WEBHOOKS} is not there")
            continue
        for each in found.get("webhooks") or ():
            trusts = _decoded((each.get("clientConfig") or {}).get("caBundle"))
            if not trusts:
                wrong.append(f"{kind.kind} {each['name']}: caBundle is empty")
            elif not _common(trusts, bundle):
                wrong.append(f"{kind.kind} {each['name']}: caBundle is of another authority")
    if wrong:
        return fail("the API server does not trust the webhook's certificate", _LOOK, *wrong[:4])
    return passed("the API server trusts the webhook's certificate")


def _decoded(text: str | None) -> bytes:
    try:
        return base64.b64decode(text or "", validate=True)
    except ValueError:
        return b""


def _common(one: bytes, other: bytes) -> bool:
    """Whether two PEM bundles share a certificate."""
    return bool(_certificates(one) & _certificates(other))


def _certificates(bundle: bytes) -> set[bytes]:
    parts = bundle.split(b"-----BEGIN CERTIFICATE-----")[1:]
    return {b"".join(part.partition(b"-----END")[0].split()) for part in parts}
