"""AgentRun: the instance exists, the policy lets the run be, the requester is on record, and nothing but `cancel` changes later."""

from __future__ import annotations

import copy
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any

from sympozium_core.admission.lookup import Lookup
from sympozium_core.admission.references import References, references, run_model
from sympozium_core.contracts.cluster import Review, User, Verdict
from sympozium_core.errors import Cause
from sympozium_core.names import FINALIZER_RUN, LABEL_INSTANCE
from sympozium_core.planning.approvals import waiting_tools, withheld_tools
from sympozium_core.planning.factory import label_value
from sympozium_core.planning.harness import harness_denials, harness_faults
from sympozium_core.planning.policy import EffectivePolicy, run_tools
from sympozium_core.planning.review import review_run
from sympozium_core.resources import load
from sympozium_core.resources.kinds import AGENT_RUN, SYMPOZIUM_INSTANCE

AskRights = Callable[[References], Awaitable[list[Cause]]]
"""Whether the writer may make these references."""


async def review(
    lookup: Lookup, rights: AskRights, review: Review, run: Mapping[str, Any], warnings: tuple[str, ...]
) -> Verdict:
    """`run` is the object under review in normal form."""
    assert review.object is not None
    if review.operation == "UPDATE":
        causes = _changes(review, run)
        return Verdict(causes=tuple(causes), invalid=True) if causes else Verdict(object=review.object, warnings=warnings)
    namespace = review.namespace or ""
    name = run["spec"]["instanceRef"]
    found = await lookup.governed(namespace, name)
    if found is None:
        return Verdict(
            causes=(
                Cause(
                    "spec.instanceRef",
                    f"there is no SympoziumInstance {name!r} in namespace {namespace!r}",
                    "create it first, or name one of: sympozium instances list",
                ),
            )
        )
    instance, policy_name, policy = found
    if policy is None:
        missing = Cause(
            "",
            f"instance {name!r} names policy {policy_name!r}, which does not exist",
            "apply the policy, or name permissive, default or restrictive",
        )
        return Verdict(causes=(missing,))
    sandbox, harness = await lookup.sandbox(), lookup.harness(instance)
    causes = review_run(run, instance, policy, sandbox) + lookup.hooks(run, instance)
    causes += [*harness_faults(harness, sandbox), *harness_denials(harness, policy, sandbox)]
    causes += await rights(_own_references(run, instance))
    if causes:
        return Verdict(causes=tuple(causes))
    return Verdict(object=_stamped(review.object, name, review.user), warnings=(*warnings, *_to_know(policy, run)))


def _changes(review: Review, run: Mapping[str, Any]) -> list[Cause]:
    """A run is what was admitted: its spec stands, and a cancelled run stays cancelled."""
    assert review.old_object is not None
    old = load.read(review.old_object).normal["spec"]
    changed = sorted(key for key in {*old, *run["spec"]} if old.get(key) != run["spec"].get(key))
    causes = [
        Cause(f"spec.{key}", "cannot be changed after the run was created", "only spec.cancel can; create another run")
        for key in changed
        if key != "cancel"
    ]
    if old.get("cancel") and not run["spec"].get("cancel"):
        causes.append(Cause("spec.cancel", "cannot be taken back", "create another run"))
    return causes


def _own_references(run: Mapping[str, Any], instance: Mapping[str, Any]) -> References:
    """What the run does not inherit from its instance, whose writer was asked already."""
    model = run_model(run, instance)
    own = references(AGENT_RUN, run["spec"]).beyond(references(SYMPOZIUM_INSTANCE, instance["spec"]))
    return replace(own, secrets=(*own.secrets, model)) if model is not None else own


def _stamped(obj: Mapping[str, Any], instance: str, user: User) -> dict[str, Any]:
    """What the server knows better than the writer: who asks, and that the run is held until its pod is gone.

    Stamping what is stamped changes nothing: a second review sees by that whether somebody came in between.
    """
    stamped = copy.deepcopy(dict(obj))
    stamped["spec"]["requestedBy"] = {"username": user.name, "groups": list(user.groups)}
    metadata = stamped["metadata"]
    metadata["labels"] = {**(metadata.get("labels") or {}), LABEL_INSTANCE: label_value(instance)}
    metadata["finalizers"] = list(dict.fromkeys((*(metadata.get("finalizers") or ()), FINALIZER_RUN)))
    stamped.pop("status", None)
    return stamped


def _to_know(policy: EffectivePolicy, run: Mapping[str, Any]) -> tuple[str, ...]:
    tools = run_tools(policy, run)
    found = []
    if waiting := waiting_tools(tools):
        found.append(f"this run may wait for approval of: {', '.join(waiting)}")
    if withheld := withheld_tools(tools):
        found.append(
            f"an agent does these by itself, so nobody can be asked, and it is not offered them: {', '.join(withheld)}"
        )
    return tuple(found)
