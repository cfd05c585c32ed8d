"""The tools on pull requests."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from sympozium_core.sidecar.brief import brief
from sympozium_core.sidecar.calls import Call
from sympozium_core.sidecar.definition import BadArguments, ToolError, tool
from sympozium_skill_github_gitops.api import Api
from sympozium_skill_github_gitops.findings import already, known, labels, line
from sympozium_skill_github_gitops.git import Git
from sympozium_skill_github_gitops.settings import Settings

TITLE, BODY, LISTED = 256, 60_000, 100
State = Annotated[Literal["open", "closed", "all"], "Which."]


@tool
def pull_request_create(
    title: Annotated[str, "What it does, in one line."],
    body: Annotated[str, "Markdown: why, how you checked it, what to look at."],
    call: Call,
    branch: Annotated[str, "The branch with the change; without it, the one that you are on."] = "",
    finding: Annotated[
        str, "What it is about as kind/name/what, such as deployment/web/oom-killed: then it is made only once."
    ] = "",
    draft: Annotated[bool, "As a draft."] = False,
) -> str:
    """Open a pull request of a branch that has been pushed."""
    need_words(title, body)
    settings = Settings.from_environment()
    api, head = Api(settings, call), branch or _current(settings, call)
    if finding and (item := known(api, finding)):
        return already(item)
    what = {"title": title, "body": body, "head": head, "base": settings.base, "draft": draft}
    made = api("POST", "/pulls", body=what)
    notes = [*_label(api, made["number"], finding), *_reviewers(api, made["number"])]
    return "\n".join([f"Pull request #{made['number']} is open: {made['html_url']}", *notes])


@tool
def pull_request_list(call: Call, state: State = "open", count: Annotated[int, "How many, the newest first."] = 20) -> str:
    """Pull requests of the repository."""
    if not 1 <= count <= LISTED:
        raise BadArguments(f"the argument 'count' is {count}; give 1 to {LISTED}")
    found = Api(Settings.from_environment(), call)("GET", "/pulls", query={"state": state, "per_page": count})
    return (
        brief([line(each) for each in found], narrow="ask for fewer")
        or f"There is no pull request{'' if state == 'all' else ' that is ' + state}."
    )


@tool
def pull_request_view(number: Annotated[int, "Its number."], call: Call) -> str:
    """A pull request: its state, checks, files, and what was said about it."""
    api = Api(Settings.from_environment(), call)
    found = api("GET", f"/pulls/{number}")
    files = api("GET", f"/pulls/{number}/files", query={"per_page": LISTED})
    checks = api("GET", f"/commits/{found['head']['sha']}/check-runs", query={"per_page": LISTED})["check_runs"]
    said = api("GET", f"/issues/{number}/comments", query={"per_page": LISTED})
    mergeable = {True: "can be merged", False: "has conflicts", None: "GitHub is still finding out whether it can be merged"}
    lines = [
        line(found),
        f"{found['head']['ref']} -> {found['base']['ref']}, {found['commits']} commits, {mergeable[found.get('mergeable')]}",
        found["html_url"],
        *brief((found.get("body") or "").splitlines(), narrow="see the page", room=1_500).splitlines(),
        "",
        *(f"check {each['name']}: {each.get('conclusion') or each['status']}" for each in checks),
        *(f"{each['status']} {each['filename']} +{each['additions']} -{each['deletions']}" for each in files),
        *(f"{each['user']['login']}, {each['created_at'][:16]}: {each['body']}" for each in said),
    ]
    return brief(lines, narrow="see the page")


def need_words(title: str, body: str) -> None:
    if not title.strip() or len(title) > TITLE or "\n" in title:
        raise BadArguments(f"the argument 'title' has {len(title)} characters; give one line of at most {TITLE}")
    if len(body) > BODY:
        raise BadArguments(f"the argument 'body' has {len(body)} characters; at most {BODY}")


def _current(settings: Settings, call: Call) -> str:
    git = Git(settings, call)
    git.need_clone()
    if git.branch() == settings.base:
        raise BadArguments(f"you are on {settings.base}: give the branch, or switch to it with repo_branch")
    return git.branch()


def _label(api: Api, number: int, finding: str) -> list[str]:
    """The pull request is there already: what cannot be added to it is said, and nothing more."""
    return _noted(lambda: api("POST", f"/issues/{number}/labels", body={"labels": labels(api, finding)}), "It has no labels")


def _reviewers(api: Api, number: int) -> list[str]:
    if not api.settings.reviewers:
        return []
    body = {"reviewers": list(api.settings.reviewers)}
    return _noted(lambda: api("POST", f"/pulls/{number}/requested_reviewers", body=body), "Nobody was asked to review it")


def _noted(do: Any, what: str) -> list[str]:
    try:
        do()
        return []
    except ToolError as error:
        return [f"{what}: {str(error).partition(chr(10))[0]}"]
