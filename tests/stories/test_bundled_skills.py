"""Skills that come with Sympozium, each in a whole run of this machine: attached by name, served by its package, with the parameters of the instance."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sympozium_core.testing.authority import Authority
from sympozium_core.testing.conversations import call, results, turns
from sympozium_core.testing.embedded import OpenPlane, furnish, phase_of, secret, status_of
from sympozium_core.testing.servers.openai import OpenAIServer
from sympozium_core.testing.servers.script import Answer

GITHUB = Path(__file__).parents[2] / "skills/github-gitops/tests/github_server.py"


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def github(tmp_path: Path, own_address: str, authority: Authority) -> Iterator[Any]:
    """The GitHub of that skill's own tests."""
    spec = importlib.util.spec_from_file_location("github_of_the_stories", GITHUB)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    made = module.GitHub(tmp_path / "github", own_address, authority.server(own_address))
    yield made
    made.close()
    del sys.modules[spec.name]


@pytest.mark.parametrize("sandbox", ["process", "bubblewrap"])
async def test_llmfit_and_instructions(open_plane: OpenPlane, model: OpenAIServer) -> None:
    guide = call("read_file", path="/skills/code-review/review-guidelines.md")
    model.script = turns(Answer("", (call("model_memory", model="llama3.1:8b"), guide)), Answer("It fits."))
    async with open_plane() as plane:
        await furnish(plane, model, skills=["llmfit", "code-review"])
        ended = await plane.ended(await plane.run("Does it fit?"), within=60)
        assert phase_of(ended) == "Succeeded", status_of(ended)
        reckoned, read = results(model.requests[1])
        assert "Llama 3.1 8B" in reckoned
        assert "# Reviewing code" in read
        assert "review-guidelines" in str(model.requests[0].body["messages"])


@pytest.mark.parametrize("sandbox", ["process", "bubblewrap"])
async def test_from_a_task_to_a_pull_request(
    open_plane: OpenPlane, model: OpenAIServer, github: Any, own_address: str, authority: Authority
) -> None:
    """In `process`, where runs have the machine's network, and in `bubblewrap`, where the policy opens a way; the token in a Secret of the embedded
    control plane."""
    values = "/workspace/shop/deploy/values.yaml"
    model.script = turns(
        Answer("", (call("repo_clone"),)),
        Answer("", (call("repo_branch", name="fix/memory"),)),
        Answer("", (call("write_file", path=values, content="replicas: 1\nmemory: 256Mi\n"),)),
        Answer("", (call("repo_commit", message="More memory"),)),
        Answer("", (call("repo_push"),)),
        Answer(
            "", (call("pull_request_create", title="More memory", body="It was killed.", finding="deployment/web/oom-killed"),)
        ),
        Answer("It is asked for."),
    )
    parameters = {"repo": "acme/shop", "api_url": github.url, "git_url": github.url}
    listed = {"host": f"{own_address}/32", "port": int(github.url.rpartition(":")[2])}
    policy = {
        "apiVersion": "sympozium.ai/v1alpha1",
        "kind": "SympoziumPolicy",
        "metadata": {"name": "to-github"},
        "spec": {"template": "Permissive", "networkPolicy": {"denyAll": True, "allowedEgress": [listed]}},
    }
    async with open_plane() as plane:
        token = secret("github-gitops-token", github.token, key="GH_TOKEN")
        token["stringData"]["ca.crt"] = authority.pem
        await plane.apply(token, policy)
        await furnish(plane, model, policy="to-github", skills=["software-dev"], skillConfig={"software-dev": parameters})
        ended = await plane.ended(await plane.run("Give it more memory."), within=90)
        assert phase_of(ended) == "Succeeded", status_of(ended)
        assert "Pull request #1 is open" in results(model.requests[-1])[-1]
        journal = str(await plane.journal(ended))
    assert github.show("fix/memory", "deploy/values.yaml") == "replicas: 1\nmemory: 256Mi\n"
    assert github.items[0].labels[0] == "sympozium"
    assert github.refusals == []
    assert github.token not in str([seen.body for seen in model.requests]) + journal
