"""``python -m sympozium_skill_github_gitops``: the tool server, of this skill and of others that bring its tools under their own name."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any


def main() -> None:
    from sympozium_core.sidecar.server import Server
    from sympozium_skill_github_gitops import issues, pull_requests, repository

    tools: list[Callable[..., Any]] = [
        repository.repo_clone,
        repository.repo_branch,
        repository.repo_diff,
        repository.repo_commit,
        repository.repo_push,
    ]
    tools += [pull_requests.pull_request_create, pull_requests.pull_request_list, pull_requests.pull_request_view]
    tools += [issues.issue_create, issues.issue_list, issues.comment_add]
    # One call at a time: they work on one clone.
    Server(os.environ.get("SYMPOZIUM_SKILL_PACK") or "github-gitops", tools, parallel=1).serve()


if __name__ == "__main__":
    main()
