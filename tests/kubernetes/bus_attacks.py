"""What an attacker tries on the bus who has taken over a run's bridge: a program for `python3 -` in that container, with its own token.

Its arguments are the uid of the run, the uid of another run and the id of that run's pod. It prints JSON: attempt → what came of it, as `redteam.container` does.
"""

from __future__ import annotations

import asyncio
import json
import os
import ssl
import sys
from pathlib import Path
from typing import Any

from nats.aio.client import Client
from nats.aio.msg import Msg

WAIT = 2.0
OWN_INBOX = "sympozium.run.OWN.inbox.x"
TO_PUBLISH = (
    "sympozium.run.OTHER.pod",
    "sympozium.run.OTHER.gw",
    "sympozium.run.OTHER.ctl",
    "sympozium.run.OTHER.req.model",
    "sympozium.run.OTHER.req.append",
    "sympozium.run.OTHER.req.credentials",
    "sympozium.run.OTHER.inbox.x",
    "sympozium.run.OWN.pod",
    "sympozium.run.OWN.gw",
    "sympozium.run.OWN.ctl",
    "sympozium.pod.POD.hello",
    "$JS.API.INFO",
    "$JS.API.STREAM.NAMES",
    "$JS.API.STREAM.PURGE.SYMPOZIUM_RUNS",
    "$JS.API.STREAM.DELETE.SYMPOZIUM_RUNS",
    "$JS.API.STREAM.MSG.GET.SYMPOZIUM_RUNS",
    "$JS.API.CONSUMER.CREATE.SYMPOZIUM_RUNS",
    "$JS.API.DIRECT.GET.SYMPOZIUM_RUNS",
    "$JS.ACK.SYMPOZIUM_RUNS.c.1.1.1.1.1",
    "$O.SYMPOZIUM_ARTIFACTS.C.x",
    "$SYS.REQ.SERVER.PING",
    "$SYS.REQ.USER.AUTH",
)
TO_HEAR = (
    ">",
    "sympozium.>",
    "sympozium.run.*.ctl",
    "sympozium.run.OTHER.>",
    "sympozium.run.OTHER.ctl",
    "sympozium.run.OTHER.inbox.>",
    "sympozium.run.OWN.pod",
    "sympozium.run.OWN.req.>",
    "sympozium.pod.POD.inbox.>",
    "_INBOX.>",
    "$JS.>",
    "$SYS.>",
)
REPLIES = ("sympozium.run.OTHER.gw", "sympozium.run.OTHER.inbox.x", "$JS.API.STREAM.PURGE.SYMPOZIUM_RUNS")
"""To which an answer to a call of one's own might be sent."""


class Attacker:
    def __init__(self, own: str, other: str, pod: str) -> None:
        self.names = {"OWN": own, "OTHER": other, "POD": pod}
        self.client = Client()
        self.said: list[str] = []
        """Errors that the server has sent."""
        self.heard: list[str] = []

    def named(self, subject: str) -> str:
        for word, name in self.names.items():
            subject = subject.replace(f".{word}", f".{name}")
        return subject

    async def connect(self) -> None:
        async def note(error: Exception) -> None:
            self.said.append(str(error).lower())

        context = ssl.create_default_context(cafile=os.environ["SYMPOZIUM_BUS_CA_FILE"])
        token = Path(os.environ["SYMPOZIUM_BUS_TOKEN_FILE"]).read_text().strip()
        address = os.environ["SYMPOZIUM_BUS_ADDRESS"]
        inbox = f"sympozium.pod.{os.environ['SYMPOZIUM_POD']}.inbox"
        await self.client.connect(address, token=token, tls=context, error_cb=note, allow_reconnect=False, inbox_prefix=inbox)

    async def refused(self, kind: str, subject: str) -> str:
        """After a round trip the server has said what it thinks of all before it; nats-py calls back a moment later."""
        await self.client.flush()
        end = asyncio.get_running_loop().time() + WAIT
        while asyncio.get_running_loop().time() < end:
            if any(f"violation for {kind}" in said and f'"{subject.lower()}"' in said for said in self.said):
                return "refused"
            await asyncio.sleep(0.01)
        return f"REACHED {subject}"

    async def publish(self, subject: str) -> str:
        await self.client.publish(self.named(subject), b"{}", reply=self.named(OWN_INBOX))
        return await self.refused("publish", self.named(subject))

    async def hear(self, subject: str) -> str:
        async def heard(message: Msg) -> None:
            self.heard.append(message.subject)

        await self.client.subscribe(self.named(subject), cb=heard)
        return await self.refused("subscription", self.named(subject))

    async def answer_to(self, reply: str) -> str:
        """Lets the gateway answer a call of this run to a subject of somebody else's; whether it did is seen there."""
        headers = {"Sympozium-Call": "attack", "Sympozium-Index": "0", "Sympozium-Last": "1"}
        for what in ("append", "model"):
            call = self.named(f"sympozium.run.OWN.req.{what}")
            await self.client.publish(call, b"{}", reply=self.named(reply), headers=headers)
        await self.client.flush()
        return "sent"


async def main() -> None:
    attacker = Attacker(*sys.argv[1:])
    await attacker.connect()
    found: dict[str, Any] = {}
    for subject in TO_PUBLISH:
        found[f"publish {subject}"] = await attacker.publish(subject)
    for subject in TO_HEAR:
        found[f"hear {subject}"] = await attacker.hear(subject)
    for reply in REPLIES:
        found[f"have it answered to {reply}"] = await attacker.answer_to(reply)
    if attacker.heard:
        found["what was heard"] = f"REACHED {attacker.heard}"
    await attacker.client.close()
    print(json.dumps(found))


if __name__ == "__main__":
    asyncio.run(main())
