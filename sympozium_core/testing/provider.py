"""The conformance suite of `sympozium_core.contracts.provider.Provider`.

A provider's package has a strict server for its wire (one of `sympozium_core.testing.servers`, or its own) and one class:

    class TestAcme(ProviderContract):
        provider_class = AcmeProvider
        server_class = AcmeServer

Needs pytest and pytest-asyncio.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import ClassVar

import pytest
import pytest_asyncio

from sympozium_core.contracts.provider import Provider
from sympozium_core.testing.provider_answers import AnswerChecks
from sympozium_core.testing.provider_case import ProviderCase, provider_case
from sympozium_core.testing.provider_failures import FailureChecks
from sympozium_core.testing.servers.host import StrictServer


@pytest.mark.asyncio
class ProviderContract(AnswerChecks, FailureChecks):
    """Every check gets a fresh server and a fresh provider. What a provider cannot do is declared, never skipped in silence."""

    provider_class: ClassVar[type[Provider]]
    server_class: ClassVar[type[StrictServer]]
    known_gaps: ClassVar[Mapping[str, str]] = {}
    """Names of checks that fail, with the reason; one that passes nevertheless is an error."""

    @pytest_asyncio.fixture
    async def case(self, request: pytest.FixtureRequest) -> AsyncIterator[ProviderCase]:
        gap = self.known_gaps.get(request.node.originalname)
        if gap is not None:
            request.node.add_marker(pytest.mark.xfail(reason=gap, strict=True))
        async with provider_case(self.provider_class, self.server_class) as case:
            yield case
