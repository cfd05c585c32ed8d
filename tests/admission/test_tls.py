"""The served certificate, over real handshakes, with its files exchanged as kubelet does it."""

from __future__ import annotations

import asyncio
import logging
import os
import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509

from sympozium_core.admission.tls import ServedCertificate
from sympozium_core.controllers.certificates.authority import Authority, Pair, advanced, issue
from sympozium_core.errors import Permanent

NAMES = ("localhost", "127.0.0.1")
NOW = datetime.now(UTC)


class Mounted:
    """A directory as kubelet mounts a Secret: the files are links into a folder that is exchanged as a whole."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.versions = 0
        directory.mkdir()
        for name in ("tls.crt", "tls.key"):
            (directory / name).symlink_to(f"..data/{name}")

    def put(self, pair: Pair) -> None:
        self.versions += 1
        folder = self.directory / f"..version{self.versions}"
        folder.mkdir()
        (folder / "tls.crt").write_bytes(pair.certificate)
        (folder / "tls.key").write_bytes(pair.key)
        link = self.directory / "..data_tmp"
        link.symlink_to(folder.name)
        link.rename(self.directory / "..data")


class Server:
    def __init__(self, mounted: Mounted, authority: Authority, port: int) -> None:
        self.mounted, self.authority, self.port = mounted, authority, port

    async def connect(
        self, *, highest: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3, name: str = "localhost"
    ) -> tuple[x509.Certificate, asyncio.StreamWriter]:
        """Verifies as strictly as Python can. The certificate that was shown, and the connection, still open."""
        context = ssl.create_default_context(cadata=self.authority.bundle.decode())
        context.verify_flags |= ssl.VERIFY_X509_STRICT
        context.maximum_version = highest
        _, writer = await asyncio.open_connection("127.0.0.1", self.port, ssl=context, server_hostname=name)
        shown = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        return x509.load_der_x509_certificate(shown), writer

    async def serial(self, highest: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> int:
        certificate, writer = await self.connect(highest=highest)
        writer.close()
        return certificate.serial_number


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    authority = advanced(None, NOW)
    mounted = Mounted(tmp_path / "tls")
    mounted.put(issue(authority, NAMES, NOW))

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            writer.write(line)
        writer.close()

    listener = await asyncio.start_server(echo, "127.0.0.1", 0, ssl=ServedCertificate(mounted.directory).context)
    yield Server(mounted, authority, listener.sockets[0].getsockname()[1])
    listener.close()


@pytest.mark.parametrize("name", NAMES)
async def test_it_is_verified_by_name_and_by_address(server: Server, name: str) -> None:
    _, writer = await server.connect(name=name)
    writer.close()


async def test_new_files_are_served_to_who_comes_next_and_old_connections_stay(server: Server) -> None:
    first, old = await server.connect()
    second = issue(server.authority, NAMES, NOW)
    server.mounted.put(second)
    assert await server.serial() == second.parsed.serial_number != first.serial_number
    old.write(b"still here\n")
    await old.drain()
    assert not old.is_closing()
    old.close()


async def test_files_that_cannot_be_used_change_nothing(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    before = await server.serial()
    good, other = (issue(server.authority, NAMES, NOW) for _ in range(2))
    for broken in (Pair(good.certificate, other.key), Pair(b"nonsense", good.key), Pair(b"", b"")):
        server.mounted.put(broken)
        caplog.clear()
        with caplog.at_level(logging.INFO):
            assert await server.serial() == before
            assert await server.serial() == before
        assert caplog.text.count("cannot be used, the old one stays") == 1
    server.mounted.put(good)
    assert await server.serial() == good.parsed.serial_number


async def test_files_that_are_gone_change_nothing(server: Server) -> None:
    before = await server.serial()
    os.unlink(server.mounted.directory / "..data")
    assert await server.serial() == before


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
@pytest.mark.parametrize(
    ("highest", "accepted"), [(ssl.TLSVersion.TLSv1_1, False), (ssl.TLSVersion.TLSv1_2, True), (ssl.TLSVersion.TLSv1_3, True)]
)
async def test_nothing_below_tls_1_2(server: Server, highest: ssl.TLSVersion, accepted: bool) -> None:
    if accepted:
        await server.serial(highest=highest)
        return
    with pytest.raises(ssl.SSLError):
        await server.serial(highest=highest)


def test_without_a_certificate_it_does_not_begin(tmp_path: Path) -> None:
    with pytest.raises(Permanent, match="cannot be used: No such file"):
        ServedCertificate(tmp_path)
