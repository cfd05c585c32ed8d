"""TLS as Kubernetes does it: the authorities that it trusts, certificates that come as text."""

from __future__ import annotations

import ssl
import tempfile
from pathlib import Path

from sympozium_core.errors import Permanent


def trusting(authority: str | None) -> ssl.SSLContext:
    """Trusts what `authority` (PEM) signed, or the system's authorities for None. Raises Permanent for what is no PEM."""
    try:
        context = ssl.create_default_context(cadata=authority)
    except (ssl.SSLError, ValueError) as error:
        raise Permanent(
            "the certificate authority of the API server is no certificate in PEM", hint="it begins with -----BEGIN CERTIFICATE"
        ) from error
    # Authorities of Kubernetes installers often lack extensions that newer Pythons demand and that no other client asks for.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context


def trusting_anyone() -> ssl.SSLContext:
    """Whoever answers is taken for the API server: only where the user said so."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def show_certificate(context: ssl.SSLContext, certificate: str, key: str, whose: str) -> None:
    """Makes `context` present a client certificate (both PEM). Raises Permanent, without a word of the key."""
    with tempfile.TemporaryDirectory(prefix="sympozium-") as folder:  # the ssl module takes files only
        paths = [Path(folder, name) for name in ("certificate", "key")]
        for path, text in zip(paths, (certificate, key), strict=True):
            path.touch(mode=0o600)
            path.write_text(text, encoding="ascii")
        try:
            context.load_cert_chain(paths[0], paths[1], password=_no_password)
        except (ssl.SSLError, ValueError) as error:
            reason = getattr(error, "reason", None) or "not a certificate and its key in PEM"
            raise Permanent(f"the client certificate of {whose} cannot be used: {reason}") from error


def _no_password() -> str:
    """OpenSSL would ask at the terminal."""
    raise ValueError("the key has a password")
