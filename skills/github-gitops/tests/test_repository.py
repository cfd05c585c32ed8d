"""From clone to push, against a real git server; what an agent may put into its workspace to get at the token; and that the token is nowhere."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sympozium_core.testing.tool_client import ToolClient

Serve = Callable[..., ToolClient]


def test_from_clone_to_push(serve: Serve, github: Any) -> None:
    server = serve()
    said = server.done("repo_clone")
    assert "/workspace/shop, on branch main" in said
    assert "README.md" in said
    shop = server.workspace / "shop"
    assert (shop / "deploy/values.yaml").read_text() == "replicas: 1\nmemory: 128Mi\n"
    assert os.access(shop / "run.sh", os.X_OK)
    assert os.readlink(shop / "latest") == "deploy/values.yaml"
    assert server.done("repo_diff") == "Nothing has changed."
    assert "pull request alone" in server.refused("repo_commit", message="Straight")
    server.done("repo_branch", name="fix/memory")
    (shop / "deploy/values.yaml").write_text("replicas: 1\nmemory: 256Mi\n")
    (shop / "new file.txt").write_text("new\n")
    (shop / "README.md").unlink()
    diff = server.done("repo_diff")
    assert {"-memory: 128Mi", "+memory: 256Mi", "+new", "-# Shop"} <= set(diff.splitlines())
    assert "3 files changed" in server.done("repo_diff", summary=True)
    committed = server.done("repo_commit", message="More memory\n\nIt was killed.", paths=["deploy"])
    assert "values.yaml" in committed
    assert "README" not in committed
    assert "new file.txt" in server.done("repo_commit", message="The rest")
    assert "nothing has changed" in server.refused("repo_commit", message="Nothing")
    assert "fix/memory is pushed" in server.done("repo_push")
    assert github.show("fix/memory", "deploy/values.yaml") == "replicas: 1\nmemory: 256Mi\n"
    assert github.git("log", "-1", "--format=%an", "fix/memory").strip() == "Sympozium Agent"
    assert "README.md" not in github.git("ls-tree", "--name-only", "fix/memory")
    assert "120000" in github.git("ls-tree", "fix/memory", "latest"), "a link stays a link"


def test_a_branch_that_exists_is_gone_on_with(serve: Serve, github: Any) -> None:
    first = serve()
    first.done("repo_clone")
    first.done("repo_branch", name="work")
    (first.workspace / "shop/one").write_text("1")
    first.done("repo_commit", message="One")
    first.done("repo_push")
    second = serve()
    second.done("repo_clone")
    assert "which existed" in second.done("repo_branch", name="work")
    assert (second.workspace / "shop/one").read_text() == "1"
    (second.workspace / "shop/two").write_text("2")
    assert "commit them first" in second.refused("repo_branch", name="main")
    second.done("repo_commit", message="Two")
    second.done("repo_push")
    (first.workspace / "shop/three").write_text("3")
    first.done("repo_commit", message="Three")
    assert "another branch name" in first.refused("repo_push"), "nothing is overwritten"
    assert "with discard" in first.refused("repo_clone")
    first.done("repo_clone", discard=True)
    assert not (first.workspace / "shop/three").exists()


def test_the_token_is_in_no_file_and_in_no_process(serve: Serve, github: Any, tmp_path: Path) -> None:
    server = serve()
    server.done("repo_clone")
    server.done("repo_branch", name="work")
    (server.workspace / "shop/one").write_text("1")
    server.done("repo_commit", message="One")
    server.done("repo_push")
    pod = tmp_path / "server0/pod"
    found = [
        file
        for file in pod.rglob("*")
        if file.is_file() and not file.is_symlink() and github.token.encode() in file.read_bytes()
    ]
    assert found == []
    for place in ("environ", "cmdline"):
        assert github.token.encode() not in Path(f"/proc/{server.process.pid}/{place}").read_bytes()


def test_what_an_agent_writes_is_not_run_and_leads_nowhere(serve: Serve, github: Any, tmp_path: Path) -> None:
    """The workspace is the agent's: hooks and configuration of a repository there, links to the Secret, pipes."""
    server = serve()
    server.done("repo_clone")
    server.done("repo_branch", name="work")
    shop, ran = server.workspace / "shop", tmp_path / "ran"
    hooks = shop / ".git/hooks"
    hooks.mkdir(parents=True)
    for hook in ("pre-commit", "pre-push", "post-checkout"):
        (hooks / hook).write_text(f"#!/bin/sh\ntouch {ran}\n")
        (hooks / hook).chmod(0o755)
    (shop / ".git/config").write_text(f'[core]\n\tfsmonitor = "touch {ran}"\n[filter "x"]\n\tclean = "touch {ran}"\n')
    (shop / ".gitattributes").write_text("* filter=x\n")
    (shop / "token").symlink_to(tmp_path / "server0/secrets/GITHUB_TOKEN")
    (shop / "folder").symlink_to(tmp_path / "server0/secrets")
    os.mkfifo(shop / "pipe")
    said = server.done("repo_commit", message="Take this")
    assert "left out: pipe" in said
    server.done("repo_push")
    tree = github.git("ls-tree", "-r", "work")
    assert ".git/" not in tree
    assert "GITHUB_TOKEN" not in tree, "a folder behind a link is not read"
    assert github.token not in github.show("work", "token"), "the link itself, not what it leads to"
    assert not ran.exists()


