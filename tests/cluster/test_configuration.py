"""A kubeconfig in use: real TLS, real plugins that log in, and who the server then sees."""

from __future__ import annotations

import asyncio
import base64
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from sympozium_core.cluster.client import ClusterClient
from sympozium_core.contracts.cluster import Unauthorized, Unavailable
from sympozium_core.errors import Permanent

PLUGIN = """
import json, os, pathlib, sys
calls = pathlib.Path(os.environ["CALLS"])
calls.write_text(calls.read_text() + "x" if calls.exists() else "x")
answer = json.loads(os.environ["ANSWER"].replace("NUMBER", str(len(calls.read_text()))))
info = json.loads(os.environ["KUBERNETES_EXEC_INFO"])
if "cluster" in info["spec"]:
    answer["status"]["token"] = json.dumps(sorted(info["spec"]["cluster"]))
print(json.dumps(answer))
"""


async def ask(path: Path, context: str | None = None, **options: Any) -> dict[str, Any]:
    """Who the server says that we are."""
    client = ClusterClient.from_kubeconfig(path, context, **options)
    try:
        found: dict[str, Any] = json.loads(await client.get_path("/whoami"))
        return found
    finally:
        await client.close()


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


async def test_a_token(kubeconfig: Any) -> None:
    assert (await ask(kubeconfig({"token": "t0ken\n"})))["authorization"] == "Bearer t0ken"


async def test_a_name_and_a_password(kubeconfig: Any) -> None:
    seen = await ask(kubeconfig({"username": "jane", "password": "p:w"}))
    assert seen["authorization"] == f"Basic {encoded('jane:p:w')}"


async def test_nobody(kubeconfig: Any) -> None:
    seen = await ask(kubeconfig())
    assert (seen["authorization"], seen["certificate"]) == ("", "")


