"""github-gitops at work from its sidecar: over https, with a server that an authority of its own vouches for, and with the token that no other
container has."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sympozium_core.testing.authority import Authority
from sympozium_core.testing.servers.script import from_data
from tests.kubernetes import runs
from tests.kubernetes.kubectl import Kubectl
from tests.kubernetes.machine.layout import ROOT
from tests.kubernetes.runs import NODE_ADDRESS, Model

VALUES, BRANCH = "deploy/values.yaml", "fix/memory"
CHANGED = {"path": f"/workspace/shop/{VALUES}", "content": "memory: 256Mi\n"}
TURNS = [
    ("repo_clone", {}),
    ("repo_branch", {"name": BRANCH}),
    ("write_file", CHANGED),
    ("repo_commit", {"message": "More memory"}),
    ("repo_push", {}),
    ("pull_request_create", {"title": "More memory", "body": "It was killed."}),
]
SCRIPT = {
    "conversations": [
        {
            "when": "mend",
            "turns": [
                *({"tools": [{"name": name, "arguments": arguments}]} for name, arguments in TURNS),
                {"text": "There is a pull request."},
            ],
        },
        {"when": "clone", "turns": [{"tools": [{"name": "repo_clone", "arguments": {}}]}, {"text": "It is refused."}]},
    ]
}


@pytest.fixture(scope="module")
def model() -> Iterator[Model]:
    with runs.serve_model(from_data(SCRIPT)) as served:
        yield served


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def github(tmp_path: Path, authority: Authority) -> Iterator[Any]:
    file = ROOT / "skills/github-gitops/tests/github_server.py"
    spec = importlib.util.spec_from_file_location("github_server", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["github_server"] = module
    spec.loader.exec_module(module)
    made = module.GitHub(tmp_path / "github", NODE_ADDRESS, authority.server(NODE_ADDRESS))
    yield made
    made.close()


def _furnish(here: Kubectl, model: Model, github: Any, **secret: str) -> None:
    values = {"GH_TOKEN": github.token, **secret}
    here(
        "create",
        "secret",
        "generic",
        "github-gitops-token",
        *(f"--from-literal={key}={value}" for key, value in values.items()),
    )
    runs.furnish(
        here,
        model,
        skills=["github-gitops"],
        skillConfig={"github-gitops": {"repo": github.repo, "api_url": github.url, "git_url": github.url}},
    )
    port = int(github.url.rpartition(":")[2])
    here.apply(runs.policy(networkPolicy={"allowedEgress": [{"host": NODE_ADDRESS, "port": port}]}))


def _told(model: Model) -> list[str]:
    """What each tool of the last run has given."""
    return [str(each["content"]) for each in model.server.requests[-1].body["messages"] if each["role"] == "tool"]


def test_a_run_clones_pushes_and_opens_a_pull_request(
    sympozium: object, here: Kubectl, model: Model, github: Any, authority: Authority
) -> None:
    _furnish(here, model, github, **{"ca.crt": authority.pem})
    here.apply(runs.run("mending", "mend it"))
    status = runs.until_phase(here, "mending", "Succeeded", "Failed")
    assert status.get("result") == "There is a pull request.", status
    told = _told(model)
    assert f"{BRANCH} is pushed" in told[4], told
    assert github.show(BRANCH, VALUES) == CHANGED["content"]
    assert github.git("log", "-1", "--format=%an: %s", BRANCH).strip() == "Sympozium Agent: More memory"
    assert [(item.head, item.base) for item in github.items] == [(BRANCH, "main")]
    assert github.token not in "".join(told)
    assert github.url.startswith("https://")


def test_a_server_that_nobody_vouches_for_gets_no_token(sympozium: object, here: Kubectl, model: Model, github: Any) -> None:
    _furnish(here, model, github)
    here.apply(runs.run("cloning", "clone it"))
    status = runs.until_phase(here, "cloning", "Succeeded", "Failed")
    assert status.get("result") == "It is refused.", status
    (told,) = _told(model)
    assert "certificate" in told
    assert "puts its authority into the Secret github-gitops-token, as ca.crt" in told
    assert github.requests == []
