"""What a user of NATS's system account can do: find connections and end them, and have servers read their files again."""

from __future__ import annotations

import asyncio
import json
import secrets
from typing import Any

from sympozium_core.bus.nats_connection import NatsConnection
from sympozium_core.bus.users import CONNECTIONS, PING, SYSTEM_INBOX
from sympozium_core.contracts.bus import BusUnavailable, Message
from sympozium_core.errors import Permanent

TIMEOUT = 2.0
_MORE = 0.1
"""Seconds of silence after which the servers of a cluster have all answered."""
_ROUNDS = 50


class Connections:
    """Those of one account's users, on all servers."""

    def __init__(self, system: NatsConnection, account: str) -> None:
        self._system, self._account = system, account

    async def disconnect(self, user: str) -> int:
        """Ends every connection of the user; returns how many there were. Raises BusUnavailable when no server answers."""
        ended = 0
        for _ in range(_ROUNDS):
            found = await self._find(user)
            if not found:
                return ended
            for server, connection in found:
                await self._ask(f"$SYS.REQ.SERVER.{server}.KICK", {"cid": connection})
            ended += len(found)
        raise BusUnavailable(f"the user {user} of the bus has still connections after {ended} were ended")

    async def _find(self, user: str) -> list[tuple[str, int]]:
        """Ids of servers and of the user's connections there."""
        question = {"auth": True, "acc": self._account, "user": user, "limit": 1024}
        found = []
        for answer in await answers(self._system, CONNECTIONS, question):
            server = answer["server"]["id"]
            connections = (answer.get("data") or {}).get("connections") or []
            found += [(server, int(known["cid"])) for known in connections if known.get("authorized_user") == user]
        return found

    async def _ask(self, subject: str, question: dict[str, Any]) -> None:
        """A connection that has ended meanwhile is an error to the server, and none here."""
        await self._system.request(subject, json.dumps(question).encode(), timeout=TIMEOUT)


async def reload_servers(system: NatsConnection) -> None:
    """Has every server read its configuration and certificates again; connections stay. Raises BusUnavailable, Permanent."""
    for answer in await answers(system, PING, {}):
        server = answer["server"]["id"]
        told = await system.request(f"$SYS.REQ.SERVER.{server}.RELOAD", b"{}", timeout=TIMEOUT)
        if (error := json.loads(told.data).get("error")) is not None:
            raise Permanent(f"NATS server {server} did not take its configuration: {str(error.get('description'))[:300]}")


async def answers(system: NatsConnection, subject: str, question: dict[str, Any]) -> list[dict[str, Any]]:
    """What every server says. Raises BusUnavailable when none does."""
    inbox = f"{SYSTEM_INBOX}.{secrets.token_hex(12)}"
    replies = await system.subscribe(inbox, settled=False)
    found: list[dict[str, Any]] = []
    try:
        await system.publish(subject, json.dumps(question).encode(), reply=inbox)
        messages = aiter(replies)
        while not found or system.clustered:
            async with asyncio.timeout(_MORE if found else TIMEOUT):
                found.append(_parsed(await anext(messages)))
    except TimeoutError:
        pass
    finally:
        await replies.close()
    if not found:
        raise BusUnavailable(f"no server of NATS answers {subject}")
    return found


def _parsed(message: Message) -> dict[str, Any]:
    try:
        told = json.loads(message.data)
        told["server"]["id"]
    except (ValueError, KeyError, TypeError) as error:
        raise BusUnavailable(f"the answer of a NATS server cannot be read: {type(error).__name__}") from error
    return dict(told)
