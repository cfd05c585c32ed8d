"""A skill that reads its node: a SkillPack of the control plane's namespace, which a policy names; and nobody else."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sympozium_core.testing.servers.script import from_data
from tests.kubernetes import images, runs
from tests.kubernetes.kubectl import Kubectl
from tests.kubernetes.runs import Model

HOME = "sympozium-system"
READ, WRITE = "/host/read", "/host/write"
SERVER = f"""
import os
from sympozium_core.sidecar import Server, tool

@tool
def read_node() -> str:
    \"Read the node.\"
    with open("{READ}/secret") as file:
        return f"{{os.getuid()}} {{file.read()}}"

Server(os.environ["SYMPOZIUM_SKILL_PACK"], [read_node]).serve()
"""
SCRIPT = {
    "conversations": [
        {"when": "wait", "turns": [{"fault": {"kind": "silence"}}]},
        {
            "when": "look",
            "turns": [
                {"tools": [{"name": "read_node", "arguments": {}}]},
                {"text": "Looked."},
            ],
        },
    ]
}


@pytest.fixture(scope="module")
def model() -> Iterator[Model]:
    with runs.serve_model(from_data(SCRIPT)) as served:
        yield served


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Of the node's, which is this machine: only root may read what is in it."""
    for name in ("read", "write"):
        (tmp_path / name).mkdir(mode=0o700)
    (tmp_path / "read/secret").write_text(secrets.token_hex(8))
    (tmp_path / "read/secret").chmod(0o600)
    return tmp_path


@pytest.fixture
def pack(kubectl: Kubectl, sympozium: object, folder: Path) -> Iterator[str]:
    """The name of a pack of the control plane's namespace that asks for both folders."""
    name = f"probe-{secrets.token_hex(4)}"
    home = kubectl.within(HOME)
    home.apply(_pack(name, folder))
    yield name
    home("delete", "skillpack", name)


def _pack(name: str, folder: Path) -> dict[str, Any]:
    mounts = [
        {"hostPath": f"{folder}/read", "mountPath": READ},
        {"hostPath": f"{folder}/write", "mountPath": WRITE, "readOnly": False},
    ]
    sidecar = {
        "image": images.image("skill"),
        "command": ["python3", "-P", "-c", SERVER],
        "hostAccess": {"enabled": True, "runAsRoot": True, "mounts": mounts},
    }
    return {
        "apiVersion": "sympozium.ai/v1alpha1",
        "kind": "SkillPack",
        "metadata": {"name": name},
        "spec": {"skills": [{"name": "probe", "content": "Look at the node."}], "sidecar": sidecar},
    }


def _furnish(here: Kubectl, model: Model, pack: str, *named: str) -> None:
    runs.furnish(here, model, skills=[pack])
    here.apply(runs.policy(sandboxPolicy={"hostAccess": list(named)}))


def test_a_skill_that_the_policy_names_has_its_node_and_the_agent_has_not(
    here: Kubectl, model: Model, pack: str, folder: Path
) -> None:
    _furnish(here, model, pack, pack)
    here.apply(runs.run("looking", "look"))
    status = runs.until_phase(here, "looking", "Succeeded", "Failed")
    assert status.get("result") == "Looked.", status
    told = str(model.server.requests[-1].body["messages"][-1]["content"])
    assert told.split()[:2] == ["0", (folder / "read/secret").read_text()], told

    here.apply(runs.run("held", "wait"))
    pod = runs.pod_of(here, "held")
    sidecar, agent = (("exec", pod, "-c", container, "--") for container in (f"skill-{pack}", "agent"))
    assert "Read-only file system" in here.refused(*sidecar, "touch", f"{READ}/more")
    here(*sidecar, "touch", f"{WRITE}/made")
    assert (folder / "write/made").exists()
    assert "No such file" in here.refused(*agent, "ls", "/host")
    assert here(*agent, "id", "-u").strip() == "1000"
    containers = here.get("pod", pod)["spec"]
    volumes = {each["name"] for each in containers["volumes"] if "hostPath" in each}
    assert len(volumes) == 2
    for container in [*containers["containers"], *containers["initContainers"]]:
        mounted = volumes & {each["name"] for each in container["volumeMounts"]}
        assert mounted == (volumes if container["name"] == f"skill-{pack}" else set())


@pytest.mark.parametrize("named", [(), ("another",)])
def test_without_the_policys_word_a_run_is_refused(here: Kubectl, model: Model, pack: str, named: tuple[str, ...]) -> None:
    _furnish(here, model, pack, *named)
    said = _refusal(here)
    assert f"skill '{pack}' asks for sidecar.hostAccess, and policy tests does not name it" in said
    assert f"add {pack} to sandboxPolicy.hostAccess of the policy" in said


def test_a_pack_of_a_tenant_with_that_name_is_refused(here: Kubectl, model: Model, sympozium: object, folder: Path) -> None:
    _furnish(here, model, "probe", "probe")
    here.apply(_pack("probe", folder))
    said = _refusal(here)
    assert f"its SkillPack is one of namespace '{here.namespace}'" in said
    assert f"have it applied in {HOME}" in said


def _refusal(here: Kubectl) -> str:
    """Why there was no pod."""
    here.apply(runs.run("looking", "look"))
    status = runs.until_phase(here, "looking", "Failed", "Running", "Succeeded")
    assert (status["phase"], status["reason"], status.get("pod")) == ("Failed", "PolicyDenied", None), status
    assert not here.get("pods")["items"]
    return str(status["message"])
