"""The users of NATS beside the runs' own (`subjects.run_user_may_publish`), their accounts, and what each may do."""

from __future__ import annotations

from sympozium_core.bus import subjects

RUNS = "RUNS"
"""The account with JetStream: the control plane's users and all runs."""
SYSTEM = "SYS"
"""NATS's system account."""

CONTROL_INBOX = "_INBOX.control"
GATEWAY_INBOX = "_INBOX.gateway"
SYSTEM_INBOX = "_INBOX.system"

AUTH = "$SYS.REQ.USER.AUTH"
"""Where a server asks who a client is."""
REVOKED = "sympozium.revoked"
"""Where processes that answer for pods tell each other of one that is let in no more: its id. In the system account."""
PING = "$SYS.REQ.SERVER.PING"
CONNECTIONS = f"{PING}.CONNZ"

SYSTEM_MAY_SUBSCRIBE = (AUTH, REVOKED, f"{SYSTEM_INBOX}.>")
SYSTEM_MAY_PUBLISH = (REVOKED, PING, CONNECTIONS, "$SYS.REQ.SERVER.*.KICK", "$SYS.REQ.SERVER.*.RELOAD")

_GATEWAY_ANSWERS = (
    *(subjects.MODEL, subjects.REPLAY, subjects.ARTIFACT, subjects.FETCH, subjects.EXCHANGE, subjects.DISCOVER),
    subjects.APPEND,
)
_OBJECTS = f"OBJ_{subjects.BUCKET}"
_READING = (
    "STREAM.INFO.{}",
    "STREAM.MSG.GET.{}",
    "CONSUMER.CREATE.{}",
    "CONSUMER.CREATE.{}.>",
    "CONSUMER.DELETE.{}.*",
    "CONSUMER.MSG.NEXT.{}.*",
)

GATEWAY_MAY_PUBLISH = (
    subjects.journal("*", subjects.GATEWAY),
    subjects.journal("*", subjects.POD),
    f"{subjects.run_inbox('*')}.*",
    *(f"$JS.API.{call.format(stream)}" for stream in (subjects.STREAM, _OBJECTS) for call in _READING),
    f"$JS.API.STREAM.PURGE.{_OBJECTS}",
    f"$O.{subjects.BUCKET}.>",
)
"""No `.ctl`, and no way to change or empty the stream."""
GATEWAY_MAY_SUBSCRIBE = (
    *(subjects.request("*", what) for what in _GATEWAY_ANSWERS),
    *(f"{subjects.request('*', what)}.*.*" for what in _GATEWAY_ANSWERS),
    f"{GATEWAY_INBOX}.>",
)
