"""GitHub's REST API for one repository. A call gives what GitHub answers, or an error that says what to try."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlencode

from sympozium_core.sidecar.calls import Call
from sympozium_core.sidecar.definition import ToolError
from sympozium_skill_github_gitops.settings import UNKNOWN, Settings, authority, token

if TYPE_CHECKING:
    from sympozium_core.sidecar.web import Reply

VERSION = "2022-11-28"
_CLOSED = "The policy of this agent has to list it in networkPolicy.allowedEgress."
Method = Literal["GET", "POST", "PATCH"]


@dataclass(frozen=True)
class Api:
    """For one call of a tool."""

    settings: Settings
    call: Call

    def __call__(self, method: Method, path: str, *, query: Mapping[str, Any] | None = None, body: Any = None) -> Any:
        """`path` is below ``/repos/<owner>/<name>``. Raises ToolError."""
        from sympozium_core.sidecar.web import Unreachable, ask

        words = f"?{urlencode(query)}" if query else ""
        url = f"{self.settings.api_url}/repos/{self.settings.repo}{path}{words}"
        headers = {
            "Accept": "application/vnd.github+json",
            "Authorization": f"Bearer {token()}",
            "User-Agent": "sympozium-skill-github-gitops",
            "X-GitHub-Api-Version": VERSION,
            **({} if body is None else {"Content-Type": "application/json"}),
        }
        try:
            data = None if body is None else json.dumps(body).encode()
            reply = ask(self.call, url, headers, method=method, data=data, authority=authority())
        except Unreachable as error:
            hint = UNKNOWN if "CERTIFICATE_VERIFY_FAILED" in str(error) else _CLOSED
            raise ToolError(f"{self.settings.api_url} cannot be reached: {error}. {hint}") from error
        if not reply.well:
            raise ToolError(_refusal(reply))
        try:
            return json.loads(reply.body) if reply.body else None
        except ValueError as error:
            raise ToolError("what answers there does not answer as GitHub does: is the parameter api_url right?") from error


_HINTS: Mapping[int, str] = {
    401: "The token is not accepted: whoever runs this agent has to renew it.",
    403: "The token may not do that, or its rate limit is used up: do not try again at once.",
    404: "It does not exist, or the token may not see it.",
    410: "Issues are switched off in this repository.",
}


def _refusal(reply: Reply) -> str:
    said = reply.body.decode("utf-8", "replace")[:600]
    try:
        found = json.loads(reply.body)
        details = [_detail(each) for each in found.get("errors") or ()]
        said = "; ".join([str(found.get("message")), *details])
    except (ValueError, AttributeError):
        pass
    limited = reply.headers.get("x-ratelimit-remaining") == "0"
    hint = "Its rate limit is used up: go on later." if limited else _HINTS.get(reply.status, "")
    return f"GitHub refuses ({reply.status}): {said}\n{hint}".rstrip()


def _detail(error: Any) -> str:
    if not isinstance(error, dict):
        return str(error)
    return str(error.get("message") or f"{error.get('field')} of {error.get('resource')}: {error.get('code')}")