def test_a_link_in_the_place_of_the_folder_is_refused(serve: Serve, tmp_path: Path) -> None:
    server = serve()
    server.done("repo_clone")
    server.done("repo_branch", name="work")
    shop = server.workspace / "shop"
    shop.rename(server.workspace / "elsewhere")
    shop.symlink_to(tmp_path / "server0/secrets")
    assert "is a link" in server.refused("repo_commit", message="Take this")
    server.done("repo_clone", discard=True)
    assert not shop.is_symlink()
    assert (tmp_path / "server0/secrets/GITHUB_TOKEN").exists(), "what the link led to is left alone"


@pytest.mark.parametrize(
    ("tool", "arguments", "says"),
    [
        ("repo_clone", {"branch": "--upload-pack=touch x"}, "no name of a branch"),
        ("repo_branch", {"name": "a..b"}, "no name of a branch"),
        ("repo_branch", {"name": "-f"}, "no name of a branch"),
        ("repo_commit", {"message": " "}, "1 to 8000"),
        ("repo_commit", {"message": "m", "paths": ["../x"]}, "no path"),
        ("repo_commit", {"message": "m", "paths": [":(top)x"]}, "no path"),
    ],
)
def test_what_does_not_fit_is_refused(serve: Serve, tool: str, arguments: dict[str, Any], says: str) -> None:
    server = serve()
    if tool != "repo_clone":
        server.done("repo_clone")
        if tool == "repo_commit":
            server.done("repo_branch", name="work")
    assert says in server.refused(tool, **arguments)


@pytest.mark.parametrize(
    ("environment", "says"),
    [
        ({"SKILL_REPO": ""}, "the parameter repo of this skill is not set"),
        ({"SKILL_REPO": "acme"}, "owner/name"),
        ({"SKILL_REPO": "acme/../evil"}, "owner/name"),
        ({"SKILL_GIT_URL": "http://github.com"}, "nothing but https"),
        ({"SKILL_BRANCH": "-x"}, "the parameter branch"),
        ({"SKILL_REPO": "acme/other"}, "not exist"),
        ({"secret": "ghp_wrong"}, "token is not accepted"),
        ({"SYMPOZIUM_SECRET": "/nowhere"}, "kubectl create secret generic github-gitops-token"),
    ],
)
def test_what_is_set_wrong_is_named(serve: Serve, environment: dict[str, str], says: str) -> None:
    assert says in serve(**environment).refused("repo_clone")


def test_without_a_clone_the_first_step_is_named(serve: Serve) -> None:
    assert "repo_clone first" in serve().refused("repo_push")
