"""What a run that is under way may still ask for when a policy that binds it is changed: pages, addresses, its model, its MCP servers. It only ever gets less. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Any

from sympozium_core.address_guard import Guard, common, url_refusal
from sympozium_core.contracts.fetching import FetchPolicy, covers, fetch_policy_from_json
from sympozium_core.contracts.plan import RunPlan, to_json
from sympozium_core.planning.policy import EffectivePolicy

MAX_PARTS = 64
"""Lists of hosts that a run carries with it; one whose policies change more often has nothing fetched any more."""
_NOTHING = FetchPolicy("", rules=())


@dataclass(frozen=True)
class Reach:
    fetch: FetchPolicy | None
    private_models: tuple[str, ...]
    private_mcp: tuple[str, ...] = ()
    """As in RunPlan, all of them."""

    def to_json(self) -> dict[str, Any]:
        """As journal and status have it: a list of hosts that is empty where nothing may be fetched, because a merge would drop a null."""
        return {
            "fetch": to_json(self.fetch or _NOTHING),
            "privateModels": list(self.private_models),
            "privateMcp": list(self.private_mcp),
        }


def reach_of(plan: RunPlan, told: Mapping[str, Any] | None = None) -> Reach:
    """As planned; or what is left of it, by what the journal or the status has told."""
    if told is None or "privateModels" not in told:
        return Reach(plan.fetch, plan.private_models, plan.private_mcp)
    fetch = fetch_policy_from_json(told["fetch"])
    return Reach(
        fetch if fetch and fetch.lets_something else None, tuple(told["privateModels"]), tuple(told.get("privateMcp") or ())
    )


def narrowed(held: Reach, now: EffectivePolicy, *, named: bool) -> Reach:
    """`held`, and no more than `now` lets through. A mandatory policy that says nothing of private addresses has no say in them; the one that the
    run was admitted under opens those that it lists, and so none where it lists none any more."""
    models = _within(held.private_models, now.model_private, named)
    mcp = _within(held.private_mcp, now.mcp_private, named)
    if held.fetch is None:
        return Reach(None, models, mcp)
    fetch = replace(held.fetch, private=_within(held.fetch.private, now.fetch_private, named))
    if not covers(now.fetch, held.fetch):
        fetch = replace(fetch, narrowed_by=(*fetch.narrowed_by, replace(now.fetch, narrowed_by=())))
    return Reach(fetch if fetch.lets_something and len(fetch.narrowed_by) <= MAX_PARTS else None, models, mcp)


def lost(before: Reach, after: Reach) -> list[str]:
    """In words, what became less."""
    found = []
    if before.fetch != after.fetch:
        found.append("fewer pages may be fetched" if after.fetch else "nothing may be fetched")
    if before.private_models != after.private_models:
        found.append("fewer addresses of models may be asked")
    if before.private_mcp != after.private_mcp:
        found.append("fewer addresses of MCP servers may be asked")
    return found


def model_refusal(plan: RunPlan, now: EffectivePolicy, guard: Guard) -> str:
    """Why a run whose model is asked may not go on with it; empty when it may. `guard` is what is left of its addresses."""
    model, allowed = plan.model, now.allowed_models
    if allowed and not any(fnmatchcase(model.model, pattern) for pattern in allowed):
        return f"policy {now.name} does not allow model {model.model!r} any more; it allows {', '.join(allowed)}"
    because = url_refusal(model.base_url, guard)
    return f"the model's address {model.base_url[:200]} {because} in policy {now.name} any more" if because else ""


def _within(held: tuple[str, ...], listed: tuple[str, ...] | None, named: bool) -> tuple[str, ...]:
    if listed is None and not named:
        return held
    left = common(held, listed or ())
    return held if left == common(held, held) else left
