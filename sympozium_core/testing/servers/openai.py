"""OpenAI's chat completions, strictly (https://platform.openai.com/docs/api-reference/chat).

Alone: ``python -m sympozium_core.testing.servers.openai --port 8080 --script turns.yaml``.
"""

from __future__ import annotations

import json
import time
from typing import Any, ClassVar

from sympozium_core.testing.servers.host import Refusal, Seen, StrictServer
from sympozium_core.testing.servers.openai_request import BadRequest, check_body
from sympozium_core.testing.servers.script import Answer, ToolCall

_WORDS: dict[int, tuple[str, str, str | None]] = {
    400: ("Invalid request.", "invalid_request_error", None),
    401: ("Incorrect API key provided: {key}. You can find your API key at https://platform.openai.com/account/api-keys.", "invalid_request_error", "invalid_api_key"),
    403: ("Country, region, or territory not supported", "request_forbidden", "unsupported_country_region_territory"),
    404: ("The model `{model}` does not exist or you do not have access to it.", "invalid_request_error", "model_not_found"),
    413: ("Request too large.", "invalid_request_error", None),
    429: ("Rate limit reached for {model} on requests per min (RPM): Limit 3, Used 3, Requested 1. Please try again in 20s.", "requests", "rate_limit_exceeded"),
    500: ("The server had an error while processing your request. Sorry about that!", "server_error", None),
    503: ("The server is currently overloaded with other requests. Sorry about that!", "server_error", None),
}  # fmt: skip
_NO_KEY = (
    "You didn't provide an API key. You need to provide your API key in an Authorization header using Bearer auth "
    "(i.e. Authorization: Bearer YOUR_KEY)."
)


class OpenAIServer(StrictServer):
    content_type: ClassVar[str] = "text/event-stream; charset=utf-8"
    credential_key: ClassVar[str] = "OPENAI_API_KEY"
    path: ClassVar[str] = "/v1/chat/completions"

    @property
    def base_url(self) -> str:
        return f"{self.address}/v1"

    def check(self, seen: Seen) -> Refusal | None:
        if seen.path != self.path:
            return _error(404, f"Invalid URL ({seen.method} {seen.path})")
        if seen.method != "POST":
            return _error(405, f"Not allowed to {seen.method} on {seen.path}.")
        return self.check_key(seen) or self.check_request(seen)

    def check_key(self, seen: Seen) -> Refusal | None:
        sent = seen.headers.get("authorization", "")
        if not sent.startswith("Bearer "):
            return _error(401, _NO_KEY)
        # The vendor quotes the key that it refuses; so does this server, and nobody may pass it on.
        return None if sent == f"Bearer {self.key}" else self.refusal(401, quoted=sent.removeprefix("Bearer "))

    def check_request(self, seen: Seen) -> Refusal | None:
        if not seen.headers.get("content-type", "").startswith("application/json"):
            return _error(400, "you must provide a model parameter")
        try:
            check_body(seen.body)
        except BadRequest as error:
            return Refusal(400, error.body)
        return None if seen.body["model"] == self.model else self.refusal(404, quoted=seen.body["model"])

    def refusal(self, status: int, *, quoted: str = "") -> Refusal:
        words, kind, code = _WORDS.get(status, _WORDS[500])
        message = words.format(key=quoted or self.key, model=quoted or self.model)
        return _error(status, message, kind, code)

    def pieces(self, answer: Answer, seen: Seen) -> list[bytes]:
        usage = bool((seen.body.get("stream_options") or {}).get("include_usage"))
        frame = self.frame(answer, seen, "chat.completion.chunk")
        if usage:
            frame["usage"] = None
        chunks = [
            {**frame, "choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": None}]}
            for delta in _deltas(answer, seen)
        ]
        chunks.append({**frame, "choices": [{"index": 0, "delta": {}, "logprobs": None, "finish_reason": answer.reason}]})
        if usage:
            chunks.append({**frame, "choices": [], "usage": _usage(answer)})
        return [*(sse(chunk) for chunk in chunks), b"data: [DONE]\n\n"]

    def whole(self, answer: Answer, seen: Seen) -> Any:
        message: dict[str, Any] = {"role": "assistant", "content": answer.text or None, "refusal": None}
        if answer.reasoning:
            message["reasoning_content"] = answer.reasoning
        if answer.tool_calls:
            message["tool_calls"] = [
                {
                    "id": call_id(call, number, seen),
                    "type": "function",
                    "function": {"name": call.name, "arguments": call.arguments},
                }
                for number, call in enumerate(answer.tool_calls)
            ]
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": answer.reason}
        return {**self.frame(answer, seen, "chat.completion"), "choices": [choice], "usage": _usage(answer)}

    def stream_error(self) -> bytes:
        return sse(self.refusal(500).body)

    def frame(self, answer: Answer, seen: Seen, kind: str) -> dict[str, Any]:
        """What every chunk of one answer has in common."""
        identity = f"chatcmpl-{len(self.requests):08d}"
        return {
            "id": identity,
            "object": kind,
            "created": int(time.time()),
            "model": self.model,
            "system_fingerprint": "fp_test",
        }


def sse(data: Any) -> bytes:
    return b"data: " + json.dumps(data, ensure_ascii=False).encode() + b"\n\n"


def _deltas(answer: Answer, seen: Seen) -> list[dict[str, Any]]:
    deltas: list[dict[str, Any]] = [
        {"role": "assistant", "content": None if answer.tool_calls and not answer.text else "", "refusal": None}
    ]
    if answer.reasoning:
        deltas.append({"reasoning_content": answer.reasoning})
    deltas += [{"content": word} for word in answer.words]
    for number, call in enumerate(answer.tool_calls):
        function = {"name": call.name, "arguments": ""}
        deltas.append(
            {"tool_calls": [{"index": number, "id": call_id(call, number, seen), "type": "function", "function": function}]}
        )
        deltas += [{"tool_calls": [{"index": number, "function": {"arguments": part}}]} for part in _parts(call.arguments)]
    return deltas


def _parts(text: str, size: int = 5) -> list[str]:
    return [text[start : start + size] for start in range(0, len(text), size)]


def call_id(call: ToolCall, number: int, seen: Seen) -> str:
    """Unique within a conversation, and the same when the same request comes again."""
    turn = sum(1 for message in seen.body["messages"] if message.get("role") == "assistant")
    return call.id or f"call_{turn:012d}{number:012d}"


def _usage(answer: Answer) -> dict[str, Any]:
    return {
        "prompt_tokens": answer.prompt_tokens,
        "completion_tokens": answer.completion_tokens,
        "total_tokens": answer.prompt_tokens + answer.completion_tokens,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
    }


def _error(status: int, message: str, kind: str = "invalid_request_error", code: str | None = None) -> Refusal:
    return Refusal(status, {"error": {"message": message, "type": kind, "param": None, "code": code}})


if __name__ == "__main__":
    from sympozium_core.testing.servers.command import run

    run(OpenAIServer)
