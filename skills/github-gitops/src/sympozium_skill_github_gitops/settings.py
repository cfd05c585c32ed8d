"""What whoever runs the agent has decided: the one repository, and how it is reached. From the skill's parameters and its Secret."""

from __future__ import annotations

import os
import re
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass

from sympozium_core.sidecar.definition import ToolError
from sympozium_core.sidecar.secret import read_secret, secret_file

SECRET, KEYS = "github-gitops-token", ("GH_TOKEN", "GITHUB_TOKEN")
AUTHORITY = "ca.crt"
"""Key of the Secret with the certificates by which an own server is known, in the place of the public ones."""
UNKNOWN = f"Nobody that is trusted vouches for this server: whoever runs this agent puts its authority into the Secret {SECRET}, as {AUTHORITY}."
_REPO = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,38})/[A-Za-z0-9_.-]{1,100}")
_BRANCH = re.compile(r"(?!-)(?!.*(?:\.\.|//|@\{|\.lock(?:/|$)))[A-Za-z0-9_./-]{1,200}(?<![./])")


@dataclass(frozen=True)
class Settings:
    repo: str
    """``owner/name``."""
    base: str
    """The branch that pull requests go to, and that nobody pushes to."""
    api_url: str
    git_url: str
    labels: tuple[str, ...]
    reviewers: tuple[str, ...]

    @property
    def name(self) -> str:
        return self.repo.partition("/")[2]

    @property
    def remote(self) -> str:
        return f"{self.git_url}/{self.repo}.git"

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Settings:
        """Raises ToolError that names the parameter."""
        repo = environment.get("SKILL_REPO", "")
        if not _REPO.fullmatch(repo) or repo.endswith((".git", "/.", "/..")):
            raise _wrong("repo", repo, "owner/name, such as acme/shop")
        base = environment.get("SKILL_DEFAULT_BRANCH") or environment.get("SKILL_BRANCH") or "main"
        if not is_branch(base):
            raise _wrong("branch", base, "the name of a branch, such as main")
        return cls(
            repo,
            base,
            _url("api_url", environment, "https://api.github.com"),
            _url("git_url", environment, "https://github.com"),
            _words(environment.get("SKILL_LABELS", "")),
            _words(environment.get("SKILL_REVIEWERS", "")),
        )


def token() -> str:
    """Read for each use, so that a new one counts at once. Raises ToolError."""
    try:
        return read_secret(f"/secrets/{SECRET}", *KEYS).strip()
    except LookupError as error:
        raise ToolError(
            f"{error}; whoever runs this agent makes it: kubectl create secret generic {SECRET} --from-literal={KEYS[0]}=…"
        ) from error


def authority() -> str:
    """The file with them; empty where the public ones count."""
    return secret_file(f"/secrets/{SECRET}", AUTHORITY)


def is_branch(name: str) -> bool:
    return _BRANCH.fullmatch(name) is not None


def _url(parameter: str, environment: Mapping[str, str], usual: str) -> str:
    given = (environment.get(f"SKILL_{parameter.upper()}") or usual).rstrip("/")
    parts = urllib.parse.urlsplit(given)
    local = parts.hostname in ("127.0.0.1", "::1", "localhost")
    if not parts.hostname or parts.username or parts.scheme not in (("https", "http") if local else ("https",)):
        raise _wrong(parameter, given, f"such as {usual}; the token goes there, so nothing but https will do")
    return given


def _wrong(parameter: str, value: str, good: str) -> ToolError:
    what = f"is {value[:100]!r}" if value else "is not set"
    return ToolError(f"the parameter {parameter} of this skill {what}; whoever runs this agent sets it: {good}")


def _words(text: str) -> tuple[str, ...]:
    return tuple(word for part in text.split(",") if (word := part.strip()))
