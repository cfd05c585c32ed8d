"""What cert-manager is asked for, where an operator wants it to make the certificates: an authority of our own, and two servers' certificates."""

from __future__ import annotations

from typing import Final

from sympozium_core import names
from sympozium_core.contracts.cluster import Object, ResourceType
from sympozium_core.installation.options import Options
from sympozium_core.installation.parts import make

_GROUP = "cert-manager.io"
CERTIFICATE: Final = ResourceType(_GROUP, "v1", "Certificate", "certificates", singular="certificate")
ISSUER: Final = ResourceType(_GROUP, "v1", "Issuer", "issuers", singular="issuer")
KINDS = (CERTIFICATE, ISSUER)
COMPONENT = "certificates"
_SELF_SIGNED, _AUTHORITY = "sympozium-self-signed", names.SECRET_AUTHORITY
_KEY = {"algorithm": "ECDSA", "size": 256, "rotationPolicy": "Always"}


def certificates(options: Options) -> list[Object]:
    """Nothing unless cert-manager is chosen."""
    if not options.cert_manager:
        return []
    authority = {
        "isCA": True,
        "commonName": "sympozium",
        "secretName": names.SECRET_AUTHORITY,
        "duration": "43800h",
        "privateKey": _KEY,
        "issuerRef": {"name": _SELF_SIGNED, "kind": ISSUER.kind},
    }
    servers = [(names.SECRET_WEBHOOK_TLS, names.SERVICE_WEBHOOK)]
    if options.own_bus:
        servers.append((names.SECRET_NATS_TLS, names.SERVICE_NATS))
    return [
        make(options, ISSUER, _SELF_SIGNED, COMPONENT, {"spec": {"selfSigned": {}}}),
        make(options, CERTIFICATE, names.SECRET_AUTHORITY, COMPONENT, {"spec": authority}),
        make(options, ISSUER, _AUTHORITY, COMPONENT, {"spec": {"ca": {"secretName": names.SECRET_AUTHORITY}}}),
        *(_server(options, secret, service) for secret, service in servers),
    ]


def _server(options: Options, secret: str, service: str) -> Object:
    full = f"{service}.{options.namespace}.svc"
    spec = {
        "secretName": secret,
        "dnsNames": [full, f"{service}.{options.namespace}", service, f"*.{full}"],
        "duration": "2160h",
        "renewBefore": "720h",
        "privateKey": _KEY,
        "usages": ["server auth"],
        "issuerRef": {"name": _AUTHORITY, "kind": ISSUER.kind},
    }
    return make(options, CERTIFICATE, secret, COMPONENT, {"spec": spec})
