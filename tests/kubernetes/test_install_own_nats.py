"""An installation on a NATS of the operator's own, outside the cluster: no other is installed, and runs work over it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from sympozium_core.bus.server_config import ServerConfig
from sympozium_core.testing.nats_installation import NatsInstallation
from sympozium_core.testing.servers.script import from_data
from tests.kubernetes import installed, runs
from tests.kubernetes.installed import HOME, WAIT, Operator, failures, inventory
from tests.kubernetes.kubectl import Kubectl, eventually

ANSWER = "Heard over another's bus."


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("own-nats")


@pytest.fixture(scope="module")
def nats(keys: Path) -> Iterator[NatsInstallation]:
    """With our accounts in its configuration, as the operator has taken them over."""
    server = NatsInstallation(keys, host=runs.NODE_ADDRESS)
    server.settings = replace(server.settings, max_store_bytes=ServerConfig.max_store_bytes)
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def before(operator: Operator, kubectl: Kubectl) -> set[str]:
    operator.done("uninstall", "--delete-data", "--force", WAIT)
    return inventory(kubectl)


@pytest.fixture(scope="module")
def installation(operator: Operator, nats: NatsInstallation, keys: Path, before: set[str]) -> Iterator[str]:
    """What the command printed."""
    yield operator.done("install", *installed.arguments(), f"--nats-url={nats.url}", f"--nats-keys={keys}", WAIT)
    operator.done("uninstall", "--delete-data", "--force", WAIT)


def test_without_the_key_that_signs_it_is_refused(
    operator: Operator, nats: NatsInstallation, before: set[str], tmp_path: Path, kubectl: Kubectl
) -> None:
    for name in ("controller", "gateway", "system"):
        (tmp_path / f"{name}.seed").write_bytes(nats.seed_file(name).read_bytes())
    refused = operator("install", *installed.arguments(), f"--nats-url={nats.url}", f"--nats-keys={tmp_path}")
    assert refused.returncode
    assert "account-signing.seed" in refused.stderr
    assert inventory(kubectl) == before


def test_no_nats_is_installed(installation: str, operator: Operator, kubectl: Kubectl) -> None:
    home = kubectl.within(HOME)
    assert not home.get("statefulsets")["items"]
    assert not home.get("pvc")["items"]
    code, found = operator.findings()
    assert (code, failures(found)) == (0, []), found


def test_a_run_hears_and_answers_over_it(installation: str, nats: NatsInstallation, here: Kubectl) -> None:
    call = {"name": "execute_command", "arguments": {"command": "echo over-the-bus"}}
    with runs.serve_model(from_data({"conversations": [{"turns": [{"tools": [call]}, {"text": ANSWER}]}]})) as model:
        runs.furnish(here, model)
        here.apply(runs.run("first", "say something"))
        status = runs.until_cleaned(here, "first")
    assert (status["phase"], status["result"]) == ("Succeeded", ANSWER)
    policies = here.get("networkpolicies")["items"]
    opened = [rule for policy in policies for rule in policy["spec"].get("egress") or ()]
    assert [peer["ipBlock"]["cidr"] for rule in opened for peer in rule["to"]] == [f"{runs.NODE_ADDRESS}/32"]
    assert [port["port"] for rule in opened for port in rule["ports"]] == [nats.port]


def test_a_run_outlives_a_restart_of_it(installation: str, nats: NatsInstallation, here: Kubectl) -> None:
    script = from_data({"conversations": [{"turns": [{"text": "I think about it. " * 40, "delay": 0.1}]}]})
    with runs.serve_model(script) as model:
        runs.furnish(here, model)
        here.apply(runs.run("long", "think"))
        eventually(lambda: bool(model.server.requests), "the model is asked", 90)
        nats.restart(kill=True)
        status = runs.until_cleaned(here, "long")
    assert (status["phase"], status["attempt"]) == ("Succeeded", 1)
