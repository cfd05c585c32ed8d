"""What a run or its instance asks for and cannot have: refused where it would change what the run does, else said in a note."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sympozium_core.contracts.sandbox import ALL_PROMISES, Feature
from sympozium_core.errors import Cause
from sympozium_core.names import Tool
from sympozium_core.planning.fetching import fetch_policy
from sympozium_core.planning.inputs import RunInputs, default_of
from sympozium_core.planning.lifecycle import notes as lifecycle_notes
from sympozium_core.planning.mcp import mcp_notes
from sympozium_core.planning.policy import run_tools

_FIELDS: tuple[tuple[str, Feature | None, str], ...] = (
    ("volumes", None, "runs mount no further volumes"),
    ("volumeMounts", None, "runs mount no further volumes"),
    ("env", None, "environment for the agent is not available in this version"),
    ("imagePullSecrets", "images", "runs pull no images here"),
    ("nodeSelector", "node-selection", "runs have one node here"),
)
"""Field of a run's spec or an instance's ``agents.default``, the feature of a runtime that makes it act, and what is so without."""


def unavailable(inputs: RunInputs) -> list[Cause]:
    """A cause for each field that would change what the run does and cannot act here."""
    spec, default, features = inputs.run["spec"], default_of(inputs.instance), inputs.sandbox.features
    found = []
    for field, feature, because in _FIELDS:
        if feature in features:
            continue
        if spec.get(field):
            found.append(Cause(f"spec.{field}", because, "remove the field"))
        if default.get(field):
            found.append(Cause("", f"the instance sets agents.default.{field}: {because}", "remove the field"))
    model = spec.get("model") or {}
    if model.get("nodeSelector") and "node-selection" not in features:
        found.append(Cause("spec.model.nodeSelector", "runs have one node here", "remove the field"))
    thinking = model.get("thinking") or default.get("thinking") or "off"
    if thinking != "off":
        found.append(
            Cause(
                "spec.model.thinking",
                f"{thinking}: control of the model's thinking is not available in this version",
                "set off",
            )
        )
    if spec.get("mode") == "server":
        found.append(Cause("spec.mode", "server runs (web endpoints) are not available in this version", "use mode: task"))
    if _asks_for_a_kernel_sandbox(spec, default) and "runtime-classes" not in features:
        found.append(
            Cause("spec.agentSandbox", "a kernel sandbox (runtimeClass) needs a cluster", "set enabled: false to run embedded")
        )
    return found


def notes(inputs: RunInputs) -> list[str]:
    """What adds something around a run and is not there, or is permitted and never used."""
    policy, sandbox = inputs.policy, inputs.sandbox
    found = []
    if "egress" not in sandbox.features and (policy.network_open or policy.allowed_egress):
        found.append(f"policy {policy.name} permits network access; runs in sandbox {sandbox.name} have none")
    elif policy.network_open:
        found.append(f"policy {policy.name} does not deny the network; a run still reaches only what allowedEgress lists")
    tools = run_tools(policy, inputs.run)
    asked = (inputs.run["spec"].get("toolPolicy") or {}).get("allow") or ()
    if Tool.FETCH_URL in asked and fetch_policy(policy, tools) is None:
        found.append(
            f"the run asks for {Tool.FETCH_URL}, and policy {policy.name} lists no host for it: the tool is not offered"
        )
    if policy.host_mounts:
        found.append(f"policy {policy.name} permits host mounts; only the skills that its hostAccess names have any")
    missing = sorted(ALL_PROMISES - sandbox.promises)
    if missing:
        found.append(
            f"sandbox {sandbox.name} does not isolate {', '.join(missing)}: use it only with agents and models that you trust"
        )
    kernel = (inputs.run["spec"].get("agentSandbox") or {}, default_of(inputs.instance).get("agentSandbox") or {})
    if any(asked.get("enabled") and (asked.get("warmPool") or asked.get("warmPoolRef")) for asked in kernel):
        found.append("warm pools of an instance's own are not available in this version: the run waits for its pod to start")
    return found + mcp_notes(inputs) + lifecycle_notes(inputs)


def _asks_for_a_kernel_sandbox(spec: Mapping[str, Any], default: Mapping[str, Any]) -> bool:
    return bool((spec.get("agentSandbox") or default.get("agentSandbox") or {}).get("enabled"))
