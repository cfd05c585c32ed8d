"""What a run may have fetched, and at which addresses its model may be asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sympozium_core.address_guard import Guard, url_refusal
from sympozium_core.contracts.fetching import FetchPolicy
from sympozium_core.contracts.tool_policy import ToolPolicy
from sympozium_core.errors import Cause
from sympozium_core.names import Tool
from sympozium_core.planning.inputs import SandboxFacts, model_of
from sympozium_core.planning.policy import EffectivePolicy


def fetch_policy(policy: EffectivePolicy, tools: ToolPolicy) -> FetchPolicy | None:
    """None where no fetch could succeed: then the tool is not offered."""
    if tools.decide(Tool.FETCH_URL).action == "deny" or not policy.fetch.lets_something:
        return None
    return replace(policy.fetch, private=policy.fetch_private or ())


def server_guard(private: tuple[str, ...], *, on_this_machine: bool) -> Guard:
    """For models and MCP servers: whoever runs agents on one machine runs such servers there too."""
    return Guard(private, "open" if on_this_machine else "never")


def model_address_faults(
    run: Mapping[str, Any], instance: Mapping[str, Any], policy: EffectivePolicy, sandbox: SandboxFacts
) -> list[Cause]:
    """An address that is written out is judged before the run is there; what a name stands for, each time that it is asked."""
    url = model_of(run, instance).base_url
    guard = server_guard(policy.model_private or (), on_this_machine=sandbox.on_this_machine)
    if not (because := url_refusal(url, guard)):
        return []
    own = (run["spec"].get("model") or {}).get("baseURL")
    return [
        Cause(
            "spec.model.baseURL" if own else "",
            f"the model's address {url[:200]} {because}",
            f"list its range in modelPolicy.allowedPrivate of policy {policy.name}, or use a public address",
        )
    ]
