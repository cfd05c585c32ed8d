"""From JSON back to a RunPlan or its parts: the inverse of `plan.to_json`, for what this core itself wrote. KeyError or TypeError on anything else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sympozium_core.contracts.approvals import Approvals
from sympozium_core.contracts.fetching import fetch_policy_from_json
from sympozium_core.contracts.mcp import server_from_json
from sympozium_core.contracts.plan import (
    AccessRule,
    Container,
    DeclaredTool,
    EgressRule,
    HookPlan,
    HostAccess,
    HostMount,
    Identity,
    Limits,
    ModelRef,
    PodPlan,
    Resources,
    RunPlan,
    SecretKey,
    SkillText,
    ToolServer,
)
from sympozium_core.contracts.tool_policy import ToolPolicy, ToolRule


def run_plan_from_json(data: Mapping[str, Any]) -> RunPlan:
    """The inverse of `to_json` for a RunPlan that this core wrote; raises KeyError or TypeError on anything else."""
    return RunPlan(
        **{
            **data,
            "model": ModelRef(**data["model"]),
            "tools": tool_policy_from_json(data["tools"]),
            "native_tools": tuple(data["native_tools"]),
            "servers": tuple(
                ToolServer(server["name"], tuple(_declared_from_json(tool) for tool in server["declared"]))
                for server in data["servers"]
            ),
            "limits": Limits(**data["limits"]),
            "pod": _pod_from_json(data["pod"]),
            "prompt_sections": tuple(data["prompt_sections"]),
            "identities": tuple(_identity_from_json(identity) for identity in data["identities"]),
            "hooks": tuple(HookPlan(**{**hook, "pod": _pod_from_json(hook["pod"])}) for hook in data["hooks"]),
            "hook_identity": _identity_from_json(data["hook_identity"]) if data["hook_identity"] is not None else None,
            "bridge_hooks": tuple(data["bridge_hooks"]),
            "fetch": fetch_policy_from_json(data["fetch"]),
            "private_models": tuple(data["private_models"]),
            "mcp": tuple(server_from_json(server) for server in data["mcp"]),
            "private_mcp": tuple(data["private_mcp"]),
            "approvals": Approvals(**data["approvals"]),
            "notes": tuple(data["notes"]),
        }
    )


def _pod_from_json(pod: Mapping[str, Any]) -> PodPlan:
    return PodPlan(
        **{
            **pod,
            "containers": tuple(
                Container(
                    **{
                        **each,
                        "command": tuple(each["command"]),
                        "args": tuple(each["args"]),
                        "host": _host_from_json(each["host"]),
                        "secret_env": {name: SecretKey(**key) for name, key in each["secret_env"].items()},
                        "resources": Resources(**each["resources"]),
                    }
                )
                for each in pod["containers"]
            ),
            "skills": tuple(SkillText(**skill) for skill in pod["skills"]),
            "egress": tuple(EgressRule(rule["host"], tuple(rule["cidrs"]), rule["port"]) for rule in pod["egress"]),
            "image_pull_secrets": tuple(pod["image_pull_secrets"]),
        }
    )


def _host_from_json(data: Mapping[str, Any] | None) -> HostAccess | None:
    return None if data is None else HostAccess(**{**data, "mounts": tuple(HostMount(**mount) for mount in data["mounts"])})


def _declared_from_json(data: Mapping[str, Any]) -> DeclaredTool:
    return DeclaredTool(**{**data, "exec": tuple(data["exec"]), "positional_args": tuple(data["positional_args"])})


def _identity_from_json(data: Mapping[str, Any]) -> Identity:
    def rules(given: list[Mapping[str, Any]]) -> tuple[AccessRule, ...]:
        return tuple(AccessRule(**{name: tuple(values) for name, values in rule.items()}) for rule in given)

    return Identity(data["skill"], rules(data["rules"]), rules(data["cluster_rules"]), tuple(data["namespaces"]))


def tool_policy_from_json(data: Mapping[str, Any]) -> ToolPolicy:
    return ToolPolicy(
        default=data["default"],
        because=data["because"],
        rules=tuple(ToolRule(**rule) for rule in data["rules"]),
        narrowed_by=tuple(tool_policy_from_json(policy) for policy in data["narrowed_by"]),
    )
