"""The certificate of the webhook, read again when its files change: kubelet exchanges them in place when the Secret was rotated."""

from __future__ import annotations

import logging
import os
import ssl
from pathlib import Path

from sympozium_core.errors import Permanent

CERTIFICATE, KEY = "tls.crt", "tls.key"

log = logging.getLogger(__name__)


class ServedCertificate:
    """Looks at the files at each handshake, which are few: an API server keeps its connections.

    Files that cannot be used leave the certificate that was good until then in place.
    """

    def __init__(self, directory: Path) -> None:
        """Raises Permanent when there is no certificate to begin with."""
        self._directory = directory
        self._seen = self._stamp()
        try:
            self._current = self._load()
        except (OSError, ssl.SSLError) as error:
            raise Permanent(
                f"the certificate in {directory} cannot be used: {_words(error)}",
                hint=f"it needs {CERTIFICATE} and {KEY}, which belong together",
            ) from None
        self.context = _context()
        self.context.sni_callback = self._choose

    def _choose(self, connection: ssl.SSLObject, name: str | None, context: ssl.SSLContext) -> None:
        """Called in every handshake, also in one that names no server."""
        stamp = self._stamp()
        if stamp != self._seen:
            self._seen = stamp
            try:
                self._current = self._load()
                log.info("the certificate was exchanged")
            except (OSError, ssl.SSLError) as error:
                log.warning("the new certificate cannot be used, the old one stays: %s", _words(error))
        connection.context = self._current

    def _load(self) -> ssl.SSLContext:
        """Both files from the same folder, also while kubelet is about to point the directory to another one."""
        folder = (self._directory / CERTIFICATE).resolve().parent
        context = _context()
        context.load_cert_chain(folder / CERTIFICATE, folder / KEY)
        return context

    def _stamp(self) -> tuple[object, ...]:
        """What is different when the files are; resolution of the clock of a file system is fine enough, kubelet makes new files."""
        found: list[object] = []
        for name in (CERTIFICATE, KEY):
            try:
                stat = os.stat(self._directory / name)
            except OSError as error:
                found.append(error.errno)
            else:
                found += [stat.st_dev, stat.st_ino, stat.st_mtime_ns, stat.st_size]
        return tuple(found)


def _context() -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _words(error: OSError | ssl.SSLError) -> str:
    """Without the path of the key, let alone its content."""
    return str(getattr(error, "reason", None) or error.strerror or type(error).__name__)
