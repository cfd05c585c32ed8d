"""The repository tools, under this skill's own name."""

from __future__ import annotations

from pathlib import Path

from sympozium_skill_software_dev import SoftwareDevSkill

from sympozium_core.resources.skill_folder import read_skill_folder
from sympozium_core.sidecar.interpreter import python_command
from sympozium_core.testing.tool_client import ToolClient


def test_it_serves_the_repository_tools_under_its_own_name(tmp_path: Path) -> None:
    skill = SoftwareDevSkill()
    with ToolClient(
        tmp_path, "software-dev", python_command(skill.module()), SYMPOZIUM_SKILL_PACK="software-dev", SKILL_REPO="acme/shop"
    ) as server:
        assert {"repo_clone", "repo_push", "pull_request_create"} <= {tool.name for tool in server.manifest().tools}
        assert "repo_clone first" in server.refused("repo_push")


def test_it_has_the_secret_of_github_gitops() -> None:
    sidecar = read_skill_folder(SoftwareDevSkill().folder())["spec"]["sidecar"]
    assert sidecar["secretRef"] == "github-gitops-token"
