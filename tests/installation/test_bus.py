"""The event bus of an installation, by the real nats-server."""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from sympozium_core.bus.nkeys import KeyPair
from sympozium_core.installation import bus, render
from sympozium_core.installation.options import Options
from sympozium_core.testing.nats_server import executable
from tests.installation.conftest import SHAPES, USUAL, of_kind


def _variables(options: Options) -> list[str]:
    (container,) = of_kind(render.everything(options), "StatefulSet")["sympozium-nats"]["spec"]["template"]["spec"][
        "containers"
    ]
    return [each["name"] for each in container["env"]]


@pytest.mark.parametrize("options", [USUAL, SHAPES["chosen"]], ids=["usual", "chosen"])
def test_the_server_takes_the_configuration_with_keys_from_its_environment(options: Options, tmp_path: Path) -> None:
    text = of_kind(render.everything(options), "ConfigMap")["sympozium-nats"]["data"]["nats.conf"]
    certificate = _certificate(tmp_path)
    (tmp_path / "nats.conf").write_text(
        text.replace(bus.TLS_FOLDER, str(certificate)).replace(bus.STORE, str(tmp_path / "store"))
    )
    keys = [KeyPair.generate(kind).public for kind in bus.SEEDS.values()]
    environment = {**os.environ, **dict(zip(_variables(options), keys, strict=True))}
    command = [executable(), "-t", "-c", str(tmp_path / "nats.conf")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    without = subprocess.run(command, env=os.environ, capture_output=True, text=True, check=False)
    assert without.returncode, "a server without its keys must not start"


def _certificate(folder: Path) -> Path:
    subject = ["-subj", "/CN=nats", "-addext", "subjectAltName=DNS:nats"]
    files = ["-keyout", str(folder / "tls.key"), "-out", str(folder / "tls.crt")]
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    subprocess.run(["openssl", "req", "-x509", *key, *subject, *files], check=True, capture_output=True)
    return folder


def test_the_configuration_is_no_secret_and_names_every_user() -> None:
    text = bus.configuration(USUAL)
    assert set(re.findall(r"\$([A-Z_]+_KEY)\b", text)) == set(_variables(USUAL))
    assert not re.search("[USA][A-Z2-7]{50}", text)
    assert bus.configuration(USUAL) == text, "it must not change with the keys that it was made with"


def test_a_port_of_the_operators_own_bus_is_let_through() -> None:
    objects = render.everything(SHAPES["own-bus"])
    egress = of_kind(objects, "NetworkPolicy")["sympozium-controller"]["spec"]["egress"]
    assert {"ports": [{"port": 4333, "protocol": "TCP"}]} in egress
    assert bus.port(replace(USUAL, nats_url="tls://nats.example.com")) == 4222
