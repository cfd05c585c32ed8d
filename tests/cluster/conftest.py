"""An API server's front door: real TLS with an authority of its own, that says back who came in."""

from __future__ import annotations

import datetime
import ssl
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
import yaml
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

NOW = datetime.datetime.now(datetime.UTC)
DAY = datetime.timedelta(days=1)
Handler = Callable[[web.Request], Any]


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


@dataclass(frozen=True)
class Pair:
    """A certificate and its key in PEM, and the files that hold them."""

    certificate: str
    key: str
    folder: Path
    name: str

    @property
    def certificate_file(self) -> Path:
        return self.folder / f"{self.name}.crt"

    @property
    def key_file(self) -> Path:
        return self.folder / f"{self.name}.key"


class Authority:
    """As the installers of Kubernetes make it: without the extensions that a strict reading of the standard asks for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._own = self._build(_name("authority"), self._key.public_key(), NOW + DAY).add_extension(
            x509.BasicConstraints(ca=True, path_length=None), critical=True
        )
        signed = self._own.sign(self._key, hashes.SHA256())
        self.pem = signed.public_bytes(serialization.Encoding.PEM).decode()
        self.file = folder / "ca.crt"
        self.file.write_text(self.pem)

    def issue(self, name: str, *names: str, ends: datetime.datetime = NOW + DAY) -> Pair:
        """For a server with these names, or for a client without."""
        key = ec.generate_private_key(ec.SECP256R1())
        built = self._build(_name(name), key.public_key(), ends)
        if names:
            kinds = [x509.IPAddress(ip_address(one)) if one[0].isdigit() else x509.DNSName(one) for one in names]
            built = built.add_extension(x509.SubjectAlternativeName(kinds), critical=False)
        certificate = built.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()
        made = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        pair = Pair(certificate, key.private_bytes(serialization.Encoding.PEM, *made).decode(), self.folder, name)
        pair.certificate_file.write_text(pair.certificate)
        pair.key_file.write_text(pair.key)
        return pair

    def _build(self, subject: x509.Name, key: Any, ends: datetime.datetime) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(_name("authority"))
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC))
            .not_valid_after(ends)
        )


@dataclass
class Door:
    """Answers GET /whoami with what it sees of the caller; other answers are `handler`'s, where one is set."""

    url: str
    authority: Authority
    seen: list[dict[str, Any]] = field(default_factory=list)
    handler: Handler | None = None
    takes: Callable[[dict[str, Any]], bool] = lambda caller: True
    """Whoever it does not take gets 401."""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        tls = request.get_extra_info("peercert") or {}
        caller = {
            "authorization": request.headers.get("Authorization", ""),
            "certificate": "".join(value for part in tls.get("subject", ()) for key, value in part if key == "commonName"),
            "impersonate": [(key, value) for key, value in request.headers.items() if key.startswith("Impersonate-")],
            "method": request.method,
        }
        self.seen.append(caller)
        if not self.takes(caller):
            body = {"kind": "Status", "status": "Failure", "reason": "Unauthorized", "code": 401, "message": "Unauthorized"}
            return web.json_response(body, status=401)
        if self.handler is not None:
            response: web.StreamResponse = await self.handler(request)
            return response
        return web.json_response(caller)


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("pki"))


@pytest.fixture(scope="session")
def server_pair(authority: Authority) -> Pair:
    return authority.issue("server", "127.0.0.1", "kubernetes.example")


@pytest.fixture
async def door(authority: Authority, server_pair: Pair) -> AsyncIterator[Door]:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(authority.file))
    context.verify_mode = ssl.CERT_OPTIONAL
    context.load_cert_chain(server_pair.certificate_file, server_pair.key_file)
    found = Door("", authority)
    app = web.Application(client_max_size=8 * 1024**2)
    app.router.add_route("*", "/{path:.*}", found.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.5)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    found.url = f"https://127.0.0.1:{runner.addresses[0][1]}"
    yield found
    await runner.cleanup()


Kubeconfig = Callable[..., Path]


@pytest.fixture
def kubeconfig(door: Door, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Kubeconfig:
    """Writes a file with one context ``here`` for the door. Nothing of the machine's own kubeconfig is seen."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("KUBECONFIG", raising=False)

    def write(user: dict[str, Any] | None = None, *, cluster: dict[str, Any] | None = None, **context: Any) -> Path:
        described = {"server": door.url, "certificate-authority": str(door.authority.file)} if cluster is None else cluster
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "here",
            "contexts": [{"name": "here", "context": {"cluster": "door", "user": "me", **context}}],
            "clusters": [{"name": "door", "cluster": described}],
            "users": [{"name": "me", "user": user or {}}],
        }
        path = tmp_path / "kubeconfig"
        path.write_text(yaml.safe_dump(config))
        return path

    return write
