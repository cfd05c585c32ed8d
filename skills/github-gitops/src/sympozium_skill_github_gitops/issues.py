"""The tools on issues, and on what is said about issues and pull requests."""

from __future__ import annotations

from typing import Annotated, Any

from sympozium_core.sidecar.brief import brief
from sympozium_core.sidecar.calls import Call
from sympozium_core.sidecar.definition import BadArguments, tool
from sympozium_skill_github_gitops.api import Api
from sympozium_skill_github_gitops.findings import already, fingerprint, known, labels, line
from sympozium_skill_github_gitops.pull_requests import BODY, LISTED, State, need_words
from sympozium_skill_github_gitops.settings import Settings


@tool
def issue_create(
    title: Annotated[str, "What is wrong, in one line."],
    body: Annotated[str, "Markdown: what you saw, since when, what it means, what could be done."],
    finding: Annotated[
        str, "What it is about as kind/name/what, such as deployment/web/oom-killed: then it is made only once."
    ],
    call: Call,
) -> str:
    """Open an issue, unless there is an open one about the same finding."""
    need_words(title, body)
    api = Api(Settings.from_environment(), call)
    if item := known(api, finding):
        return already(item)
    before = known(api, finding, state="closed")
    made = api("POST", "/issues", body={"title": title, "body": body, "labels": labels(api, finding)})
    again = f" #{before['number']} was about the same and is closed." if before else ""
    return f"Issue #{made['number']} is open: {made['html_url']}.{again}"


@tool
def issue_list(
    call: Call,
    state: State = "open",
    finding: Annotated[str, "Only about this finding, as kind/name/what."] = "",
    label: Annotated[str, "Only with this label."] = "",
    count: Annotated[int, "How many, the newest first."] = 20,
) -> str:
    """Issues and pull requests of the repository."""
    if not 1 <= count <= LISTED:
        raise BadArguments(f"the argument 'count' is {count}; give 1 to {LISTED}")
    wanted = [*([fingerprint(finding)] if finding else []), *([label] if label else [])]
    query: dict[str, Any] = {"state": state, "per_page": count, **({"labels": ",".join(wanted)} if wanted else {})}
    found = Api(Settings.from_environment(), call)("GET", "/issues", query=query)
    return brief([line(each) for each in found], narrow="ask for fewer") or "There is none."


@tool
def comment_add(number: Annotated[int, "Of the issue or pull request."], body: Annotated[str, "Markdown."], call: Call) -> str:
    """Say something about an issue or a pull request."""
    if not body.strip() or len(body) > BODY:
        raise BadArguments(f"the argument 'body' has {len(body)} characters; give 1 to {BODY}")
    made = Api(Settings.from_environment(), call)("POST", f"/issues/{number}/comments", body={"body": body})
    return f"Said: {made['html_url']}"
