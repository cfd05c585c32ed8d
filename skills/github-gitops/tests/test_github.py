"""Pull requests, issues and comments, against a strict local GitHub; and that the same finding is reported once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sympozium_skill_github_gitops.findings import fingerprint

from sympozium_core.sidecar.definition import BadArguments
from sympozium_core.testing.authority import Authority
from sympozium_core.testing.tool_client import ToolClient

Serve = Callable[..., ToolClient]
FINDING = "deployment/web/oom-killed"


def pushed(server: ToolClient, branch: str = "fix/memory") -> ToolClient:
    server.done("repo_clone")
    server.done("repo_branch", name=branch)
    (server.workspace / "shop/deploy/values.yaml").write_text("memory: 256Mi\n")
    server.done("repo_commit", message="More memory")
    server.done("repo_push")
    return server


def test_a_pull_request_is_opened_seen_and_talked_about(serve: Serve, github: Any) -> None:
    server = pushed(serve(SKILL_LABELS="infra, urgent", SKILL_REVIEWERS="alice"))
    said = server.done("pull_request_create", title="More memory", body="It was killed.", finding=FINDING)
    assert said == "Pull request #1 is open: https://github.com/acme/shop/pull/1"
    (item,) = github.items
    assert (item.head, item.base, item.reviewers) == ("fix/memory", "main", ["alice"])
    assert item.labels == ["sympozium", "infra", "urgent", fingerprint(FINDING)]
    assert "#1 pull open: More memory (by agent, 2026-11-29, sympozium, infra, urgent)" in server.done("pull_request_list")
    server.done("comment_add", number=1, body="Checked it.")
    view = server.done("pull_request_view", number=1)
    for part in (
        "fix/memory -> main, 1 commits, can be merged",
        "check tests: success",
        "modified deploy/values.yaml +1 -2",
        "Checked it.",
    ):
        assert part in view, view
    assert github.refusals == []


def test_the_same_finding_is_reported_once(serve: Serve, github: Any) -> None:
    server = serve()
    assert "Issue #1 is open" in server.done("issue_create", title="OOM", body="It is killed.", finding=FINDING)
    again = server.done("issue_create", title="Out of memory", body="Again.", finding="Deployment/web/OOM-killed ")
    assert "Issue #1 is about this already" in again
    assert "comment_add" in again
    assert len(github.items) == 1
    assert "#1 issue open: OOM" in server.done("issue_list", finding=FINDING)
    pushed(server)
    assert "#1 is about this already" in server.done("pull_request_create", title="Fix", body="", finding=FINDING)
    assert "Issue #2" in server.done("issue_create", title="Other", body="", finding="deployment/api/oom-killed")
    github.items[0].state = "closed"
    assert "#1 was about the same and is closed" in server.done("issue_create", title="OOM", body="Back.", finding=FINDING)
    assert "There is none." in server.done("issue_list", label="no-such-label")
    assert github.refusals == []


def test_what_github_refuses_is_said_in_its_words(serve: Serve, github: Any) -> None:
    server = pushed(serve(SKILL_REVIEWERS="mallory"))
    assert "head of PullRequest: invalid" in server.refused("pull_request_create", title="x", body="", branch="no-such-branch")
    assert "not a collaborator" in server.done("pull_request_create", title="x", body="")
    assert "already exists for acme:fix/memory" in server.refused("pull_request_create", title="x", body="")
    assert "may not see it" in server.refused("pull_request_view", number=99)
    assert "Bad credentials" in serve(secret="ghp_wrong").refused("issue_list")


def test_an_address_that_does_not_answer_is_named(serve: Serve) -> None:
    assert "allowedEgress" in serve(SKILL_API_URL="http://127.0.0.1:9").refused("issue_list")


@pytest.mark.parametrize(
    ("tool", "arguments", "says"),
    [
        ("issue_create", {"title": "", "body": "", "finding": FINDING}, "one line"),
        ("issue_create", {"title": "x", "body": "", "finding": "oom"}, "kind/name/what"),
        ("issue_list", {"count": 0}, "1 to 100"),
        ("issue_list", {"state": "new"}, "one of open"),
        ("pull_request_list", {"count": 101}, "1 to 100"),
        ("comment_add", {"number": 1, "body": " "}, "1 to 60000"),
        ("pull_request_create", {"title": "x", "body": ""}, "repo_clone first"),
    ],
)
def test_what_does_not_fit_is_refused(serve: Serve, github: Any, tool: str, arguments: dict[str, Any], says: str) -> None:
    assert says in serve().refused(tool, **arguments)
    assert [request for request in github.requests if request[0] == "POST"] == []


def test_a_fingerprint_is_the_same_however_it_is_written_and_fits_a_label() -> None:
    assert fingerprint("Deployment/Web/OOM ") == fingerprint("deployment/web / oom")
    assert len(fingerprint("a/b")) <= 50
    for wrong in ("", "a", "a//b", "x/" * 200):
        with pytest.raises(BadArguments):
            fingerprint(wrong)


def test_an_own_server_is_known_by_the_authority_of_the_secret(serve: Serve, own_github: Any, authority: Authority) -> None:
    places = {"SKILL_API_URL": own_github.url, "SKILL_GIT_URL": own_github.url}
    server = pushed(serve(authority=authority.pem, **places))
    server.done("pull_request_create", title="More memory", body="It was killed.")
    assert own_github.show("fix/memory", "deploy/values.yaml") == "memory: 256Mi\n"
    stranger = serve(**places)
    for tool in ("repo_clone", "issue_list"):
        assert "puts its authority into the Secret github-gitops-token, as ca.crt" in stranger.refused(tool)
