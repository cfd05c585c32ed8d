"""So that the same thing is reported once: what an agent has found gets a fingerprint, which issues and pull requests carry as a label."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from sympozium_core.sidecar.definition import BadArguments
from sympozium_skill_github_gitops.api import Api

PREFIX = "sympozium-fp:"
OURS = "sympozium"
LONGEST = 200


def fingerprint(finding: str) -> str:
    """The label for ``deployment/web/oom-killed``, however it is written. Raises BadArguments."""
    parts = [part.strip().lower() for part in finding.split("/")]
    if len(finding) > LONGEST or len(parts) < 2 or not all(parts):
        raise BadArguments(
            f"the argument 'finding' is {finding[:100]!r}; give kind/name/what, always in the same words, such as deployment/web/oom-killed"
        )
    return PREFIX + hashlib.sha256("/".join(parts).encode()).hexdigest()[:12]


def known(api: Api, finding: str, *, state: str = "open") -> Mapping[str, Any] | None:
    """The newest issue or pull request about it."""
    query = {"labels": fingerprint(finding), "state": state, "per_page": 1, "sort": "created", "direction": "desc"}
    found = api("GET", "/issues", query=query)
    return found[0] if found else None


def already(item: Mapping[str, Any]) -> str:
    kind = "Pull request" if "pull_request" in item else "Issue"
    return (
        f"{kind} #{item['number']} is about this already, and open: {item['title']} ({item['html_url']}). "
        "Nothing new was made; say what is new there, with comment_add."
    )


def labels(api: Api, finding: str) -> list[str]:
    return [OURS, *api.settings.labels, *([fingerprint(finding)] if finding else [])]


def line(item: Mapping[str, Any]) -> str:
    """One line of a list."""
    kind = "pull" if "pull_request" in item or "head" in item else "issue"
    names = ", ".join(label["name"] for label in item.get("labels") or () if not label["name"].startswith(PREFIX))
    state = "merged" if item.get("merged_at") else item["state"]
    author = (item.get("user") or {}).get("login")
    return f"#{item['number']} {kind} {state}: {item['title']} (by {author}, {item['updated_at'][:10]}{', ' + names if names else ''})"
