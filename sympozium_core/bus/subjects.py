"""Every subject, by the UID of the run and never by its name: names contain dots and are used again.

``.pod`` is what the bridge says, ``.gw`` what the gateway says (the pod cannot forge it), ``.ctl`` what the control plane says: these three are
stored, together the run's journal. ``.req.>`` are framed calls from the bridge, answered on ``.inbox.>``; neither is stored.

A run's user publishes nothing but ``.req.>``, and who answers there writes to ``.inbox.>`` of that very run alone. Nothing else may answer
such a user: the reply subject is the sender's to choose, and whatever NATS itself answers (the acknowledgement of JetStream, who a user is)
goes there with NATS's own rights, into another run's journal too.
"""

from __future__ import annotations

import secrets

PREFIX = "sympozium.run"
POD_PREFIX = "sympozium.pod"
STREAM = "SYMPOZIUM_RUNS"
BUCKET = "SYMPOZIUM_ARTIFACTS"
STORED = (f"{PREFIX}.*.pod", f"{PREFIX}.*.gw", f"{PREFIX}.*.ctl")

POD, GATEWAY, CONTROL = "pod", "gw", "ctl"

# Calls that a bridge makes, after ``.req.``, and who answers.
START = "start"  # controller: the plan and where to go on
MODEL = "model"  # gateway: one chat completion, streamed
REPLAY = "replay"  # gateway: finished answers and tool results of earlier attempts
ARTIFACT = "artifact"  # gateway: keep these bytes
FETCH = "fetch"  # gateway: one page, for the tool `fetch_url`
EXCHANGE = "exchange"  # gateway: one HTTP exchange with an MCP server, streamed
DISCOVER = (
    "discover"  # gateway, asked by the controller: what an MCP server has; in the place of the run's UID the server's own
)
APPROVE = "approve"  # controller: what a person says of a tool call; waits for it
CREDENTIALS = "credentials"  # controller: Kubernetes tokens of the sidecars
APPEND = "append"  # gateway: append to `.pod`; where the bus is NATS, `bus.appending`


def journal(uid: str, who: str = "*") -> str:
    """``sympozium.run.<uid>.pod`` and its siblings; `who` is POD, GATEWAY, CONTROL, or ``*`` for all three."""
    return f"{PREFIX}.{uid}.{who}"


def request(uid: str, what: str) -> str:
    """``sympozium.run.<uid>.req.<what>``; with ``*`` as uid, what a server subscribes."""
    return f"{PREFIX}.{uid}.req.{what}"


def uid_of(subject: str) -> str:
    """The run's UID; raises ValueError for a subject of another form."""
    tokens = subject.split(".")
    if len(tokens) < 4 or ".".join(tokens[:2]) != PREFIX:
        raise ValueError(f"not a run's subject: {subject!r}")
    return tokens[2]


def is_stored(subject: str) -> bool:
    tokens = subject.split(".")
    return len(tokens) == 4 and ".".join(tokens[:2]) == PREFIX and tokens[3] in (POD, GATEWAY, CONTROL)


def matches(pattern: str, subject: str) -> bool:
    """NATS matching: ``*`` is one token, ``>`` at the end is one or more."""
    wanted, given = pattern.split("."), subject.split(".")
    for index, token in enumerate(wanted):
        if token == ">":
            return len(given) > index
        if index >= len(given) or (token != "*" and token != given[index]):
            return False
    return len(wanted) == len(given)


def run_inbox(uid: str) -> str:
    """Under this every reply to a run's own user arrives."""
    return f"{PREFIX}.{uid}.inbox"


def new_inbox(subject: str) -> str:
    """Where a reply to a call on the subject shall arrive: a new subject that nobody can guess, of the same run."""
    return f"{run_inbox(uid_of(subject))}.{secrets.token_hex(12)}"


def is_inbox(subject: str) -> bool:
    tokens = subject.split(".")
    return len(tokens) == 5 and ".".join(tokens[:2]) == PREFIX and tokens[3] == "inbox"


def may_reply(subject: str, reply: str) -> bool:
    """Whether who called on the subject may have its answer sent to `reply`."""
    return is_inbox(reply) and uid_of(reply) == uid_of(subject)


def hello(pod: str) -> str:
    """Where a pod that was let onto NATS asks which run it is for; with ``*`` as pod, what those subscribe who let it in."""
    return f"{POD_PREFIX}.{pod}.hello"


def pod_inbox(pod: str) -> str:
    """Under this the answer to `hello` arrives."""
    return f"{POD_PREFIX}.{pod}.inbox"


def run_user_may_publish(uid: str) -> tuple[str, ...]:
    """All that a run's own bus user may publish to. (It appends to `.pod` by the embedded bus, or by a call to the gateway.)"""
    return (f"{PREFIX}.{uid}.req.>",)


def run_user_may_subscribe(uid: str) -> tuple[str, ...]:
    return (journal(uid, CONTROL), f"{run_inbox(uid)}.>")


def covers(allowed: str, wanted: str) -> bool:
    """Whether everything that the pattern `wanted` matches is matched by `allowed`."""
    if wanted.endswith(".>") or wanted == ">":
        return allowed.endswith(">") and matches(allowed, wanted.removesuffix(">") + "x")
    return matches(allowed, wanted)


def journal_filter(pattern: str) -> tuple[str, str]:
    """The UID and the writer that a filter of stored subjects asks for, each ``*`` for any; raises ValueError for another form."""
    tokens = pattern.split(".")
    if tokens[-1] == ">" and len(tokens) in (3, 4):
        tokens[-1:] = ["*"] * (5 - len(tokens))
    if len(tokens) != 4 or ".".join(tokens[:2]) != PREFIX or tokens[3] not in (POD, GATEWAY, CONTROL, "*") or ">" in tokens:
        raise ValueError(f"{pattern!r} is no filter of stored subjects; write {journal('<uid>')} or {journal('*', POD)}")
    return tokens[2], tokens[3]
