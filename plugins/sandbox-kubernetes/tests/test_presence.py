"""Whether there is a cluster: at once where there is none, and by a question to its API server where there is."""

from __future__ import annotations

import asyncio
import datetime
import ipaddress
import shutil
import ssl
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from sympozium_sandbox_kubernetes import presence
from sympozium_sandbox_kubernetes.driver import KubernetesSandbox
from sympozium_sandbox_kubernetes.settings import Settings

from sympozium_core import names
from sympozium_core.contracts.sandbox import SandboxContext
from sympozium_core.errors import Permanent, Temporary
from sympozium_core.testing.sandbox_bench import agent

RUNNER = {names.ENV_RUNNER_IMAGE: "runner:1"}


async def test_outside_of_a_cluster_the_answer_is_quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(presence.HOST, raising=False)
    begun = time.monotonic()
    found = await KubernetesSandbox().check()
    assert time.monotonic() - begun < 0.05
    assert not found.usable
    assert "sympozium install" in found.reason


def test_the_driver_is_loaded_without_clients() -> None:
    script = "import sys, sympozium_sandbox_kubernetes.driver; print([m for m in ('kubernetes', 'aiohttp', 'yaml') if m in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", script], text=True) == "[]\n"


@pytest.fixture
def account(tmp_path: Path) -> Path:
    """As a pod has it, with the certificate of a server that is its own authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "api")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    (tmp_path / "ca.crt").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    plain = serialization.NoEncryption()
    (tmp_path / "key.pem").write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain))
    return tmp_path


class Api:
    """A TLS server that gives one answer to everything."""

    def __init__(self) -> None:
        self.answer = b""
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        if self.answer:
            writer.write(self.answer)
        else:
            await asyncio.sleep(30)
        writer.close()

    @property
    def environment(self) -> dict[str, str]:
        return {**RUNNER, presence.HOST: "127.0.0.1", presence.PORT: str(self.port)}


@pytest.fixture
async def api(account: Path) -> AsyncIterator[Api]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(account / "ca.crt", account / "key.pem")
    api = Api()
    tasks: set[asyncio.Task[None]] = set()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.add(asyncio.create_task(api.serve(reader, writer)))

    server = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=context)
    api.port = server.sockets[0].getsockname()[1]
    async with server:
        yield api
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n"


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (OK + b'{"gitVersion": "v1.36.3"}', "Kubernetes v1.36.3 at 127.0.0.1:"),
        (b'HTTP/1.1 403 Forbidden\r\n\r\n{"kind": "Status"}', "Kubernetes of an unknown version at 127.0.0.1:"),
        (OK, "Kubernetes of an unknown version at 127.0.0.1:"),
    ],
)
async def test_an_api_server_that_answers_is_a_cluster(api: Api, account: Path, answer: bytes, said: str) -> None:
    api.answer = answer
    found = await presence.look(api.environment, account=account)
    assert found.usable
    assert found.reason.startswith(said)


async def test_one_that_does_not_is_none(api: Api, account: Path, tmp_path: Path) -> None:
    begun = time.monotonic()
    silent = await presence.look(api.environment, account=account)
    assert time.monotonic() - begun < 2
    assert (silent.usable, "does not answer in time" in silent.reason) == (False, True)
    api.answer = b"SSH-2.0-x\r\n"
    assert "does not speak HTTP" in (await presence.look(api.environment, account=account)).reason
    without = await presence.look(api.environment, account=tmp_path / "nowhere")
    assert not without.usable
    closed = await presence.look({**api.environment, presence.PORT: "1"}, account=account)
    assert "cannot be asked" in closed.reason
    assert "\n" not in closed.reason


async def test_an_unknown_authority_is_not_trusted(api: Api, tmp_path: Path) -> None:
    api.answer = OK
    other = tmp_path / "other"
    other.mkdir()
    shutil.copy(ssl.get_default_verify_paths().openssl_cafile, other / "ca.crt")
    found = await presence.look(api.environment, account=other)
    assert not found.usable
    assert "certificate" in found.reason


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({}, "SYMPOZIUM_RUNNER_IMAGE is not set"),
        ({**RUNNER, names.ENV_IMAGE_PULL_POLICY: "sometimes"}, "'sometimes' is no pull policy"),
    ],
)
async def test_an_installation_without_images_is_not_usable(environment: dict[str, str], message: str) -> None:
    with pytest.raises(Permanent, match=message):
        Settings.from_environment(environment)
    found = await presence.look({**environment, presence.HOST: "127.0.0.1"})
    assert not found.usable
    assert message in found.reason


def test_settings_come_from_the_environment() -> None:
    found = Settings.from_environment({**RUNNER, names.ENV_SKILL_IMAGE: "skill:1", names.ENV_IMAGE_PULL_POLICY: "Never"})
    assert (found.runner_image, found.skill_image, found.pull_policy) == ("runner:1", "skill:1", "Never")


async def test_a_driver_without_a_cluster_is_not_opened(tmp_path: Path) -> None:
    driver = KubernetesSandbox()
    with pytest.raises(Permanent, match="needs a cluster"):
        await driver.open(SandboxContext(tmp_path, "tls://b:4222", str, lambda pod_id: None))
    with pytest.raises(Temporary, match="not open"):
        await driver.start("pod-a", agent("exit 0"))
    await driver.close()


def test_an_image_with_more_than_python_is_looked_for_beside_the_plain_one() -> None:
    beside = Settings("runner:1", "registry.example.com:5000/acme/sympozium-skill:1.2")
    assert beside.skill_image_with("") == beside.skill_image
    assert beside.skill_image_with("kubectl") == "registry.example.com:5000/acme/sympozium-skill-kubectl:1.2"
    assert Settings("runner:1", "skill:1").skill_image_with("git") == "skill-git:1"
    for untagged in ("registry.example.com:5000/skill", "skill:1@sha256:" + "0" * 64):
        with pytest.raises(Permanent, match="kubectl is looked for beside"):
            Settings("runner:1", untagged).skill_image_with("kubectl")
