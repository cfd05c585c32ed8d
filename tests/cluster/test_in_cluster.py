"""The account of a pod: what kubelet puts there, and what is said when it is not there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sympozium_core.cluster.client import ClusterClient
from sympozium_core.cluster.in_cluster import account_transport
from sympozium_core.contracts.cluster import Unauthorized
from sympozium_core.errors import Permanent

HERE = {"KUBERNETES_SERVICE_HOST": "10.0.0.1", "KUBERNETES_SERVICE_PORT": "443"}


@pytest.fixture
def folder(tmp_path: Path, authority: Any) -> Path:
    (tmp_path / "ca.crt").write_text(authority.pem)
    (tmp_path / "token").write_text("t0ken")
    (tmp_path / "namespace").write_text("team\n")
    return tmp_path


async def test_who_we_are(folder: Path, door: Any) -> None:
    host, port = door.url.removeprefix("https://").split(":")
    environment = {"KUBERNETES_SERVICE_HOST": host, "KUBERNETES_SERVICE_PORT": port}
    client = ClusterClient(account_transport(folder, environment))
    await client.get_path("/")
    assert (client.namespace, door.seen[0]["authorization"]) == ("team", "Bearer t0ken")
    door.takes = lambda caller: False
    with pytest.raises(Unauthorized, match="the pod's ServiceAccount in namespace team"):
        await client.get_path("/")
    await client.close()


@pytest.mark.parametrize(
    ("host", "url"), [("10.0.0.1", "https://10.0.0.1:443"), ("fd00::1", "https://[fd00::1]:443"), ("api", "https://api:443")]
)
def test_the_address(folder: Path, host: str, url: str) -> None:
    assert account_transport(folder, {**HERE, "KUBERNETES_SERVICE_HOST": host}).base_url == url


@pytest.mark.parametrize("missing", HERE)
def test_outside_of_a_pod(folder: Path, missing: str) -> None:
    with pytest.raises(Permanent, match=f"not in a pod: {missing} is not set"):
        account_transport(folder, {**HERE, missing: ""})


@pytest.mark.parametrize("missing", ["ca.crt", "token"])
def test_a_pod_without_an_account(folder: Path, missing: str) -> None:
    (folder / missing).unlink()
    with pytest.raises(Permanent, match=rf"{missing}: No such file.*automountServiceAccountToken"):
        account_transport(folder, HERE)


def test_a_pod_without_a_namespace(folder: Path) -> None:
    (folder / "namespace").unlink()
    assert account_transport(folder, HERE).namespace == "default"


def test_an_authority_that_is_none(folder: Path) -> None:
    (folder / "ca.crt").write_text("nonsense")
    with pytest.raises(Permanent, match="no certificate in PEM"):
        account_transport(folder, HERE)
