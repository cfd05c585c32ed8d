"""The tools on the repository: clone, branch, look at changes, commit, push."""

from __future__ import annotations

import shutil
from typing import Annotated

from sympozium_core.sidecar.brief import brief
from sympozium_core.sidecar.calls import Call
from sympozium_core.sidecar.definition import BadArguments, ToolError, tool
from sympozium_skill_github_gitops.exchange import ALL_BUT, Taken, hand_out, open_workspace, take_away, take_in
from sympozium_skill_github_gitops.git import Git
from sympozium_skill_github_gitops.settings import Settings, is_branch

MESSAGE = 8_000
DEPTH = "50"
"""Commits of each branch that a clone has."""


@tool(timeout=280)
def repo_clone(
    call: Call,
    branch: Annotated[str, "The branch to begin on; without it, the one that pull requests go to."] = "",
    discard: Annotated[bool, "Throw away changes that were not pushed, if there is a clone already."] = False,
) -> str:
    """Get the repository into the workspace, where the file tools can read and edit it. Do this first."""
    settings = Settings.from_environment()
    git, start = Git(settings, call), branch or settings.base
    _need_branch(start)
    if git.cloned and not discard:
        raise ToolError(
            f"it is cloned already, in /workspace/{settings.name}; with discard it is cloned anew, and what was not pushed is lost"
        )
    shutil.rmtree(git.folder, ignore_errors=True)
    words = ("clone", "--quiet", f"--depth={DEPTH}", "--no-single-branch", "--no-tags", f"--branch={start}")
    git(*words, "--", settings.remote, str(git.folder))
    _show(git)
    names = git("ls-tree", "--name-only", "HEAD").splitlines()
    last = git("log", "-1", "--format=%h %an, %as: %s").strip()
    top = brief([", ".join(names)], narrow="list_directory shows them", room=2_000)
    return f"{settings.repo} is in /workspace/{settings.name}, on branch {start}.\nLast commit: {last}\nAt its top: {top}"


@tool
def repo_branch(
    name: Annotated[str, "Such as fix/memory-limit. One that exists is switched to; else it begins at the current commit."],
    call: Call,
) -> str:
    """Begin a branch for your change, or switch to another one. Changes that are not committed go along to a new branch."""
    git = _clone(call)
    _need_branch(name)
    if name == git.branch():
        return f"You are on {name} already."
    known = {line.removeprefix("origin/") for line in git("branch", "--all", "--format=%(refname:lstrip=-1)").splitlines()}
    remote = {line.partition("/")[2] for line in git("branch", "--remotes", "--format=%(refname:lstrip=2)").splitlines()}
    if name not in known | remote:
        git("switch", "--quiet", "--create", name)
        return f"You are on the new branch {name}."
    _take(git)
    if git("status", "--porcelain", "--", *ALL_BUT).strip():
        raise ToolError(
            f"branch {name} exists, and there are changes that are not committed: commit them first, or take another name"
        )
    git("reset", "--hard", "--quiet")
    git("switch", "--quiet", name)
    _show(git)
    return f"You are on {name}, which existed: {git('log', '-1', '--format=%h %s').strip()}"


@tool
def repo_diff(call: Call, summary: Annotated[bool, "Only which files, and how much."] = False) -> str:
    """What you have changed since the last commit."""
    git = _clone(call)
    taken = _take(git)
    git("add", "--all", "--intent-to-add", "--", *ALL_BUT)
    try:
        found = git("diff", *(["--stat=120"] if summary else []), "--no-ext-diff", "--no-textconv", "HEAD", "--", *ALL_BUT)
    finally:
        git("reset", "--quiet")
    lines = [*found.splitlines(), *_left_out(taken)]
    return brief(lines, narrow="ask for the summary, or read the files") if lines else "Nothing has changed."


@tool
def repo_commit(
    message: Annotated[str, "First line: what it does, in at most 72 characters. Then, after an empty line, why."],
    call: Call,
    paths: Annotated[list[str] | None, "Only these files or folders of the repository; without it, every change."] = None,
) -> str:
    """Commit what you have changed, on the branch that you are on."""
    if not message.strip() or len(message) > MESSAGE or "\0" in message:
        raise BadArguments(f"the argument 'message' has {len(message)} characters; give 1 to {MESSAGE}")
    git = _clone(call)
    if git.branch() == git.settings.base:
        raise ToolError(f"{git.settings.base} takes changes by pull request alone: begin a branch with repo_branch")
    wanted = [_path(path) for path in paths or ()]
    taken = _take(git)
    git("add", "--all", "--", *(wanted or ALL_BUT))
    if not git("diff", "--cached", "--name-only").strip():
        raise ToolError("nothing has changed there; repo_diff shows what has")
    git("commit", "--quiet", "--no-verify", f"--message={message}")
    stat = git("show", "--stat=120", "--format=%h %s", "HEAD").strip()
    return brief([*stat.splitlines(), *_left_out(taken)], narrow="the commit has them all")


@tool(timeout=280)
def repo_push(call: Call) -> str:
    """Push the branch that you are on. Nothing is ever overwritten, and the branch that pull requests go to is left alone."""
    git = _clone(call)
    branch = git.branch()
    if branch == git.settings.base:
        raise ToolError(f"{branch} is not pushed to: begin a branch with repo_branch, commit there, then push")
    if not git("log", "--format=%h", f"origin/{git.settings.base}..HEAD", "-1").strip():
        raise ToolError(f"{branch} has no commit that {git.settings.base} has not: commit first")
    git("push", "--quiet", "--no-verify", "--", "origin", f"refs/heads/{branch}:refs/heads/{branch}")
    return (
        f"{branch} is pushed, at {git('log', '-1', '--format=%h %s').strip()}. pull_request_create opens a pull request of it."
    )


def _clone(call: Call) -> Git:
    git = Git(Settings.from_environment(), call)
    git.need_clone()
    return git


def _need_branch(name: str) -> None:
    if not is_branch(name):
        raise BadArguments(f"{name[:100]!r} is no name of a branch; such as fix/memory-limit")


def _path(path: str) -> str:
    """As git reads it: no magic, nothing outside."""
    parts = path.removeprefix("./").split("/")
    if not path or path.startswith(("/", ":")) or ".." in parts or "\0" in path:
        raise BadArguments(f"{path[:100]!r} is no path in the repository; such as deploy/values.yaml")
    return f":(literal){path}"


def _show(git: Git) -> None:
    tracked = [name for name in git("ls-files", "-z").split("\0") if name]
    with open_workspace() as workspace:
        take_away(workspace, git.settings.name)
        hand_out(git.folder, tracked, workspace, git.settings.name)


def _take(git: Git) -> Taken:
    with open_workspace() as workspace:
        return take_in(workspace, git.settings.name, git.folder)


def _left_out(taken: Taken) -> list[str]:
    return [f"[left out: {name}]" for name in taken.left_out[:20]]
