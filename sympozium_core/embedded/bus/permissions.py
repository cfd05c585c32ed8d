"""What a run's own bus user may do, checked by the server and, for an early and clear error, by the client. Rules: `bus.subjects`."""

from __future__ import annotations

from collections import OrderedDict

from sympozium_core.bus import frames, subjects
from sympozium_core.contracts.bus import BusDenied

_MAX_REPLIES = 4096


class RunUser:
    """One connection of the user of one run. Beside its subjects it may answer messages that it was sent, as NATS's `allow_responses`."""

    def __init__(self, uid: str) -> None:
        self.uid = uid
        self.inbox = subjects.run_inbox(uid)
        self._publish = subjects.run_user_may_publish(uid)
        self._subscribe = subjects.run_user_may_subscribe(uid, self.inbox)
        self._replies: OrderedDict[str, None] = OrderedDict()

    def received(self, reply: str) -> None:
        """The user was sent a message with this reply subject."""
        if reply.startswith(frames.INBOX_PREFIX):
            self._replies[reply] = None
            self._replies.move_to_end(reply)
            if len(self._replies) > _MAX_REPLIES:
                self._replies.popitem(last=False)

    def check_publish(self, subject: str, reply: str) -> None:
        if subject not in self._replies and not any(subjects.matches(allowed, subject) for allowed in self._publish):
            raise BusDenied(f"the user of run {self.uid} may not publish to {subject[:200]}")
        if reply and not reply.startswith(f"{self.inbox}."):
            raise BusDenied(f"the user of run {self.uid} may take replies in its own inbox only, not at {reply[:200]}")

    def check_append(self, subject: str) -> None:
        if not any(subjects.matches(allowed, subject) for allowed in self._publish):
            raise BusDenied(f"the user of run {self.uid} may not append to {subject[:200]}")

    def check_subscribe(self, pattern: str) -> None:
        if not any(subjects.covers(allowed, pattern) for allowed in self._subscribe):
            raise BusDenied(f"the user of run {self.uid} may not subscribe to {pattern[:200]}")
