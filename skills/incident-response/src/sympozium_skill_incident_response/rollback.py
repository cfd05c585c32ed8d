"""Puts a workload back to an earlier revision: the one tool that changes something, for a policy to ask about."""

from __future__ import annotations

from typing import Annotated

from sympozium_core.sidecar.calls import Call
from sympozium_core.sidecar.definition import BadArguments, tool
from sympozium_core.sidecar.kubectl import Kubectl, namespace_flag, target_word
from sympozium_skill_incident_response import workload as workloads
from sympozium_skill_incident_response.workload import Kind


@tool
def rollback(
    kind: Annotated[Kind, "What the workload is."],
    name: Annotated[str, "The workload."],
    why: Annotated[str, "For whoever decides on it, and for the record: what is wrong, and why this will help."],
    call: Call,
    namespace: Annotated[str, "Namespace; without it, the first that this agent has rights in."] = "",
    revision: Annotated[int, "The one to go back to; 0 is the one before the current one."] = 0,
) -> str:
    """Put a workload back to an earlier revision. Usually a person has to agree first."""
    if not why.strip() or revision < 0:
        raise BadArguments("give 'why' in a sentence or two, and 0 or the number of a revision")
    kubectl = Kubectl(call)
    found = workloads.workload(kubectl, kind, name, namespace)
    known = workloads.revisions(kubectl, found)
    numbers = ", ".join(str(each.number) for each in known)
    if len(known) < 2:
        raise BadArguments(f"{kind}/{name} has no earlier revision to go back to")
    target = next((each for each in known if each.number == revision), None) if revision else known[1]
    if target is None or target is known[0]:
        raise BadArguments(
            f"revision {revision} is not an earlier one of {kind}/{name}; it has {numbers}, the first of them now"
        )
    words = ("rollout", "undo", target_word(kind, name), namespace_flag(found.namespace), f"--to-revision={target.number}")
    kubectl(*words)
    what = "; ".join(workloads.changes(known[0].template, target.template))
    return f"{kind}/{name} goes from revision {known[0].number} back to what revision {target.number} was: {what}. Look at it again with incident_triage."
