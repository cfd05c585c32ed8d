"""A web of a test's own: servers on addresses of this machine that answer byte for byte what the test says, names that stand for what it says, and a
certificate authority that only the test trusts."""

from __future__ import annotations

import asyncio
import datetime
import ssl
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from sympozium_core.errors import Temporary


@dataclass(frozen=True)
class Asked:
    method: str
    target: str
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes


def answer(body: bytes | str = b"", status: str = "200 OK", kind: str = "text/plain", **headers: str) -> bytes:
    data = body.encode() if isinstance(body, str) else body
    lines = {
        "content-type": kind,
        "content-length": str(len(data)),
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items() if value)
    return f"HTTP/1.1 {status}\r\n{head}\r\n".encode() + data


def redirect(location: str, status: str = "302 Found") -> bytes:
    return answer(status=status, location=location)


class Server:
    """`pages` is what each path is answered with; a callable gets the request and gives the bytes, None holds the answer back for ever."""

    def __init__(self, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None) -> None:
        self.host, self.tls = host, tls
        self.pages: dict[str, bytes | Callable[[Asked], bytes] | None] = {}
        self.asked: list[Asked] = []
        self.connections = 0
        self.stays = False
        """Leaves the connection open after what it has said."""
        self._writers: set[asyncio.StreamWriter] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, self.host, 0, ssl=self.tls)
        self.port = int(self._server.sockets[0].getsockname()[1])
        return self

    async def __aexit__(self, *error: object) -> None:
        self._server.close()
        for writer in list(self._writers):
            writer.transport.abort()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.add(writer)
        with suppress(ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
            await self._one(reader, writer)
        self._writers.discard(writer)
        writer.transport.abort() if self.tls else writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").strip().split("\r\n")
        method, target, _ = first.split(" ")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        seen = Asked(method, target, headers, await reader.readexactly(int(headers.get("content-length", 0))))
        self.asked.append(seen)
        found = self.pages.get(target.partition("?")[0], answer("nothing here", "404 Not Found"))
        if found is None:
            await reader.read()
            return
        sent = found if isinstance(found, bytes) else found(seen)
        writer.write(sent if method != "HEAD" else sent.partition(b"\r\n\r\n")[0] + b"\r\n\r\n")
        await writer.drain()
        if self.tls or self.stays:
            await reader.read()


class Names:
    """Addresses by name. Each look-up gets the next of several answers, and the last one again."""

    def __init__(self) -> None:
        self.known: dict[str, list[tuple[str, ...]]] = {}
        self.asked: list[str] = []

    def say(self, name: str, *answers: str | tuple[str, ...]) -> None:
        self.known[name] = [(each,) if isinstance(each, str) else each for each in answers]

    async def look_up(self, name: str) -> tuple[str, ...]:
        self.asked.append(name)
        if name == "nobody-knows.example":
            raise Temporary("the resolver is away")
        answers = self.known.get(name) or [()]
        return answers.pop(0) if len(answers) > 1 else answers[0]


class Authority:
    """Signs for one name."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "authority of a test")])
        certificate = self._certificate(self._name, self._key.public_key(), x509.BasicConstraints(ca=True, path_length=0))
        self.client = ssl.create_default_context(cadata=certificate.public_bytes(serialization.Encoding.PEM).decode())

    def _certificate(self, subject: x509.Name, key: Any, *extensions: x509.ExtensionType) -> x509.Certificate:
        now = datetime.datetime.now(datetime.UTC)
        made = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(hours=1))
            .not_valid_after(now + datetime.timedelta(hours=1))
        )
        for extension in extensions:
            made = made.add_extension(extension, critical=False)
        return made.sign(self._key, hashes.SHA256())

    def server(self, name: str) -> ssl.SSLContext:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        certificate = self._certificate(subject, key.public_key(), x509.SubjectAlternativeName([x509.DNSName(name)]))
        chain, private = self._folder / f"{name}.crt", self._folder / f"{name}.key"
        chain.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        private.write_bytes(
            key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(chain, private)
        return context
