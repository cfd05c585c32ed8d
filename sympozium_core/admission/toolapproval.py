"""ToolApproval: the question is the controller's and stays as it is; the answer is given once, by somebody else than who asked for the run."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from sympozium_core.admission.lookup import Access, Rights
from sympozium_core.clock import Clock, parse_rfc3339, rfc3339
from sympozium_core.contracts.cluster import Review, User, Verdict
from sympozium_core.errors import Cause
from sympozium_core.names import ApprovalPhase
from sympozium_core.resources.kinds import TOOL_APPROVAL

ANSWER = ("decision", "comment", "decidedBy", "decidedAt")
"""The fields of a spec that an answer writes; the rest is the question."""
MAX_COMMENT = 2000
"""Characters: it goes to the model."""
SINCE = 15.0
"""Seconds for which a time that this review has written may be there already: it looks at each object twice, with the webhooks of others between."""


async def review(review: Review, rights: Rights, clock: Clock, *, is_control_plane: bool) -> Verdict:
    """`review.object` has a good shape."""
    assert review.object is not None
    spec = review.object["spec"]
    if review.operation == "CREATE":
        causes = [] if is_control_plane else [_made_by_hand()]
        causes += [_unanswered(field) for field in ANSWER if spec.get(field) is not None]
        return Verdict(causes=tuple(causes)) if causes else Verdict(object=review.object)
    assert review.old_object is not None
    old = review.old_object["spec"]
    if causes := _changed(old, spec):
        return Verdict(causes=tuple(causes), invalid=True)
    if all(old.get(field) == spec.get(field) for field in ANSWER):
        return Verdict(object=review.object)
    if causes := [*_too_late(review.old_object, clock), *_unsaid(spec)]:
        return Verdict(causes=tuple(causes))
    if causes := [*await _may_not(review, rights), *_own(old, review.user)]:
        return Verdict(causes=tuple(causes))
    return Verdict(object=_stamped(review.object, review.user, clock))


def _made_by_hand() -> Cause:
    return Cause(
        "", "a ToolApproval is made by the controller alone, when a call needs one", "have a policy ask: requireApproval"
    )


def _unanswered(field: str) -> Cause:
    return Cause(f"spec.{field}", "is of an answer, and nobody has been asked yet", "leave it out")


def _changed(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[Cause]:
    changed = sorted(field for field in {*old, *new} if field not in ANSWER and old.get(field) != new.get(field))
    return [Cause(f"spec.{field}", "is what was asked, and cannot be changed", "only set spec.decision") for field in changed]


def _too_late(before: Mapping[str, Any], clock: Clock) -> list[Cause]:
    spec, phase = before["spec"], (before.get("status") or {}).get("phase")
    if spec.get("decision"):
        who = (spec.get("decidedBy") or {}).get("username")
        return [Cause("spec.decision", f"was made already, {spec['decision']} by {who}, and stands", "")]
    if phase == ApprovalPhase.WITHDRAWN:
        return [Cause("spec.decision", "comes too late: the call was given up", "see the run")]
    expires = spec.get("expiresAt")
    if phase not in (None, ApprovalPhase.PENDING) or (expires and parse_rfc3339(expires) <= clock.now()):
        return [Cause("spec.decision", f"comes too late: the time to decide was over at {expires}", "see the run")]
    return []


def _unsaid(spec: Mapping[str, Any]) -> list[Cause]:
    if not spec.get("decision"):
        return [Cause("spec.decision", "is missing: what is written beside it goes with a decision", "Approved or Denied")]
    if len(spec.get("comment") or "") > MAX_COMMENT:
        return [Cause("spec.comment", f"is longer than {MAX_COMMENT} characters", "say it shorter: it goes to the model")]
    return []


async def _may_not(review: Review, rights: Rights) -> list[Cause]:
    kind = TOOL_APPROVAL
    if await rights.may(review.user, Access("approve", kind.group, kind.plural, review.namespace or "", review.name)):
        return []
    return [
        Cause(
            "spec.decision",
            f"{review.user.name!r} may not approve {kind.plural} in namespace {review.namespace!r}",
            f"be given the verb approve on {kind.resource}, as ClusterRole sympozium-approver has it",
        )
    ]


def _own(question: Mapping[str, Any], user: User) -> list[Cause]:
    if question.get("selfApproval") or user.name != (question.get("requestedBy") or {}).get("username"):
        return []
    return [
        Cause(
            "spec.decision",
            f"{user.name!r} asked for the run, and may not decide what it does",
            "have somebody else decide, or set approvals.allowSelfApproval in the policy",
        )
    ]


def _stamped(approval: Mapping[str, Any], user: User, clock: Clock) -> dict[str, Any]:
    """Who and when, whatever was written there."""
    stamped = copy.deepcopy(dict(approval))
    now = clock.now()
    try:
        written = parse_rfc3339(str(stamped["spec"].get("decidedAt")))
    except ValueError:
        written = 0.0
    if not now - SINCE <= written <= now:
        stamped["spec"]["decidedAt"] = rfc3339(now)
    stamped["spec"]["decidedBy"] = {"username": user.name, "groups": list(user.groups)}
    return stamped
