"""The provider `lm-studio` (https://lmstudio.ai/docs/developer/openai-compat)."""

from __future__ import annotations

from typing import ClassVar

from sympozium_provider_openai.provider import OpenAIProvider

from sympozium_core.contracts.provider import Endpoint


class LMStudioProvider(OpenAIProvider):
    """OpenAI's wire. A key is sent only if the Secret has one, for servers behind a proxy."""

    needs_credentials: ClassVar[bool] = False
    credential_keys: ClassVar[tuple[str, ...]] = ("apiKey", "LM_STUDIO_API_KEY")
    default_base_url: ClassVar[str] = "http://127.0.0.1:1234/v1"
    local: ClassVar[bool] = True

    def own_headers(self, endpoint: Endpoint) -> dict[str, str]:
        key = self.key(endpoint, optional=True)
        return {"authorization": f"Bearer {key}"} if key else {}
