"""From gathered inputs to a RunPlan, or to every reason why this place cannot carry the run out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sympozium_core.contracts.plan import (
    Container,
    DeclaredTool,
    Limits,
    PodPlan,
    Resources,
    RunPlan,
    SkillText,
    ToolPolicy,
    ToolServer,
)
from sympozium_core.contracts.sandbox import ALL_PROMISES
from sympozium_core.errors import Cause, Refused
from sympozium_core.names import NATIVE_TOOLS, Reason, Tool
from sympozium_core.planning.inputs import RunInputs, SkillSource, model_of
from sympozium_core.planning.policy import narrow
from sympozium_core.planning.review import resources_of
from sympozium_core.resources import durations, quantities

SHELL_SKILL = "shell"
"""Serves `execute_command` where no skill of the run does: every agent has that tool, if its policy lets it."""

DEFAULT_PROMPT = (
    "You are a helpful assistant. Work step by step, use your tools to find out rather than guess, and answer concisely."
)


def make_plan(inputs: RunInputs) -> RunPlan:
    """Raises Refused with reason InfrastructureError when a field of the run cannot act here: nothing is dropped in silence."""
    causes = [*_model_faults(inputs), *_skill_faults(inputs), *_unavailable(inputs.run, inputs.instance)]
    if causes:
        raise Refused(causes, reason=Reason.INFRASTRUCTURE_ERROR)
    run, spec = inputs.run, inputs.run["spec"]
    tools = narrow(inputs.policy.tools, spec.get("toolPolicy"), "this run's spec")
    skills = _attached(inputs.skills, tools)
    return RunPlan(
        uid=run["metadata"]["uid"],
        namespace=run["metadata"]["namespace"],
        name=run["metadata"]["name"],
        instance=spec["instanceRef"],
        task=spec["task"],
        system_prompt=spec.get("systemPrompt") or inputs.instance["spec"].get("systemPrompt") or DEFAULT_PROMPT,
        model=model_of(run, inputs.instance),
        tools=tools,
        native_tools=tuple(tool for tool in NATIVE_TOOLS if tools.decide(tool).action == "allow"),
        servers=tuple(ToolServer(skill.name, _declared(skill)) for skill in skills if skill.command),
        limits=_limits(run, inputs.instance),
        sandbox=inputs.sandbox.name,
        pod=_pod(inputs, skills),
        bridge_hooks=inputs.bridge_hooks,
        notes=_notes(inputs),
    )


def _attached(skills: tuple[SkillSource, ...], tools: ToolPolicy) -> tuple[SkillSource, ...]:
    """The skills whose servers start. The implicit shell is the last of `skills`, and left out where its one tool may never be called."""
    if tools.decide(Tool.EXECUTE_COMMAND).action == "allow":
        return skills
    return tuple(skill for skill in skills if skill.name != SHELL_SKILL)


def _limits(run: Mapping[str, Any], instance: Mapping[str, Any]) -> Limits:
    default = (instance["spec"].get("agents") or {}).get("default") or {}
    timeout = run["spec"].get("timeout") or default.get("runTimeout")
    return replace(Limits(), timeout=durations.seconds(timeout)) if timeout else Limits()


def _pod(inputs: RunInputs, skills: tuple[SkillSource, ...]) -> PodPlan:
    wanted = resources_of(inputs.run, inputs.instance)
    resources = Resources()
    if wanted.get("cpu"):
        resources = replace(resources, cpu=float(quantities.amount(wanted["cpu"])))
    if wanted.get("memory"):
        resources = replace(resources, memory=quantities.whole(wanted["memory"]))
    containers = [
        Container("bridge", "bridge", command=inputs.bridge_command),
        Container("agent", "agent", command=inputs.agent_command, resources=resources, workspace=True, skills=True),
    ]
    containers += [_sidecar(skill) for skill in skills if skill.command]
    texts = [
        SkillText(skill.name, text["name"], text.get("description") or "", text["content"])
        for skill in skills
        for text in skill.pack["spec"].get("skills") or []
    ]
    return PodPlan(containers=tuple(containers), skills=tuple(texts))


def _sidecar(skill: SkillSource) -> Container:
    sidecar = skill.pack["spec"].get("sidecar") or {}
    env = {item["name"]: item.get("value") or "" for item in sidecar.get("env") or []}
    env |= {skill_variable(key): value for key, value in skill.params.items()}
    env["SYMPOZIUM_SKILL_PACK"] = skill.name
    return Container(
        f"skill-{skill.name}",
        "skill",
        command=skill.command,
        image=sidecar.get("image") or "",
        env=env,
        resources=_sidecar_resources(sidecar.get("resources") or {}),
        workspace=sidecar.get("mountWorkspace") is not False,
    )


def _sidecar_resources(wanted: Mapping[str, str]) -> Resources:
    resources = Resources()
    if wanted.get("cpu"):
        resources = replace(resources, cpu=float(quantities.amount(wanted["cpu"])))
    if wanted.get("memory"):
        resources = replace(resources, memory=quantities.whole(wanted["memory"]))
    return resources


def skill_variable(parameter: str) -> str:
    """``repo`` becomes ``SKILL_REPO``, as in the original."""
    return "SKILL_" + re.sub(r"[^A-Za-z0-9]", "_", parameter).upper()


def _declared(skill: SkillSource) -> tuple[DeclaredTool, ...]:
    return tuple(
        DeclaredTool(
            name=tool["name"],
            description=tool.get("description") or "",
            parameters=tool.get("parameters") or {"type": "object", "properties": {}},
            exec=tuple(tool["exec"]),
            subcommand=tool.get("subcommand") or "",
            input_mode=tool.get("inputMode") or "args",
            positional_args=tuple(tool.get("positionalArgs") or ()),
        )
        for tool in (skill.pack["spec"].get("sidecar") or {}).get("tools") or []
    )


def _model_faults(inputs: RunInputs) -> list[Cause]:
    model = model_of(inputs.run, inputs.instance)
    instance = inputs.run["spec"]["instanceRef"]
    found = []
    if not model.provider:
        found.append(
            Cause("", f"neither the run nor instance {instance!r} names a provider", "set spec.provider.name on the instance")
        )
    if not model.model:
        found.append(
            Cause("", f"neither the run nor instance {instance!r} names a model", "set spec.provider.model on the instance")
        )
    return found


def _skill_faults(inputs: RunInputs) -> list[Cause]:
    found = [
        Cause(
            "spec.skills",
            f"skill {name!r} is neither a SkillPack in this namespace or the system's nor an installed package",
            "apply its SkillPack, or pip install its package",
        )
        for name in inputs.missing_skills
    ]
    for skill in inputs.skills:
        sidecar = skill.pack["spec"].get("sidecar")
        if sidecar and not skill.command:
            found.append(
                Cause(
                    "spec.skills",
                    f"skill {skill.name!r} brings its tools only as container image {sidecar.get('image')!r}, which needs a cluster",
                    "install the skill's package, or run on a cluster",
                )
            )
        for field in ("secretRef", "hostAccess", "rbac", "clusterRBAC"):
            if (sidecar or {}).get(field):
                found.append(
                    Cause(
                        "spec.skills",
                        f"skill {skill.name!r} needs sidecar.{field}, which embedded runs do not have",
                        "run on a cluster",
                    )
                )
    return found


_NOT_HERE: tuple[tuple[str, str], ...] = (
    ("lifecycle", "hooks before and after a run are not available in this version"),
    ("imagePullSecrets", "embedded runs pull no images"),
    ("volumes", "embedded runs mount no further volumes"),
    ("volumeMounts", "embedded runs mount no further volumes"),
    ("nodeSelector", "embedded runs have one node"),
    ("env", "environment for the agent is not available in this version"),
)


def _unavailable(run: Mapping[str, Any], instance: Mapping[str, Any]) -> list[Cause]:
    """Fields that would change what the run does and cannot act here. (What merely adds something around a run is a note.)"""
    spec, default = run["spec"], (instance["spec"].get("agents") or {}).get("default") or {}
    found = [Cause(f"spec.{field}", because, "remove the field") for field, because in _NOT_HERE if spec.get(field)]
    found += [
        Cause("", f"the instance sets agents.default.{field}: {because}", "remove the field")
        for field, because in _NOT_HERE
        if default.get(field)
    ]
    thinking = (spec.get("model") or {}).get("thinking") or default.get("thinking") or "off"
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
    if ((spec.get("agentSandbox") or default.get("agentSandbox")) or {}).get("enabled"):
        found.append(
            Cause("spec.agentSandbox", "a kernel sandbox (runtimeClass) needs a cluster", "set enabled: false to run embedded")
        )
    return found


def _notes(inputs: RunInputs) -> tuple[str, ...]:
    spec = inputs.instance["spec"]
    notes = list(inputs.policy.notes)
    missing = sorted(ALL_PROMISES - inputs.sandbox.promises)
    if missing:
        notes.append(
            f"sandbox {inputs.sandbox.name} does not isolate {', '.join(missing)}: use it only with agents and models that you trust"
        )
    if spec.get("mcpServers"):
        notes.append("MCP servers are not available in this version: the run has none of their tools")
    return tuple(notes)
