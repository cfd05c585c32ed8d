"""Who listens to what, now: messages in flight, queue groups, and word back to a sender whom nobody heard."""

from __future__ import annotations

import itertools

from sympozium_core.bus.frames import NO_RESPONDERS, STATUS
from sympozium_core.bus.mailbox import Mailbox
from sympozium_core.bus.subjects import matches
from sympozium_core.contracts.bus import Message, Subscription

_Group = list[Mailbox]


class Router:
    """Subscriptions by subject: exact ones and those to all children of a subject in dictionaries (each side of a call has such inboxes),
    other patterns in a list. `""` is the group of no queue."""

    def __init__(self) -> None:
        self._exact: dict[str, dict[str, _Group]] = {}
        self._children: dict[str, dict[str, _Group]] = {}
        """``a.b.*`` under ``a.b``."""
        self._patterns: dict[str, dict[str, _Group]] = {}
        self._turn = itertools.count()

    def subscribe(self, subject: str, queue: str) -> Subscription:
        table, key = self._place(subject)

        async def leave() -> None:
            groups = table.get(key, {})
            members = groups.get(queue, [])
            if mailbox in members:
                members.remove(mailbox)
            if not members:
                groups.pop(queue, None)
            if not groups:
                table.pop(key, None)

        mailbox = Mailbox(subject, on_close=leave)
        table.setdefault(key, {}).setdefault(queue, []).append(mailbox)
        return mailbox

    def route(self, message: Message) -> None:
        """Puts the message into every mailbox that listens, one of each queue; tells the sender when there is none and it waits."""
        if not self._deliver(message) and message.reply:
            self._deliver(Message(message.reply, b"", {STATUS: NO_RESPONDERS}))

    def close(self) -> None:
        for table in (self._exact, self._children, self._patterns):
            for groups in table.values():
                for mailbox in itertools.chain.from_iterable(groups.values()):
                    mailbox.end()

    def _place(self, subject: str) -> tuple[dict[str, dict[str, _Group]], str]:
        if "*" not in subject and ">" not in subject:
            return self._exact, subject
        parent, _, last = subject.rpartition(".")
        if last == "*" and parent and "*" not in parent:
            return self._children, parent
        return self._patterns, subject

    def _deliver(self, message: Message) -> bool:
        queues: dict[str, list[Mailbox]] = {}
        for groups in self._listening(message.subject):
            for queue, members in groups.items():
                queues.setdefault(queue, []).extend(members)
        for queue, members in queues.items():
            if queue:
                members[next(self._turn) % len(members)].put(message)
            else:
                for mailbox in members:
                    mailbox.put(message)
        return bool(queues)

    def _listening(self, subject: str) -> list[dict[str, _Group]]:
        found = [groups for pattern, groups in self._patterns.items() if matches(pattern, subject)]
        for groups in (self._exact.get(subject), self._children.get(subject.rpartition(".")[0])):
            if groups is not None:
                found.append(groups)
        return found
