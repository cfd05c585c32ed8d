"""ToolApproval: one tool call that waits for a person. Made by the controller, decided by whoever holds the verb ``approve``."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from sympozium_core.resources.agentrun import Requester
from sympozium_core.resources.conditions import Condition
from sympozium_core.resources.execution import FreeForm
from sympozium_core.resources.fields import ObjectName, Text, Time
from sympozium_core.resources.strictness import Loose, Resource, Strict


class ToolApprovalSpec(Strict):
    """What is asked never changes; the fields from `decision` on are the answer."""

    run_ref: ObjectName
    """The AgentRun that waits, in the same namespace."""
    run_uid: Annotated[Text, Field(alias="runUID")]
    call: Text
    """Id of the tool call in the run's journal."""
    tool: Text
    server: str = ""
    """Tool server that would do it."""
    arguments: FreeForm = {}
    """As the model wrote them: hostile text."""
    question: str = ""
    """SHA-256 of tool, server and arguments: what is run is what was asked."""
    because: str = ""
    """Which policy and field asks."""
    requested_by: Requester | None = None
    """Who asked for the run."""
    self_approval: bool = False
    """Whether that user may decide."""
    expires_at: Time | None = None
    """Without a decision by then the time-out action counts."""
    timeout_action: Literal["deny", "allow"] = "deny"
    decision: Literal["Approved", "Denied"] | None = None
    comment: str | None = None
    """The decider's, shown to the model when the call is denied."""
    decided_by: Requester | None = None
    """Written by admission from the request's own user."""
    decided_at: Time | None = None


class ToolApprovalStatus(Loose):
    phase: str | None = None
    """Pending, Approved, Denied, Expired, or Withdrawn: the call or its run was given up."""
    conditions: list[Condition] | None = None


class ToolApproval(Resource):
    """One tool call that waits for a person."""

    spec: ToolApprovalSpec
    status: ToolApprovalStatus | None = None
