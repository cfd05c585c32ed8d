"""Admission's way in: shape first, then the rules of the kind. Stores what the user wrote, plus what only the server can know."""

from __future__ import annotations

from sympozium_core.admission import agentrun, instance
from sympozium_core.admission.lookup import Lookup
from sympozium_core.admission.not_yet import not_yet
from sympozium_core.contracts.cluster import Invalid, Review, Verdict
from sympozium_core.errors import Cause
from sympozium_core.names import GROUP
from sympozium_core.resources import load
from sympozium_core.resources.kinds import AGENT_RUN, SYMPOZIUM_INSTANCE

CONTROL_PLANE = "system:sympozium:"
"""How the names of the control plane's own users begin."""


class Reviewer:
    """Implements `contracts.cluster.Admission`."""

    def __init__(self, lookup: Lookup) -> None:
        self._lookup = lookup

    async def review(self, review: Review) -> Verdict:
        if review.operation == "DELETE" or review.object is None or review.kind.group != GROUP:
            return Verdict(object=review.object)
        if review.subresource == "status":
            return _review_status(review)
        if review.operation == "UPDATE" and review.object["metadata"].get("deletionTimestamp"):
            return Verdict(object=review.object)  # a finalizer must always be able to go
        try:
            loaded = load.read(review.object)
        except Invalid as error:
            return Verdict(causes=error.causes, invalid=True)
        if review.kind == AGENT_RUN:
            return await agentrun.review(self._lookup, review, loaded.normal, tuple(loaded.warnings))
        warnings = [*loaded.warnings, *not_yet(review.kind.kind, loaded.normal["spec"])]
        if review.kind == SYMPOZIUM_INSTANCE:
            warnings += await instance.warnings(self._lookup, loaded.normal)
        return Verdict(object=review.object, warnings=tuple(warnings))


def _review_status(review: Review) -> Verdict:
    """Only the control plane says what became of a run: a status that others may write proves nothing."""
    if review.kind == AGENT_RUN and not review.user.name.startswith(CONTROL_PLANE):
        return Verdict(
            causes=(Cause("status", "only the controller may write a run's status", "set spec.cancel to stop a run"),)
        )
    return Verdict(object=review.object)