async def test_a_token_file_goes_before_a_token(kubeconfig: Any, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("from-file\n")
    assert (await ask(kubeconfig({"tokenFile": "token", "token": "other"})))["authorization"] == "Bearer from-file"


async def test_a_client_certificate(kubeconfig: Any, authority: Any) -> None:
    pair = authority.issue("jane")
    in_files = {"client-certificate": str(pair.certificate_file), "client-key": str(pair.key_file)}
    assert (await ask(kubeconfig(in_files)))["certificate"] == "jane"
    in_place = {"client-certificate-data": encoded(pair.certificate), "client-key-data": encoded(pair.key)}
    assert (await ask(kubeconfig(in_place)))["certificate"] == "jane"


async def test_keys_are_not_left_on_the_disk(kubeconfig: Any, authority: Any, tmp_path: Path, monkeypatch: Any) -> None:
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    pair = authority.issue("jane")
    await ask(kubeconfig({"client-certificate-data": encoded(pair.certificate), "client-key-data": encoded(pair.key)}))
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("key", ["", "nonsense", "another"])
def test_a_certificate_without_its_key(kubeconfig: Any, authority: Any, key: str) -> None:
    key = authority.issue("other").key if key == "another" else key
    user = {"client-certificate-data": encoded(authority.issue("jane").certificate), "client-key-data": encoded(key)}
    with pytest.raises(Permanent, match="client certificate of user 'me' of context 'here' cannot be used") as refused:
        ClusterClient.from_kubeconfig(kubeconfig(user))
    assert "PRIVATE" not in str(refused.value)


async def test_a_server_that_nobody_vouches_for(kubeconfig: Any, door: Any) -> None:
    path = kubeconfig(cluster={"server": door.url})
    with pytest.raises(Unavailable, match=r"is not trusted.*certificate-authority-data"):
        await ask(path)
    assert door.seen == []


async def test_unchecked_certificates_are_said_loudly(kubeconfig: Any, door: Any, caplog: pytest.LogCaptureFixture) -> None:
    warnings: list[str] = []
    path = kubeconfig({"token": "t"}, cluster={"server": door.url, "insecure-skip-tls-verify": True})
    assert (await ask(path, warn=warnings.append))["authorization"] == "Bearer t"
    assert len(warnings) == 1
    assert "insecure-skip-tls-verify" in warnings[0]
    assert "insecure-skip-tls-verify" in caplog.text


async def test_the_name_that_the_certificate_must_bear(kubeconfig: Any, door: Any) -> None:
    cluster = {"server": door.url, "certificate-authority-data": encoded(door.authority.pem)}
    assert await ask(kubeconfig(cluster={**cluster, "tls-server-name": "kubernetes.example"}))
    with pytest.raises(Unavailable, match="is not trusted"):
        await ask(kubeconfig(cluster={**cluster, "tls-server-name": "elsewhere.example"}))


@pytest.mark.parametrize("server", ["", "host:6443", "ftp://host", "https://"])
def test_a_cluster_without_a_server(kubeconfig: Any, server: str) -> None:
    with pytest.raises(Permanent, match="such as https://host:6443"):
        ClusterClient.from_kubeconfig(kubeconfig(cluster={"server": server}))


def test_a_server_holds_no_password(kubeconfig: Any) -> None:
    with pytest.raises(Permanent, match="holds a user name") as refused:
        ClusterClient.from_kubeconfig(kubeconfig(cluster={"server": "https://me:s3cret@host"}))
    assert "s3cret" not in str(refused.value)


async def test_without_tls_no_credentials_are_sent(kubeconfig: Any, unused_tcp_port: int) -> None:
    from sympozium_core.cluster.configuration import kubeconfig_transport

    path = kubeconfig({"token": "t"}, cluster={"server": f"http://127.0.0.1:{unused_tcp_port}"})
    assert (await kubeconfig_transport(path).credentials.current()).headers == {}


def test_the_namespace_of_the_context(kubeconfig: Any) -> None:
    assert ClusterClient.from_kubeconfig(kubeconfig()).namespace == "default"
    assert ClusterClient.from_kubeconfig(kubeconfig(namespace="team")).namespace == "team"


async def test_on_behalf_of_somebody(kubeconfig: Any) -> None:
    user = {"token": "t", "as": "jane", "as-uid": "7", "as-groups": ["dev"], "as-user-extra": {"example.com/Scope": ["a", "b"]}}
    assert (await ask(kubeconfig(user)))["impersonate"] == [
        ["Impersonate-User", "jane"],
        ["Impersonate-Group", "dev"],
        ["Impersonate-Uid", "7"],
        ["Impersonate-Extra-example.com%2FScope", "a"],
        ["Impersonate-Extra-example.com%2FScope", "b"],
    ]


async def test_credentials_that_are_not_taken(kubeconfig: Any, door: Any, authority: Any) -> None:
    door.takes = lambda caller: False
    with pytest.raises(Unauthorized, match=r"does not take the credentials of user 'me' of context 'here' .*log in again"):
        await ask(kubeconfig({"token": "s3cret"}))
    assert len(door.seen) == 1, "the same again would be refused again"


async def test_credentials_that_have_ended_are_said_to(kubeconfig: Any, door: Any) -> None:
    door.takes = lambda caller: False
    token = "e30." + base64.urlsafe_b64encode(b'{"exp": 1767225600}').decode().rstrip("=") + ".x"
    with pytest.raises(Unauthorized, match="they ended at 2026-01-01T00:00:00Z"):
        await ask(kubeconfig({"token": token}))


class Plugin:
    """A program that logs in; `calls` counts how often it ran."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "plugin.py").write_text(PLUGIN)

    def __call__(self, status: Any, version: str = "client.authentication.k8s.io/v1", **more: Any) -> dict[str, Any]:
        answer = {"apiVersion": version, "kind": "ExecCredential", "status": status}
        environment = {"CALLS": str(self.folder / "calls"), "ANSWER": json.dumps(answer)}
        return {
            "exec": {
                "apiVersion": "client.authentication.k8s.io/v1",
                "command": sys.executable,
                "args": [str(self.folder / "plugin.py")],
                "env": [{"name": name, "value": value} for name, value in environment.items()],
                "interactiveMode": "Never",
                **more,
            }
        }

    @property
    def calls(self) -> int:
        return len((self.folder / "calls").read_text())


@pytest.fixture
def plugin(tmp_path: Path) -> Plugin:
    return Plugin(tmp_path)


async def test_a_plugin_gives_a_token(kubeconfig: Any, plugin: Plugin) -> None:
    assert (await ask(kubeconfig(plugin({"token": "from-plugin-NUMBER"}))))["authorization"] == "Bearer from-plugin-1"


async def test_a_plugin_runs_only_when_it_is_needed(kubeconfig: Any, plugin: Plugin) -> None:
    client = ClusterClient.from_kubeconfig(kubeconfig(plugin({"token": "NUMBER"})))
    assert not (plugin.folder / "calls").exists()
    await asyncio.gather(*(client.get_path("/whoami") for _ in range(5)))
    await client.close()
    assert plugin.calls == 1


async def test_a_plugin_gives_a_certificate(kubeconfig: Any, plugin: Plugin, authority: Any) -> None:
    pair = authority.issue("jane")
    status = {"clientCertificateData": pair.certificate, "clientKeyData": pair.key}
    assert (await ask(kubeconfig(plugin(status))))["certificate"] == "jane"


async def test_a_certificate_that_is_refused_is_renewed_on_new_connections(
    kubeconfig: Any, plugin: Plugin, authority: Any, door: Any
) -> None:
    one, two = authority.issue("one"), authority.issue("two")
    user = plugin({"clientCertificateData": one.certificate, "clientKeyData": one.key})
    client = ClusterClient.from_kubeconfig(kubeconfig(user))
    assert json.loads(await client.get_path("/whoami"))["certificate"] == "one"
    door.takes = lambda caller: caller["certificate"] == "two"
    # The program gives another one from now on. It is the same program: the configuration was read once.
    changed = plugin({"clientCertificateData": two.certificate, "clientKeyData": two.key})["exec"]["env"][1]["value"]
    (plugin.folder / "plugin.py").write_text(f"print({changed!r})")
    assert json.loads(await client.get_path("/whoami"))["certificate"] == "two"
    assert json.loads(await client.get_path("/whoami"))["certificate"] == "two"
    await client.close()


async def test_a_token_that_is_refused_is_renewed_once(kubeconfig: Any, plugin: Plugin, door: Any) -> None:
    door.takes = lambda caller: caller["authorization"] == "Bearer 2"
    assert (await ask(kubeconfig(plugin({"token": "NUMBER"}))))["authorization"] == "Bearer 2"
    door.takes = lambda caller: False
    door.seen.clear()
    with pytest.raises(Unauthorized):
        await ask(kubeconfig(plugin({"token": "NUMBER"})))
    assert len(door.seen) == 2


async def test_a_plugin_is_told_of_the_cluster(kubeconfig: Any, plugin: Plugin) -> None:
    seen = await ask(kubeconfig(plugin({}, provideClusterInfo=True)))
    assert seen["authorization"] == 'Bearer ["certificate-authority-data", "server"]'


async def test_a_plugin_beside_the_kubeconfig(
    kubeconfig: Any, plugin: Plugin, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir("/")
    script = tmp_path / "bin/login"
    script.parent.mkdir()
    answer = {"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": {"token": "near"}}
    script.write_text(f"#!{sys.executable}\nprint({json.dumps(answer)!r})\n")
    script.chmod(0o755)
    seen = await ask(kubeconfig({"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "./bin/login"}}))
    assert seen["authorization"] == "Bearer near"


@pytest.mark.parametrize(
    ("user", "message"),
    [
        (
            {"command": "no-such-login", "installHint": "get it from example.com"},
            "no-such-login.*cannot be started.*get it from",
        ),
        ({"command": "no-such-login"}, "install it"),
        (
            {"command": sys.executable, "args": ["-c", "import sys; sys.exit('who are you?')"]},
            "did not log user 'me'.*who are you",
        ),
        ({"command": sys.executable, "args": ["-c", "print('no JSON')"]}, "did not log"),
        ({"command": sys.executable, "args": ["-c", "print('{}')"]}, "did not log"),
        ({"command": sys.executable, "args": ["-c", "print('[]')"]}, "did not log"),
        ({"apiVersion": None, "command": sys.executable, "args": ["-c", ""]}, "did not log"),
        ({}, "cannot be started"),
    ],
)
async def test_a_plugin_that_fails(kubeconfig: Any, user: dict[str, Any], message: str) -> None:
    with pytest.raises(Unauthorized, match=message):
        await ask(kubeconfig({"exec": {"apiVersion": "client.authentication.k8s.io/v1", **user}}))


@pytest.mark.parametrize("status", [{}, None, [], {"token": 7}, {"token": ""}, {"clientCertificateData": "x"}])
async def test_a_plugin_that_gives_nothing(kubeconfig: Any, plugin: Plugin, status: Any) -> None:
    with pytest.raises(Unauthorized, match=r"gave neither|did not log"):
        await ask(kubeconfig(plugin(status)))


async def test_a_plugin_of_another_version(kubeconfig: Any, plugin: Plugin) -> None:
    with pytest.raises(Unauthorized, match="does not match"):
        await ask(kubeconfig(plugin({"token": "t"}, version="client.authentication.k8s.io/v1beta1")))


async def test_a_provider_that_the_library_knows(kubeconfig: Any) -> None:
    later = base64.urlsafe_b64encode(b'{"exp": 4102444800}').decode().rstrip("=")
    user = {"auth-provider": {"name": "oidc", "config": {"id-token": f"e30.{later}.x"}}}
    assert (await ask(kubeconfig(user)))["authorization"] == f"Bearer e30.{later}.x"
    with pytest.raises(Unauthorized, match=r"'me' of context 'here' by azure|azure gave no token"):
        await ask(kubeconfig({"auth-provider": {"name": "azure", "config": {}}}))


@asynccontextmanager
async def proxy() -> AsyncIterator[tuple[str, list[bytes]]]:
    """An HTTP proxy that carries TLS (CONNECT): its address, and what it was asked for."""
    asked: list[bytes] = []

    async def carry(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        while data := await source.read(65536):
            sink.write(data)
        sink.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        asked.append(head.split(b"\r\n")[0])
        host, port = head.split()[1].decode().split(":")
        far_reader, far_writer = await asyncio.open_connection(host, int(port))
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        await asyncio.gather(carry(reader, far_writer), carry(far_reader, writer), return_exceptions=True)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", asked


async def test_by_a_proxy(kubeconfig: Any, door: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = {"server": door.url, "certificate-authority": str(door.authority.file)}
    async with proxy() as (address, asked):
        assert await ask(kubeconfig(cluster={**cluster, "proxy-url": address}))
        assert asked == [f"CONNECT {door.url.removeprefix('https://')} HTTP/1.1".encode()]
        monkeypatch.setenv("HTTPS_PROXY", address)
        assert await ask(kubeconfig(cluster=cluster))
        assert len(asked) == 1, "this machine is reached without the environment's proxy"


async def test_a_proxy_that_is_away(kubeconfig: Any, door: Any) -> None:
    cluster = {"server": door.url, "certificate-authority": str(door.authority.file)}
    with pytest.raises(Unavailable, match=r"the proxy 127\.0\.0\.1:9 does not reach") as refused:
        await ask(kubeconfig(cluster={**cluster, "proxy-url": "http://me:s3cret@127.0.0.1:9"}))
    assert "s3cret" not in str(refused.value)
    with pytest.raises(Permanent, match="is a socks5 proxy"):
        ClusterClient.from_kubeconfig(kubeconfig(cluster={**cluster, "proxy-url": "socks5://127.0.0.1:9"}))


def test_the_environments_proxy(kubeconfig: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from sympozium_core.cluster.configuration import kubeconfig_transport

    cluster = {"server": "https://cluster.example:6443"}
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    monkeypatch.setenv("NO_PROXY", "")
    assert kubeconfig_transport(kubeconfig(cluster=cluster)).proxy == "http://proxy.example:3128"
    monkeypatch.setenv("NO_PROXY", ".example")
    assert kubeconfig_transport(kubeconfig(cluster=cluster)).proxy is None
