"""Admission's way in: shape first, then the rules of the kind. Stores what the user wrote, plus what only the server can know."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sympozium_core.admission import agentrun, instance, mcpserver, rights, skillpack, toolapproval, urls
from sympozium_core.admission.lookup import Lookup, Rights
from sympozium_core.admission.not_yet import not_yet
from sympozium_core.admission.references import References, references
from sympozium_core.clock import Clock, SystemClock
from sympozium_core.contracts.cluster import Invalid, Review, Verdict
from sympozium_core.errors import Cause
from sympozium_core.names import GROUP, SYSTEM_NAMESPACE
from sympozium_core.resources import load
from sympozium_core.resources.kinds import (
    AGENT_RUN,
    MCP_SERVER,
    SKILL_PACK,
    SYMPOZIUM_INSTANCE,
    SYMPOZIUM_POLICY,
    TOOL_APPROVAL,
)

CONTROL_PLANE = "system:sympozium:"
"""How the names of the embedded control plane's own users begin."""
_NOT_AT_HOME = Cause(
    "spec.mandatory",
    f"acts in namespace {SYSTEM_NAMESPACE} alone",
    "apply the policy there, or leave it out and name it in an instance",
)
EMBEDDED = frozenset((f"{CONTROL_PLANE}controller",))


class Reviewer:
    """Implements `contracts.cluster.Admission`. `control_plane` are the users who write status, and who copy references that were asked about."""

    def __init__(
        self, lookup: Lookup, asked: Rights, *, control_plane: frozenset[str] = EMBEDDED, clock: Clock | None = None
    ) -> None:
        self._lookup = lookup
        self._rights = asked
        self._control_plane = control_plane
        self._clock = clock or SystemClock()

    async def review(self, review: Review) -> Verdict:
        if review.operation == "DELETE" or review.object is None or review.kind.group != GROUP:
            return Verdict(object=review.object)
        if review.subresource == "status":
            return self._status(review)
        if review.operation == "UPDATE" and review.object["metadata"].get("deletionTimestamp"):
            return Verdict(object=review.object)  # a finalizer must always be able to go
        try:
            loaded = load.read(review.object)
        except Invalid as error:
            return Verdict(causes=error.causes, invalid=True)
        if review.kind == AGENT_RUN:

            async def ask(new: References) -> list[Cause]:
                return await self._may_refer(review, loaded, new)

            return await agentrun.review(self._lookup, ask, review, loaded.normal, tuple(loaded.warnings))
        if review.kind == TOOL_APPROVAL:
            known = review.user.name in self._control_plane
            return await toolapproval.review(review, self._rights, self._clock, is_control_plane=known)
        return await self._other(review, loaded)

    async def _other(self, review: Review, loaded: load.Loaded[Any]) -> Verdict:
        normal = loaded.normal
        causes = skillpack.causes(normal) if review.kind == SKILL_PACK else []
        if review.kind == MCP_SERVER:
            causes += mcpserver.causes(normal, (await self._lookup.sandbox()).features)
        if review.kind == SYMPOZIUM_POLICY and review.namespace != SYSTEM_NAMESPACE and normal["spec"].get("mandatory"):
            causes.append(_NOT_AT_HOME)
        sandbox = await self._lookup.sandbox()
        causes += urls.url_causes(review.kind, loaded, on_this_machine=sandbox.on_this_machine)
        new = references(review.kind, normal["spec"])
        if review.operation == "UPDATE":
            new = new.beyond(_before(review))
        causes += await self._may_refer(review, loaded, new)
        if causes:
            return Verdict(causes=tuple(causes))
        warnings = [*loaded.warnings, *not_yet(review.kind.kind, normal["spec"], sandbox.features)]
        if review.kind == SYMPOZIUM_INSTANCE:
            warnings += await instance.warnings(self._lookup, review.namespace or "", normal, _normal_before(review))
        return Verdict(object=review.object, warnings=tuple(warnings))

    async def _may_refer(self, review: Review, loaded: load.Loaded[Any], new: References) -> list[Cause]:
        if review.user.name in self._control_plane:
            return []
        writer = rights.Writer(review.user, review.namespace or "", self._rights, loaded.as_written)
        return await rights.review(writer, self._lookup, new)

    def _status(self, review: Review) -> Verdict:
        """Only the control plane says what became of a run, or of a question: a status that others may write proves nothing."""
        instead = {
            AGENT_RUN: "set spec.cancel to stop a run",
            TOOL_APPROVAL: "set spec.decision to decide",
            MCP_SERVER: "it is asked again by itself",
        }
        if review.kind in instead and review.user.name not in self._control_plane:
            message = f"only the controller may write a status of {review.kind.plural}"
            return Verdict(causes=(Cause("status", message, instead[review.kind]),))
        return Verdict(object=review.object)


def _before(review: Review) -> References:
    """Of the object as it was. One that cannot be read any more counts for nothing: all of the new one's references are new."""
    before = _normal_before(review)
    return references(review.kind, before["spec"]) if before is not None else References()


def _normal_before(review: Review) -> Mapping[str, Any] | None:
    """The object as it was; None for a new one, and for one that cannot be read any more."""
    try:
        return load.normalise(review.old_object) if review.operation == "UPDATE" else None
    except Invalid:
        return None
