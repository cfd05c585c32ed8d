"""Every subject, by the UID of the run and never by its name: names contain dots and are used again.

``.pod`` is what the bridge says, ``.gw`` what the gateway says (the pod cannot forge it), ``.ctl`` what the control plane says: these three are
stored, together the run's journal. ``.req.*`` are framed calls from the bridge, answered and not stored.
"""

from __future__ import annotations

PREFIX = "sympozium.run"
STREAM = "SYMPOZIUM_RUNS"
STORED = (f"{PREFIX}.*.pod", f"{PREFIX}.*.gw", f"{PREFIX}.*.ctl")

POD, GATEWAY, CONTROL = "pod", "gw", "ctl"

# Calls that a bridge makes, after ``.req.``, and who answers.
START = "start"  # controller: the plan and where to go on
MODEL = "model"  # gateway: one chat completion, streamed
REPLAY = "replay"  # gateway: finished answers and tool results of earlier attempts
ARTIFACT = "artifact"  # gateway: keep these bytes


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


def run_user_may_publish(uid: str) -> tuple[str, ...]:
    """All that a run's own bus user may publish to, besides replies to its own subscriptions."""
    return (journal(uid, POD), f"{PREFIX}.{uid}.req.>")


def run_user_may_subscribe(uid: str, inbox: str) -> tuple[str, ...]:
    return (journal(uid, CONTROL), f"{inbox}.>")


def run_inbox(uid: str) -> str:
    """Where every inbox of a run's own bus user begins; the last argument of `run_user_may_subscribe`."""
    return f"_INBOX.{uid}"


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
