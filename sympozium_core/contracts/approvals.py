"""Approvals as bridge and controller speak of them: what holds for a run, which object stands for a call, how a decision arrives."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

TimeoutAction = Literal["deny", "allow"]
Outcome = Literal["approved", "denied", "expired", "withdrawn"]

MAX_WAITS = 16
"""Calls of one run that wait for a person at the same time: more than that nobody reads."""
MAX_ARGUMENTS = 64 * 1024
"""Bytes of a call's arguments as JSON. What is longer cannot be shown to whoever is to decide."""
_READABLE = 40
"""Characters of the run's name that stand in the name of an approval."""


@dataclass(frozen=True)
class Approvals:
    """What holds for the calls of one run that wait for a person."""

    timeout: float = 900.0
    """Seconds; and never beyond the end of the run."""
    on_timeout: TimeoutAction = "deny"
    allow_self: bool | None = None
    """Whether whoever asked for the run may decide. None: only where there is nobody else, on a machine of one user."""


@dataclass(frozen=True)
class Decision:
    """The end of a wait, as `.req.approve` answers it."""

    outcome: Outcome
    allows: bool
    by: str = ""
    """Who decided; empty where nobody did."""
    comment: str = ""

    def to_json(self) -> dict[str, Any]:
        return {"outcome": self.outcome, "allows": self.allows, "by": self.by, "comment": self.comment}


def decision_from_json(data: Mapping[str, Any]) -> Decision:
    """Raises KeyError for what `Decision.to_json` has not written."""
    return Decision(data["outcome"], data["allows"] is True, str(data["by"]), str(data["comment"]))


def approval_name(run: str, uid: str, call: str) -> str:
    """Name of the ToolApproval for a call: the same for every attempt of the run, and another for every run. It begins with the run's name."""
    own = hashlib.sha256(f"{uid}/{call}".encode()).hexdigest()[:10]
    return f"{run[:_READABLE].rstrip('-.')}-{own}"


def question_digest(tool: str, server: str, arguments: Mapping[str, Any]) -> str:
    """By which a later attempt's question is known to be the same, whatever a store makes of numbers: SHA-256, 64 hex digits."""
    text = json.dumps([tool, server, arguments], sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()
