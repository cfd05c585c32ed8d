from __future__ import annotations

from sympozium_provider_lm_studio.provider import LMStudioProvider

from sympozium_core.testing.provider import ProviderContract
from sympozium_core.testing.servers.lm_studio import LMStudioServer


class TestLMStudio(ProviderContract):
    provider_class = LMStudioProvider
    server_class = LMStudioServer
