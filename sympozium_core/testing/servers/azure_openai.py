"""Azure OpenAI's chat completions, strictly: dated API versions by deployment, and the v1 API.

https://learn.microsoft.com/azure/ai-foundry/openai/reference and .../openai/api-version-lifecycle. `model` is the name of the deployment.
Alone: ``python -m sympozium_core.testing.servers.azure_openai --port 8080 --script turns.yaml``.
"""

from __future__ import annotations

from typing import Any, ClassVar

from sympozium_core.testing.servers.host import Refusal, Seen
from sympozium_core.testing.servers.openai import OpenAIServer, sse
from sympozium_core.testing.servers.openai_request import BadRequest, check_body
from sympozium_core.testing.servers.script import Answer

VERSIONS = ("2024-06-01", "2024-10-21", "2024-12-01-preview", "2025-04-01-preview")
V1_VERSIONS = ("", "v1", "preview", "latest")
V1_PATH = "/openai/v1/chat/completions"
_DENIED = (
    "Access denied due to invalid subscription key or wrong API endpoint. Make sure to provide a valid key for an active subscription "
    "and use a correct regional API endpoint for your resource."
)
_WORDS: dict[int, tuple[str, str]] = {
    400: ("BadRequest", "Invalid request."),
    401: ("401", _DENIED),
    403: ("AccessDenied", "Public access is disabled. Please configure private endpoint."),
    404: ("DeploymentNotFound", "The API deployment for this resource does not exist. If you created the deployment within the last 5 minutes, please wait a moment and try again."),
    413: ("413", "Request too large."),
    429: ("429", "Requests to the ChatCompletions_Create Operation have exceeded token rate limit of your current OpenAI S0 pricing tier. Please retry after 7 seconds."),
    500: ("InternalServerError", "The server had an error processing your request. Sorry about that!"),
    503: ("ServiceUnavailable", "The service is temporarily unable to process your request. Please try again later."),
}  # fmt: skip
_UNFILTERED = {name: {"filtered": False, "severity": "safe"} for name in ("hate", "self_harm", "sexual", "violence")}


class AzureOpenAIServer(OpenAIServer):
    credential_key: ClassVar[str] = "AZURE_OPENAI_API_KEY"

    @property
    def base_url(self) -> str:
        return self.address

    def check(self, seen: Seen) -> Refusal | None:
        # The real service looks at the key before anything else.
        if seen.headers.get("api-key") != self.key:
            return self.refusal(401)
        version = seen.query.get("api-version", "")
        if seen.method != "POST":
            return _error(404, "404", "Resource not found")
        if seen.path == V1_PATH:
            if version not in V1_VERSIONS:
                return _error(400, "BadRequest", "API version not supported")
            return self.check_request(seen)
        start, end = "/openai/deployments/", "/chat/completions"
        if not seen.path.startswith(start) or not seen.path.endswith(end) or version not in VERSIONS:
            return _error(404, "404", "Resource not found")
        if seen.path.removeprefix(start).removesuffix(end) != self.model:
            return self.refusal(404)
        return self.check_request(seen)

    def check_request(self, seen: Seen) -> Refusal | None:
        try:
            # By deployment, the path says which model; `model` in the body is allowed and ignored.
            check_body(seen.body, required=("model", "messages") if seen.path == V1_PATH else ("messages",))
        except BadRequest as error:
            return Refusal(400, error.body)
        return self.refusal(404) if seen.path == V1_PATH and seen.body["model"] != self.model else None

    def refusal(self, status: int, *, quoted: str = "") -> Refusal:
        code, message = _WORDS.get(status, _WORDS[500])
        return _error(status, code, message)

    def pieces(self, answer: Answer, seen: Seen) -> list[bytes]:
        # The verdict on the prompt comes first, in a chunk without choices.
        verdict: dict[str, Any] = {
            **self.frame(answer, seen, ""),
            "id": "",
            "model": "",
            "choices": [],
            "prompt_filter_results": [{"prompt_index": 0, "content_filter_results": _UNFILTERED}],
        }
        return [sse(verdict), *super().pieces(answer, seen)]


def _error(status: int, code: str, message: str) -> Refusal:
    return Refusal(status, {"error": {"code": code, "message": message}})


if __name__ == "__main__":
    from sympozium_core.testing.servers.command import run

    run(AzureOpenAIServer)
