"""The skill's tool server, as the process that its class names, against a GitHub of the tests' own."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sympozium_skill_github_gitops import GithubGitopsSkill

from sympozium_core.sidecar.interpreter import python_command
from sympozium_core.testing.authority import Authority
from sympozium_core.testing.tool_client import ToolClient

_spec = importlib.util.spec_from_file_location("github_server", Path(__file__).with_name("github_server.py"))
assert _spec is not None
assert _spec.loader is not None
github_server = importlib.util.module_from_spec(_spec)
sys.modules["github_server"] = github_server
_spec.loader.exec_module(github_server)


@pytest.fixture
def github(tmp_path: Path) -> Iterator[Any]:
    made = github_server.GitHub(tmp_path / "github")
    yield made
    made.close()


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def own_github(tmp_path: Path, authority: Authority) -> Iterator[Any]:
    """A company's, which speaks TLS."""
    made = github_server.GitHub(tmp_path / "own", context=authority.server("127.0.0.1"))
    yield made
    made.close()


@pytest.fixture
def serve(tmp_path: Path, github: Any) -> Iterator[Callable[..., ToolClient]]:
    """A server with the token in its Secret; `secret` replaces it, the rest is environment."""
    made: list[ToolClient] = []

    def serve(secret: str = github.token, authority: str = "", **environment: str) -> ToolClient:
        folder = tmp_path / f"server{len(made)}"
        key = folder / "secrets/GITHUB_TOKEN"
        key.parent.mkdir(parents=True)
        key.write_text(secret + "\n")
        if authority:
            key.with_name("ca.crt").write_text(authority)
        given = {
            "SYMPOZIUM_SECRET": str(folder / "secrets"),
            "SKILL_REPO": "acme/shop",
            "SKILL_API_URL": github.url,
            "SKILL_GIT_URL": github.url,
            **environment,
        }
        made.append(ToolClient(folder / "pod", "github-gitops", python_command(GithubGitopsSkill().module()), **given))
        return made[-1]

    yield serve
    for server in made:
        server.close()
