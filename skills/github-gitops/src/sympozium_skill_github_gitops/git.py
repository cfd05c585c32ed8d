"""git on a clone that is the sidecar's own. The agent never writes into it: what stands in a repository's configuration or hooks is run by git, and
the token would be within its reach. Files go between the clone and the workspace by `exchange`."""

from __future__ import annotations

import os
import re
import shlex
import shutil
from pathlib import Path

from sympozium_core.names import ENV_SECRET, ENV_TMP, NO_PROXY_VARIABLES, PROXY_VARIABLES
from sympozium_core.sidecar.calls import Call
from sympozium_core.sidecar.command import Command, run_command
from sympozium_core.sidecar.definition import ToolError
from sympozium_core.sidecar.interpreter import python_command
from sympozium_skill_github_gitops.settings import UNKNOWN, Settings, authority

TIMEOUT = 240.0
MOST = 4 * 1024 * 1024
AUTHOR = {"NAME": "Sympozium Agent", "EMAIL": "sympozium@users.noreply.github.com"}
_FIXED = {
    "core.hooksPath": "/dev/null",
    "core.fsmonitor": "false",
    "protocol.allow": "never",
    "protocol.https.allow": "always",
    "protocol.http.allow": "always",
    "http.followRedirects": "false",
    "submodule.recurse": "false",
    "gc.auto": "0",
    "commit.gpgSign": "false",
    "advice.detachedHead": "false",
    "core.quotePath": "false",
}
_CLOSED = "The network of this run does not reach it: its policy has to list the host in networkPolicy.allowedEgress."
_KEPT = ("PATH", "LANG", ENV_SECRET, *PROXY_VARIABLES, *NO_PROXY_VARIABLES)
_HINTS = (
    ("CONNECT tunnel failed", _CLOSED),
    ("from proxy after CONNECT", _CLOSED),
    ("certificate", UNKNOWN),
    ("Authentication failed", "The token is not accepted: whoever runs this agent has to renew it."),
    ("403", "The token may not do that with this repository."),
    ("not found", "The repository or branch does not exist, or the token may not see it."),
    ("Could not resolve host", _CLOSED),
    ("Failed to connect", _CLOSED),
    ("non-fast-forward", "Somebody has pushed to that branch meanwhile: use another branch name."),
    ("[rejected]", "Somebody has pushed to that branch meanwhile: use another branch name."),
    ("protected branch", "That branch is protected: push another one and open a pull request."),
)


class Git:
    """For one call of a tool."""

    def __init__(self, settings: Settings, call: Call) -> None:
        self.settings = settings
        self._call = call

    @property
    def folder(self) -> Path:
        return Path(os.environ.get(ENV_TMP) or "/tmp", "repositories", self.settings.repo.replace("/", "--"))

    @property
    def cloned(self) -> bool:
        return (self.folder / ".git").is_dir()

    def __call__(self, *words: str, timeout: float = TIMEOUT) -> str:
        """Standard output. Raises ToolError that says what to try."""
        program = shutil.which("git")
        if program is None:
            raise ToolError("there is no git in this sidecar; its image has to hold one (sympozium-skill-git does)")
        settings = [word for key, value in self._configuration().items() for word in ("-c", f"{key}={value}")]
        where = str(self.folder) if self.cloned else str(self._parent())
        command = Command([program, *settings, *words], where, self._environment(), timeout, keep=MOST)
        done = run_command(command, self._call)
        if done.timed_out:
            raise ToolError(f"git {words[0]} took longer than {timeout:.0f} s")
        if done.exit_code:
            raise ToolError(_explained(words[0], done.stderr.strip() or done.stdout.strip()))
        return done.stdout

    def need_clone(self) -> None:
        if not self.cloned:
            raise ToolError("the repository has not been cloned yet: call repo_clone first")

    def branch(self) -> str:
        return self("symbolic-ref", "--short", "HEAD").strip()

    def _parent(self) -> Path:
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        return self.folder.parent

    def _configuration(self) -> dict[str, str]:
        """The empty helper takes away those of anybody else."""
        helper = shlex.join(python_command(f"{__package__}.credential"))
        trusted = {"http.sslCAInfo": file} if (file := authority()) else {}
        return {**_FIXED, **trusted, "credential.helper": "", f"credential.{self.settings.git_url}.helper": f"!{helper}"}

    def _environment(self) -> dict[str, str]:
        temporary = os.environ.get(ENV_TMP) or "/tmp"
        kept = {name: value for name, value in os.environ.items() if name in _KEPT}
        who = {f"GIT_{role}_{key}": value for role in ("AUTHOR", "COMMITTER") for key, value in AUTHOR.items()}
        alone = {
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": "/dev/null",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_LFS_SKIP_SMUDGE": "1",
        }
        return {"PATH": "/usr/bin:/bin", "HOME": temporary, "TMPDIR": temporary, "LANG": "C.UTF-8", **kept, **who, **alone}


def _explained(what: str, said: str) -> str:
    said = re.sub(r"(://)[^/@\s]+@", r"\1", said)[-1500:]
    hint = next((hint for sign, hint in _HINTS if sign.lower() in said.lower()), "")
    return f"git {what}: {said}\n{hint}".rstrip()
