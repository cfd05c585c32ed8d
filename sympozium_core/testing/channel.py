"""The conformance suite of `sympozium_core.contracts.channel.Channel`.

A channel's package has a strict server for its vendor's wire and one class:

    class TestAcme(ChannelContract):
        channel_class = AcmeChannel
        server_class = AcmeServer

One that can listen and be called, as its settings say, gets a class for each, with a server whose `settings` choose it. Needs pytest and pytest-asyncio.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import ClassVar

import pytest
import pytest_asyncio

from sympozium_core.contracts.channel import Channel
from sympozium_core.contracts.channel_text import SHORTEST
from sympozium_core.testing.channel_calls import CallChecks
from sympozium_core.testing.channel_case import ChannelCase, channel_case
from sympozium_core.testing.channel_life import LifeChecks
from sympozium_core.testing.channel_receiving import ReceivingChecks
from sympozium_core.testing.channel_sending import SendingChecks
from sympozium_core.testing.servers.chat import ChatServer


@pytest.mark.asyncio
class ChannelContract(LifeChecks, ReceivingChecks, SendingChecks, CallChecks):
    """Every check gets a fresh server and fresh channels. What a channel declares that it cannot do it has to refuse, and is checked for that; what else
    it cannot do is declared in `known_gaps`, never skipped in silence."""

    channel_class: ClassVar[type[Channel]]
    server_class: ClassVar[type[ChatServer]]
    known_gaps: ClassVar[Mapping[str, str]] = {}
    """Names of checks that fail, with the reason; one that passes nevertheless is an error."""

    async def test_declarations_are_such_as_a_host_can_go_by(self) -> None:
        checks = {name for name in dir(self) if name.startswith("test_")}
        assert not set(self.known_gaps) - checks, "known_gaps names checks that there are not"
        assert self.channel_class.abilities.longest_text >= SHORTEST, "texts cannot be cut so short"
        assert self.channel_class.credential_keys, "nobody could say what to put into the Secret"

    @pytest_asyncio.fixture
    async def case(self, request: pytest.FixtureRequest) -> AsyncIterator[ChannelCase]:
        gap = self.known_gaps.get(request.node.originalname)
        if gap is not None:
            request.node.add_marker(pytest.mark.xfail(reason=gap, strict=True))
        async with channel_case(self.channel_class, self.server_class) as case:
            yield case
