"""Who may ask, who may answer, what of it may be written, and when it is too late."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from sympozium_core import names
from sympozium_core.admission import toolapproval
from sympozium_core.admission.lookup import Access
from sympozium_core.clock import rfc3339
from sympozium_core.contracts.cluster import Forbidden, Invalid, Review, User, Verdict
from sympozium_core.resources.kinds import TOOL_APPROVAL

NOW = 1_800_000_000.0
ALICE, BOB = User("alice", ("developers",)), User("bob", ("approvers",))


class Standing:
    """A clock that stands."""

    def now(self) -> float:
        return NOW

    def monotonic(self) -> float:
        return NOW


@dataclass
class Approvers:
    """Implements `Rights`: these may approve, and nothing else."""

    names: tuple[str, ...] = ("bob",)
    asked: list[Access] = field(default_factory=list)

    async def may(self, user: User, access: Access) -> bool:
        self.asked.append(access)
        return user.name in self.names


def approval(phase: str = "Pending", **spec: Any) -> dict[str, Any]:
    question = {
        "runRef": "run",
        "runUID": "1",
        "call": "c1",
        "tool": "execute_command",
        "arguments": {"command": "make"},
        "requestedBy": {"username": "alice", "groups": []},
        "expiresAt": rfc3339(NOW + 60),
    }
    return {
        "apiVersion": names.API_VERSION,
        "kind": "ToolApproval",
        "metadata": {"name": "ask", "namespace": "default"},
        "spec": {**question, **spec},
        "status": {"phase": phase},
    }


async def reviewed(
    new: Mapping[str, Any], old: dict[str, Any] | None = None, *, user: User = BOB, rights: Any = None, controller: bool = False
) -> Verdict:
    operation: Any = "UPDATE" if old is not None else "CREATE"
    review = Review(operation, TOOL_APPROVAL, "default", "ask", user, copy.deepcopy(dict(new)), old)
    return await toolapproval.review(review, rights or Approvers(), Standing(), is_control_plane=controller)


async def answered(answer: dict[str, Any], old: dict[str, Any] | None = None, **how: Any) -> Verdict:
    before = old or approval()
    return await reviewed({**before, "spec": {**before["spec"], **answer}}, before, **how)


def said(verdict: Verdict) -> str:
    return "; ".join(str(cause) for cause in verdict.causes)


async def test_the_controller_alone_asks() -> None:
    assert not (await reviewed(approval(), controller=True)).causes
    assert "made by the controller alone" in said(await reviewed(approval()))
    for answer in ({"decision": "Approved"}, {"decidedBy": {"username": "bob"}}, {"comment": "yes"}, {"decidedAt": "x"}):
        assert "nobody has been asked" in said(await reviewed(approval(**answer), controller=True))


async def test_who_and_when_are_written_here() -> None:
    forged = {"decidedBy": {"username": "root", "groups": ["system:masters"]}, "decidedAt": "2001-01-01T00:00:00Z"}
    for more in ({}, forged):
        verdict = await answered({"decision": "Approved", "comment": "go", **more})
        assert not verdict.causes
        assert verdict.object is not None
        spec = verdict.object["spec"]
        assert spec["decidedBy"] == {"username": "bob", "groups": ["approvers"]}
        assert (spec["decidedAt"], spec["comment"]) == (rfc3339(NOW), "go")


async def test_a_second_look_changes_nothing() -> None:
    """`/validate` sees what `/mutate` made, a moment later."""
    made = (await answered({"decision": "Denied"})).object
    assert made is not None
    made["spec"]["decidedAt"] = rfc3339(NOW - 8)
    assert (await reviewed(made, approval())).object == made


async def test_the_verb_is_asked_for_by_name() -> None:
    rights = Approvers()
    assert "'carol' may not approve" in said(await answered({"decision": "Approved"}, user=User("carol"), rights=rights))
    assert rights.asked == [Access("approve", names.GROUP, "toolapprovals", "default", "ask")]


async def test_who_asked_for_the_run_does_not_decide() -> None:
    everybody = Approvers(("alice", "bob"))
    verdict = await answered({"decision": "Approved"}, user=ALICE, rights=everybody)
    assert "asked for the run" in said(verdict)
    assert "asked for the run" in said(await answered({"decision": "Denied"}, user=ALICE, rights=everybody))
    assert not (await answered({"decision": "Approved"}, approval(selfApproval=True), user=ALICE, rights=everybody)).causes


@pytest.mark.parametrize(
    "change",
    [
        {"tool": "other"},
        {"arguments": {"command": "rm"}},
        {"runUID": "2"},
        {"expiresAt": rfc3339(NOW + 9999)},
        {"selfApproval": True},
        {"requestedBy": {"username": "nobody", "groups": []}},
        {"timeoutAction": "allow"},
    ],
)
async def test_the_question_stays(change: dict[str, Any]) -> None:
    for answer in ({}, {"decision": "Approved"}):
        verdict = await answered({**change, **answer})
        assert verdict.invalid
        assert f"spec.{next(iter(change))}: is what was asked" in said(verdict)


@pytest.mark.parametrize(
    "change", [{"decision": "Denied"}, {"decision": None}, {"comment": "no"}, {"decidedBy": {"username": "x"}}]
)
async def test_a_decision_stands(change: dict[str, Any]) -> None:
    before = approval(decision="Approved", comment="yes", decidedBy={"username": "carol"}, decidedAt=rfc3339(NOW - 20))
    assert "was made already, Approved by carol" in said(await answered(change, before))
    assert not (await answered({}, before)).causes


@pytest.mark.parametrize(
    ("before", "says"),
    [
        (approval(expiresAt=rfc3339(NOW)), "comes too late: the time to decide was over"),
        (approval("Expired"), "comes too late: the time to decide was over"),
        (approval("Withdrawn"), "comes too late: the call was given up"),
    ],
)
async def test_too_late(before: dict[str, Any], says: str) -> None:
    assert says in said(await answered({"decision": "Approved"}, before))


async def test_what_is_beside_a_decision_needs_one() -> None:
    for beside in ({"comment": "hm"}, {"decidedBy": {"username": "bob"}}, {"decidedAt": rfc3339(NOW)}):
        assert "spec.decision: is missing" in said(await answered(beside))
    assert "longer than" in said(await answered({"decision": "Denied", "comment": "x" * 2001}))


async def test_in_the_store(world: Any) -> None:
    """As the reviewer of everything calls it."""
    made = await world.controller.create(
        TOOL_APPROVAL, approval(expiresAt="2999-01-01T00:00:00Z", requestedBy={"username": "carol"})
    )
    with pytest.raises(Forbidden, match="made by the controller alone"):
        await world.alice.create(TOOL_APPROVAL, {**approval(), "metadata": {"name": "mine", "namespace": "default"}})
    with pytest.raises(Forbidden, match=r"set spec\.decision to decide"):
        await world.alice.patch(TOOL_APPROVAL, "default", "ask", {"status": {"phase": "Approved"}}, subresource="status")
    with pytest.raises(Invalid, match="'yes' is not allowed"):
        await world.alice.patch(TOOL_APPROVAL, "default", "ask", {"spec": {"decision": "yes"}})
    assert "status" not in made or made["status"] != {"phase": "Approved"}
    decided = await world.alice.patch(TOOL_APPROVAL, "default", "ask", {"spec": {"decision": "Approved"}})
    assert decided["spec"]["decidedBy"] == {"username": "alice", "groups": ["developers"]}
