"""`install`, `upgrade`, `uninstall`, `status` and `doctor` without a cluster: what they print, what they refuse. With one: tests/kubernetes."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from sympozium_core.bus.nkeys import KeyPair, Kind
from sympozium_core.cli.failures import Exit
from sympozium_core.installation import render
from sympozium_core.installation.bus import SEEDS
from sympozium_core.installation.options import Options, released_images
from sympozium_core.installer.installed import own_version

COMMANDS = ("install", "upgrade", "uninstall", "status", "doctor")
Sympozium = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def sympozium(tmp_path: Path) -> Sympozium:
    """With no kubeconfig to be found."""

    def call(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        given = {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin", **environment}
        command = [sys.executable, "-m", "sympozium_core.cli.main", *words]
        return subprocess.run(command, env=given, cwd=tmp_path, capture_output=True, text=True, timeout=50, check=False)

    return call


def test_yaml_is_the_whole_installation_and_contacts_nobody(sympozium: Sympozium) -> None:
    done = sympozium("install", "-o", "yaml")
    assert done.returncode == 0, done.stderr
    printed = list(yaml.safe_load_all(done.stdout))
    assert printed == render.everything(Options(own_version(), released_images(own_version())))


def test_json_is_one_list(sympozium: Sympozium) -> None:
    printed = json.loads(sympozium("install", "-o", "json").stdout)
    assert printed["kind"] == "List"
    assert len(printed["items"]) > 40


def test_what_is_chosen_is_printed(sympozium: Sympozium) -> None:
    chosen = [
        "--registry",
        "example.com/x",
        "--image-nats",
        "example.com/nats:1",
        "--image-pull-secret",
        "a",
        "--image-pull-secret",
        "b",
    ]
    more = ["--webhook-replicas", "5", "--webhook-max-replicas", "5", "--sync-always", "--cert-manager"]
    more += ["--gateway-max-replicas", "2"]
    text = sympozium("install", "-o", "yaml", *chosen, *more).stdout
    objects = {f"{obj['kind']}/{obj['metadata']['name']}": obj for obj in yaml.safe_load_all(text)}
    webhook = objects["Deployment/sympozium-webhook"]["spec"]
    assert webhook["replicas"] == 5
    assert webhook["template"]["spec"]["containers"][0]["image"] == f"example.com/x/sympozium-control-plane:{own_version()}"
    assert [each["name"] for each in webhook["template"]["spec"]["imagePullSecrets"]] == ["a", "b"]
    nats = objects["StatefulSet/sympozium-nats"]["spec"]["template"]["spec"]["containers"][0]
    assert nats["image"] == "example.com/nats:1"
    assert "sync_interval: always" in objects["ConfigMap/sympozium-nats"]["data"]["nats.conf"]
    assert "Certificate/sympozium-webhook-tls" in objects
    assert not any(name.startswith("HorizontalPodAutoscaler/") for name in objects)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--image-runner", "example.com/runner"], "images.runner: 'example.com/runner' names no version"),
        (["--storage", "1Gi"], "nats_storage: 1Gi is too little"),
        (["--controller-replicas", "0"], "controller_replicas: 0 is less than 1"),
        (["--nats-url", "nats.example.com"], "nats_url: 'nats.example.com' is no address of a NATS server"),
    ],
)
def test_what_cannot_be_is_refused_with_what_would(sympozium: Sympozium, words: list[str], said: str) -> None:
    done = sympozium("install", "-o", "yaml", *words)
    assert done.returncode == Exit.REFUSED
    assert said in done.stderr
    assert done.stdout == ""


def test_every_fault_is_said_at_once(sympozium: Sympozium) -> None:
    done = sympozium("install", "-o", "yaml", "--storage", "1Gi", "--controller-replicas", "0")
    assert "2 problems" in done.stderr


def test_keys_of_a_bus_of_ones_own_are_not_printed(sympozium: Sympozium, tmp_path: Path) -> None:
    seeds = {name: KeyPair.generate(kind).seed for name, kind in SEEDS.items()}
    for name, seed in seeds.items():
        (tmp_path / f"{name}.seed").write_text(seed)
    done = sympozium("install", "-o", "yaml", "--nats-url", "tls://nats.example.com", "--nats-keys", str(tmp_path))
    assert done.returncode == 0
    assert "Secret sympozium-bus is yours to make" in done.stderr
    assert not any(seed in done.stdout for seed in seeds.values())
    assert "StatefulSet" not in done.stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_without_a_cluster_each_says_so(sympozium: Sympozium, command: str) -> None:
    done = sympozium(command)
    assert done.returncode not in (Exit.OK, Exit.USAGE)
    assert "Traceback" not in done.stderr
    assert "kubeconfig" in done.stderr


@pytest.mark.parametrize("command", COMMANDS)
def test_a_cluster_that_is_away_is_unavailable(sympozium: Sympozium, tmp_path: Path, command: str) -> None:
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "gone",
        "clusters": [{"name": "gone", "cluster": {"server": "http://127.0.0.1:9"}}],
        "users": [{"name": "nobody", "user": {}}],
        "contexts": [{"name": "gone", "context": {"cluster": "gone", "user": "nobody"}}],
    }
    (tmp_path / "config").write_text(yaml.safe_dump(config))
    done = sympozium(command, "--kubeconfig", str(tmp_path / "config"))
    assert done.returncode == Exit.UNAVAILABLE, done.stderr
    assert "127.0.0.1:9" in done.stderr


@pytest.mark.parametrize("kind", [Kind.ACCOUNT, Kind.USER])
def test_a_key_of_the_wrong_kind_is_found_before_anything_is_done(tmp_path: Path, kind: Kind) -> None:
    from sympozium_core.errors import Permanent
    from sympozium_core.installer.bus_keys import read_keys

    for name, right in SEEDS.items():
        wrong = {Kind.ACCOUNT: Kind.USER, Kind.USER: Kind.ACCOUNT}[kind]
        (tmp_path / f"{name}.seed").write_text(KeyPair.generate(wrong if right is kind else right).seed)
    with pytest.raises(Permanent) as refused:
        read_keys(Options("1", released_images("1")), tmp_path)
    assert str(tmp_path) in str(refused.value)
