"""LM Studio's OpenAI-compatible server (https://lmstudio.ai/docs/developer/openai-compat): no key, and errors of its own shape.

An unknown path is answered with status 200 and an error, as the real one does. Alone:
``python -m sympozium_core.testing.servers.lm_studio --port 1234 --script turns.yaml``.
"""

from __future__ import annotations

from typing import ClassVar

from sympozium_core.testing.servers.host import Refusal, Seen
from sympozium_core.testing.servers.openai import OpenAIServer, sse


class LMStudioServer(OpenAIServer):
    credential_key: ClassVar[str] = ""

    def check(self, seen: Seen) -> Refusal | None:
        if seen.path != self.path or seen.method != "POST":
            return Refusal(200, {"error": f"Unexpected endpoint or method. ({seen.method} {seen.path})"})
        return self.check_request(seen)

    def refusal(self, status: int, *, quoted: str = "") -> Refusal:
        if status == 404:
            message = f'Model "{quoted or self.model}" not found. Please make sure that the model is downloaded.'
            return _error(404, message, "invalid_request_error", "model_not_found")
        return _error(status, "The model has crashed without additional information. (Exit code: 6)", "internal_error", None)

    def stream_error(self) -> bytes:
        return b"event: error\n" + sse(
            {"error": {"message": "The model has crashed without additional information. (Exit code: 6)"}}
        )


def _error(status: int, message: str, kind: str, code: str | None) -> Refusal:
    return Refusal(status, {"error": {"message": message, "type": kind, "param": "model", "code": code}})


if __name__ == "__main__":
    from sympozium_core.testing.servers.command import run

    run(LMStudioServer)
